//! From a copy of a blocked thread's stack to addresses.
//!
//! The kernel shows the stack pointer and program counter of a blocked thread, but not its frame
//! pointer. It is searched: with the right one, the unwind ends in the thread's first function.

use std::ops::Range;

use framehop::{
    CacheNative, ExplicitModuleSectionInfo, FrameAddress, MayAllocateDuringUnwind,
    Module as CodeModule, Unwinder as _, UnwinderNative, x86_64::UnwindRegsX86_64,
};

use crate::{
    memory::{Memory, MemoryExt, word_in},
    process::modules::Module,
};

/// Maximum number of frames of one stack.
const MAX_FRAMES: usize = 256;
/// Maximum number of return addresses near the top of the stack from which the unwind is restarted.
const MAX_RESTARTS: usize = 8;
/// Maximum number of frame pointers that are tried.
const MAX_CANDIDATES: usize = 200;
/// Unwind tables larger than this are not read.
const MAX_TABLE: u64 = 1 << 28;

/// Unwinds with the tables of all modules.
pub(crate) struct StackUnwinder {
    inner: UnwinderNative<Vec<u8>, MayAllocateDuringUnwind>,
    cache: CacheNative<MayAllocateDuringUnwind>,
    code: Vec<Range<u64>>,
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
}

/// A stack as addresses.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Unwound {
    /// Innermost first, each within the instruction that was running.
    pub addresses: Vec<u64>,
    /// Whether the stack reaches the thread's first function.
    pub is_complete: bool,
}

impl StackUnwinder {
    pub(crate) fn new(memory: &(impl Memory + ?Sized), modules: &[Module]) -> Self {
        let mut inner = UnwinderNative::new();
        for module in modules {
            let read = |name| {
                let range = module.section(name)?;
                let length =
                    range.end.checked_sub(range.start).filter(|size| *size <= MAX_TABLE)?;
                let own = range.start.wrapping_sub(module.bias);
                Some((own..own + length, memory.bytes(range.start, length as usize)))
            };
            let (Some(index), Some(frames)) = (read(".eh_frame_hdr"), read(".eh_frame")) else {
                continue;
            };
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
        StackUnwinder { inner, cache: CacheNative::new(), code, starts }
    }

    /// The functions that a thread is in.
    pub(crate) fn unwind(&mut self, stack: &StackCopy) -> Unwound {
        let mut best = Unwound::default();
        let slots = (0..stack.bytes.len() as u64 / 8).map(|slot| stack.stack_pointer + slot * 8);
        let frames = slots
            .filter(|slot| stack.word(slot.wrapping_add(8)).is_some_and(|word| self.is_code(word)))
            .take(MAX_CANDIDATES)
            .collect::<Vec<_>>();
        for frame_pointer in std::iter::once(0).chain(frames) {
            let unwound = self.unwind_with(stack, frame_pointer);
            if unwound.is_complete {
                return unwound;
            }
            if unwound.addresses.len() > best.addresses.len() {
                best = unwound;
            }
        }
        // Stubs of system calls in musl have no unwind table, and the frames above them do.
        let returns = slots_with_code(stack, &self.code).take(MAX_RESTARTS);
        for (slot, address) in returns.collect::<Vec<_>>() {
            let above = StackCopy {
                stack_pointer: slot + 8,
                program_counter: address,
                bytes: stack.bytes[(slot + 8 - stack.stack_pointer) as usize..].to_vec(),
            };
            let mut unwound = self.unwind_with(&above, 0);
            if unwound.addresses.len() >= best.addresses.len() {
                unwound.addresses.insert(0, stack.program_counter);
                best = unwound;
                if best.is_complete {
                    break;
                }
            }
        }
        best
    }

    fn unwind_with(&mut self, stack: &StackCopy, frame_pointer: u64) -> Unwound {
        let registers =
            UnwindRegsX86_64::new(stack.program_counter, stack.stack_pointer, frame_pointer);
        let mut read = |address| stack.word(address).ok_or(());
        let mut frames =
            self.inner.iter_frames(stack.program_counter, registers, &mut self.cache, &mut read);
        let mut unwound = Unwound::default();
        loop {
            match frames.next() {
                Ok(Some(frame)) => {
                    let address = FrameAddress::address_for_lookup(frame);
                    // Without a table the unwinder guesses; a guess outside of code is wrong.
                    if !self.code.iter().any(|range| range.contains(&address)) {
                        return unwound;
                    }
                    unwound.addresses.push(address);
                }
                Ok(None) => {
                    // A wrong frame pointer ends the unwind early, but somewhere else.
                    unwound.is_complete = unwound
                        .addresses
                        .last()
                        .is_some_and(|last| self.starts.iter().any(|range| range.contains(last)));
                    return unwound;
                }
                Err(_) => return unwound,
            }
            if unwound.addresses.len() == MAX_FRAMES {
                return unwound;
            }
        }
    }

    fn is_code(&self, address: u64) -> bool {
        self.code.iter().any(|range| range.contains(&address))
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
