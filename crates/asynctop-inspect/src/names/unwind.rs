//! From a copy of a blocked thread's stack to addresses.
//!
//! The kernel shows the stack pointer and program counter of a blocked thread, but not its frame
//! pointer. The functions of the C library around a system call do not need it. The first function
//! that does has stored its caller's frame pointer on the stack, right below its return address. The
//! distance of that place follows from the function's first instructions. If they do not determine
//! it, the place is found by trial: it is the lowest one from which the unwind reaches the thread's
//! first function.

use std::{ops::Range, sync::Arc};

use framehop::{
    ExplicitModuleSectionInfo, FrameAddress, MayAllocateDuringUnwind, Module as CodeModule,
    Unwinder as _,
    x86_64::{CacheX86_64, UnwindRegsX86_64, UnwinderX86_64},
};

use crate::{
    memory::{Memory, MemoryExt, word_in},
    names::{
        code::{Call, call_before, frame_size},
        unwind_table::FunctionStarts,
    },
    process::modules::Module,
};

/// Maximum number of frames of one stack.
const MAX_FRAMES: usize = 256;
/// Maximum number of return addresses near the top of the stack from which the unwind is restarted.
const MAX_RESTARTS: usize = 8;
/// Maximum number of frame pointers that are tried.
const MAX_CANDIDATES: usize = 512;
/// Unwind tables larger than this are not read.
const MAX_TABLE: u64 = 1 << 28;
/// The value of a register that is not known. No frame and no code is there.
const UNKNOWN: u64 = 1;

type Tables = Arc<[u8]>;

/// Unwinds with the tables of all modules.
pub(crate) struct StackUnwinder {
    inner: UnwinderX86_64<Tables, MayAllocateDuringUnwind>,
    cache: CacheX86_64<MayAllocateDuringUnwind>,
    code: Vec<Range<u64>>,
    functions: Vec<(Range<u64>, FunctionStarts)>,
    /// Code in which threads begin: the C library, and the program's entry point.
    starts: Vec<Range<u64>>,
}

/// A copy of the upper part of a stack.
pub(crate) struct StackCopy {
    pub stack_pointer: u64,
    pub program_counter: u64,
    /// From the stack pointer upward.
    pub bytes: Vec<u8>,
}

impl StackCopy {
    fn word(&self, address: u64) -> Option<u64> {
        let offset = usize::try_from(address.checked_sub(self.stack_pointer)?).ok()?;
        word_in(&self.bytes, offset)
    }

    fn end(&self) -> u64 {
        self.stack_pointer.saturating_add(self.bytes.len() as u64)
    }
}

/// A stack as addresses.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Unwound {
    /// Innermost first, each within the instruction that was running.
    pub addresses: Vec<u64>,
    /// Whether the stack reaches the thread's first function.
    pub is_complete: bool,
}

/// A function and its callers, as far as they could be followed.
struct Callers {
    frames: Vec<FrameAddress>,
    /// Whether the last one is the thread's first function.
    is_complete: bool,
    /// The registers in the last one.
    registers: UnwindRegsX86_64,
}

impl Callers {
    fn lookups(&self) -> impl Iterator<Item = u64> + '_ {
        self.frames.iter().map(|frame| frame.address_for_lookup())
    }
}

impl StackUnwinder {
    pub(crate) fn new(memory: &(impl Memory + ?Sized), modules: &[Module]) -> Self {
        let mut inner = UnwinderX86_64::new();
        let mut functions = Vec::new();
        for module in modules {
            let read = |name| {
                let range = module.section(name)?;
                let length =
                    range.end.checked_sub(range.start).filter(|size| *size <= MAX_TABLE)?;
                let own = range.start.wrapping_sub(module.bias);
                let bytes: Tables = memory.bytes(range.start, length as usize).into();
                Some((own..own + length, bytes))
            };
            let (Some(index), Some(frames)) = (read(".eh_frame_hdr"), read(".eh_frame")) else {
                continue;
            };
            let index_at = module.bias.wrapping_add(index.0.start);
            let starts = FunctionStarts::new(Arc::clone(&index.1), index_at);
            functions.push((module.range.clone(), starts));
            let text = module.image.section(".text").map(|section| section.range.clone());
            let sections = ExplicitModuleSectionInfo {
                text_svma: text,
                eh_frame_hdr_svma: Some(index.0),
                eh_frame_hdr: Some(index.1),
                eh_frame_svma: Some(frames.0),
                eh_frame: Some(frames.1),
                ..ExplicitModuleSectionInfo::default()
            };
            let range = module.range.clone();
            inner.add_module(CodeModule::new(module.path.clone(), range, module.bias, sections));
        }
        let code = modules.iter().flat_map(|module| module.code.iter().cloned()).collect();
        let starts = modules.iter().flat_map(starts_in).collect();
        StackUnwinder { inner, cache: CacheX86_64::new(), code, functions, starts }
    }

    /// The functions that a thread is in. `memory` is that of its process.
    pub(crate) fn unwind(&mut self, memory: &(impl Memory + ?Sized), stack: &StackCopy) -> Unwound {
        let registers = UnwindRegsX86_64::new(stack.program_counter, stack.stack_pointer, UNKNOWN);
        let first = FrameAddress::from_instruction_pointer(stack.program_counter);
        // Stops at the first function that needs the frame pointer.
        let known = self.follow(stack, first, registers);
        if known.is_complete {
            return Unwound { addresses: known.lookups().collect(), is_complete: true };
        }
        if let Some(callers) = self.with_frame_pointer(memory, stack, &known) {
            let addresses = known.lookups().chain(callers.lookups().skip(1)).collect();
            return Unwound { addresses, is_complete: true };
        }
        self.restarted(stack, known.lookups().collect())
    }

    /// The last known function and its callers. Calls that have returned leave places behind that
    /// look like the one that holds the frame pointer, so places of a known call of this function
    /// are tried first, then places of a possible call, then the rest (a tail call).
    fn with_frame_pointer(
        &mut self,
        memory: &(impl Memory + ?Sized),
        stack: &StackCopy,
        known: &Callers,
    ) -> Option<Callers> {
        let last = *known.frames.last()?;
        let function = self.function_at(last.address_for_lookup());
        let stack_pointer = known.registers.sp();
        let rank = |unwinder: &Self, place: u64| {
            let return_address = stack.word(place.wrapping_add(8))?;
            let is_code = unwinder.is_code(return_address);
            let call = is_code.then(|| call_before(memory, return_address))??;
            Some(match call {
                Call::Direct(called) if Some(called) == function => 0,
                Call::Indirect => 1,
                Call::Direct(_) => 2,
            })
        };
        let size = function.and_then(|function| frame_size(memory, function));
        let own = size.map(|size| stack_pointer.wrapping_add(size));
        let own = own.filter(|&place| rank(self, place).is_some());
        if let Some(callers) = own.and_then(|place| self.callers(stack, known, last, place)) {
            return Some(callers);
        }
        let places = (stack_pointer.next_multiple_of(8)..stack.end()).step_by(8);
        let mut ranked: Vec<(u8, u64)> =
            places.filter_map(|place| Some((rank(self, place)?, place))).collect();
        ranked.sort_unstable();
        ranked.truncate(MAX_CANDIDATES);
        ranked.into_iter().find_map(|(_, place)| self.callers(stack, known, last, place))
    }

    /// The last known function and its callers up to the thread's first function, if the last known
    /// function's frame pointer is `place`.
    fn callers(
        &mut self,
        stack: &StackCopy,
        known: &Callers,
        last: FrameAddress,
        place: u64,
    ) -> Option<Callers> {
        let mut registers = known.registers;
        registers.set_bp(place);
        Some(self.follow(stack, last, registers)).filter(|callers| callers.is_complete)
    }

    /// Restarts at the first return addresses on the stack, and keeps the longest result. Stubs of
    /// system calls in musl have no unwind table, and the frames above them do.
    fn restarted(&mut self, stack: &StackCopy, known: Vec<u64>) -> Unwound {
        let mut best = Unwound { addresses: known, is_complete: false };
        let returns = slots_with_code(stack, &self.code).take(MAX_RESTARTS);
        for (slot, address) in returns.collect::<Vec<_>>() {
            let registers = UnwindRegsX86_64::new(address, slot + 8, UNKNOWN);
            let Some(address) = FrameAddress::from_return_address(address) else { continue };
            let callers = self.follow(stack, address, registers);
            if callers.frames.len() >= best.addresses.len() {
                let addresses = std::iter::once(stack.program_counter).chain(callers.lookups());
                let is_complete = callers.is_complete;
                best = Unwound { addresses: addresses.collect(), is_complete };
                if is_complete {
                    break;
                }
            }
        }
        best
    }

    /// Follows the callers of the function at `address`, in which the registers were these.
    fn follow(
        &mut self,
        stack: &StackCopy,
        mut address: FrameAddress,
        mut registers: UnwindRegsX86_64,
    ) -> Callers {
        let mut frames = Vec::with_capacity(64);
        let is_complete = loop {
            frames.push(address);
            if frames.len() == MAX_FRAMES {
                break false;
            }
            let mut callers = registers;
            let mut read = |address| stack.word(address).ok_or(());
            let next = self.inner.unwind_frame(address, &mut callers, &mut self.cache, &mut read);
            match next {
                // A frame takes up space on the stack, at least for its return address.
                Ok(Some(next)) if callers.sp() > registers.sp() => {
                    // Without a table the unwinder guesses; a guess outside of code is wrong.
                    match FrameAddress::from_return_address(next) {
                        Some(next) if self.is_code(next.address_for_lookup()) => address = next,
                        _ => break false,
                    }
                    registers = callers;
                }
                Ok(Some(_)) | Err(_) => break false,
                // A wrong frame pointer ends the unwind early, but somewhere else.
                Ok(None) => break self.is_start(address.address_for_lookup()),
            }
        };
        Callers { frames, is_complete, registers }
    }

    fn is_start(&self, address: u64) -> bool {
        self.starts.iter().any(|range| range.contains(&address))
    }

    fn is_code(&self, address: u64) -> bool {
        self.code.iter().any(|range| range.contains(&address))
    }

    /// The beginning of the function that `address` is in.
    fn function_at(&self, address: u64) -> Option<u64> {
        let (_, starts) = self.functions.iter().find(|(range, _)| range.contains(&address))?;
        starts.of(address)
    }
}

/// Slots of a stack that hold addresses of code.
fn slots_with_code<'a>(
    stack: &'a StackCopy,
    code: &'a [Range<u64>],
) -> impl Iterator<Item = (u64, u64)> + 'a {
    let slots = (0..stack.bytes.len() as u64 / 8).map(|slot| stack.stack_pointer + slot * 8);
    slots
        .filter_map(|slot| Some((slot, stack.word(slot)?)))
        .filter(|(_, word)| code.iter().any(|range| range.contains(word)))
}

/// Code of a module in which a thread may begin.
fn starts_in(module: &Module) -> Vec<Range<u64>> {
    const LIBRARIES: [&str; 4] = ["libc.so", "libc-", "libpthread", "ld-musl"];
    /// In static programs.
    const FUNCTIONS: [&str; 6] =
        ["start_thread", "clone", "__clone", "__clone3", "clone3", "__libc_start_main"];
    if LIBRARIES.iter().any(|library| module.name().starts_with(library)) {
        return module.code.clone();
    }
    if !module.is_main {
        return Vec::new();
    }
    let entry = module.bias.wrapping_add(module.image.entry);
    let named =
        module.functions().iter().filter(|symbol| FUNCTIONS.contains(&symbol.name.as_str()));
    let named = named.map(|symbol| {
        let start = module.bias.wrapping_add(symbol.address);
        start..start.saturating_add(symbol.size)
    });
    named.chain(std::iter::once(entry..entry.saturating_add(64))).collect()
}
