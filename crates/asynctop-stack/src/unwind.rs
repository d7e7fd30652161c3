//! From a copy of a stack to addresses.

use std::sync::Arc;

use framehop::{CacheNative, FrameAddress, MayAllocateDuringUnwind};
use framehop::{UnwindRegsNative, Unwinder as _, UnwinderNative};

use crate::{
    code::{Call, ReadMemory, call_before, frame_size, own_memory},
    copy::{Registers, StackCopy},
    loaded,
    modules::{Module, Modules, Tables},
};

/// A stack that is deeper is cut.
const FRAMES: usize = 256;
/// Maximum number of places that are tried for a frame pointer; one of the first is the right one.
const TRIES: usize = 512;
/// Upper bound of the frame of a function.
const MAX_FRAME: u64 = 1024 * 1024;
/// Maximum number of return addresses near the inner end of the stack that are tried.
const RESTARTS: usize = 8;

/// A stack as addresses.
#[derive(Clone, Debug, Default)]
pub struct Unwound {
    /// An address in each function that the thread was in, innermost first: within the instruction
    /// that was running, which in a caller is its call.
    pub addresses: Vec<u64>,
    /// Why the stack ends before the thread's first function, if it does. The addresses that are
    /// there are right.
    pub cut: Option<&'static str>,
}

/// Unwinds copies of stacks of a process's threads with the unwind tables of its modules.
///
/// Keeps a copy of the tables.
pub struct Unwinder {
    inner: UnwinderNative<Tables, MayAllocateDuringUnwind>,
    cache: CacheNative<MayAllocateDuringUnwind>,
    modules: Arc<Modules>,
    process: Process,
}

/// The process whose stacks are unwound.
enum Process {
    This,
    /// Another one, and how to read its memory.
    Other(Box<ReadMemory>),
}

/// The callers of a function, and how far they could be followed.
struct Callers {
    /// The functions' addresses, beginning with the function itself.
    frames: Vec<FrameAddress>,
    end: End,
    /// The registers of the last frame.
    registers: UnwindRegsNative,
}

/// Where following the callers came to an end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// At a function that has no caller: a thread's first, or the program's.
    Root,
    /// At a return address of 0, where coroutines begin.
    Null,
    /// At the end of a copy that is shorter than the stack.
    Cut,
    /// At a function whose caller is not known.
    Lost,
    /// At the maximum number of frames.
    TooMany,
}

impl End {
    fn reason(self) -> Option<&'static str> {
        match self {
            End::Root | End::Null => None,
            End::Cut => Some("deeper than the copy"),
            End::Lost => Some("no unwind information"),
            End::TooMany => Some("too many frames"),
        }
    }
}

impl Default for Unwinder {
    fn default() -> Self {
        Self::new()
    }
}

impl Unwinder {
    /// An unwinder for this process, which has read no tables yet. Modules that are loaded or
    /// unloaded later are noticed by the next unwind.
    pub fn new() -> Self {
        Unwinder::with(Modules::default(), Process::This)
    }

    /// An unwinder for another process, whose modules are these. `read` copies the bytes at an
    /// address of that process into a buffer, and returns how many there are up to the first one
    /// that cannot be read.
    ///
    /// Neither the tables nor the memory are trusted: no content of them makes it panic or loop.
    pub fn of_process(
        modules: Vec<Module>,
        read: impl Fn(u64, &mut [u8]) -> usize + Send + 'static,
    ) -> Self {
        let modules = Modules { list: modules, ..Modules::default() };
        Unwinder::with(modules, Process::Other(Box::new(read)))
    }

    fn with(modules: Modules, process: Process) -> Self {
        let mut inner = UnwinderNative::new();
        for module in modules.list.iter().filter_map(Module::to_framehop) {
            inner.add_module(module);
        }
        Unwinder { inner, cache: CacheNative::new(), modules: modules.into(), process }
    }

    /// The functions that a thread was in, from a copy with all registers, as a signal handler
    /// takes it.
    pub fn unwind(&mut self, copy: &StackCopy<'_>) -> Unwound {
        self.refresh();
        let first = FrameAddress::from_instruction_pointer(copy.registers.ip);
        let callers = self.follow(copy, first, native(&copy.registers));
        Unwound { addresses: lookups(&callers.frames), cut: callers.end.reason() }
    }

    /// The stack of a thread that sleeps in the kernel, whose frame pointer is not known.
    ///
    /// The functions of the C library around a system call do not need it. The first function that
    /// does has stored its caller's frame pointer on the stack, right below its return address. The
    /// distance of that place follows from the function's first instructions. If they do not
    /// determine it, the place is found by trial: it is the lowest one from which all callers up to
    /// the thread's first function can be followed. Calls that have returned leave such places
    /// behind, too, so places of a known call of this function are tried first, then places of a
    /// possible call, then the rest (a tail call).
    ///
    /// Where the C library has no unwind tables (musl), not even the first caller is known. The
    /// result then begins with the instruction pointer, and goes on at that of the first return
    /// addresses on the stack from which the most callers can be followed.
    pub fn unwind_blocked(&mut self, copy: &StackCopy<'_>) -> Unwound {
        self.refresh();
        let ip = copy.registers.ip;
        if self.modules.is_gap(ip)
            && let Some(callers) = self.restart(copy)
        {
            let mut addresses = lookups(&callers.frames);
            addresses.insert(0, ip);
            return Unwound { addresses, cut: callers.end.reason() };
        }
        let first = FrameAddress::from_instruction_pointer(ip);
        // Stops at the first function that needs the frame pointer.
        let known = self.follow(copy, first, native(&copy.registers));
        let mut addresses = lookups(&known.frames);
        if known.end != End::Lost {
            return Unwound { addresses, cut: known.end.reason() };
        }
        let last = known.frames[known.frames.len() - 1];
        let function = self.modules.function(last.address_for_lookup());
        let sp = known.registers.sp().next_multiple_of(8);
        let own = function.and_then(|start| frame_size(self.memory(), start));
        let own = own.map(|size| known.registers.sp().wrapping_add(size));
        let own = own.filter(|place| self.rank(copy, function, *place).is_some());
        let mut found = own.and_then(|place| self.callers(copy, last, known.registers, place));
        if found.is_none() {
            let places = (sp..copy.end()).step_by(8);
            let mut ranked: Vec<(u8, u64)> = places
                .filter_map(|place| Some((self.rank(copy, function, place)?, place)))
                .collect();
            ranked.sort_unstable();
            let mut tried = ranked.into_iter().take(TRIES);
            found = tried.find_map(|(_, place)| self.callers(copy, last, known.registers, place));
        }
        if let Some(callers) = found {
            addresses.extend(lookups(&callers.frames[1..]));
            return Unwound { addresses, cut: callers.end.reason() };
        }
        Unwound { addresses, cut: Some("the thread's frame pointer was not found") }
    }

    /// How likely the function that begins at `function` has stored its caller's frame pointer at
    /// `place`: the lower, the likelier.
    fn rank(&self, copy: &StackCopy<'_>, function: Option<u64>, place: u64) -> Option<u8> {
        let return_address = copy.word(place.wrapping_add(8))?;
        let is_code = self.modules.is_code(return_address);
        Some(match is_code.then(|| call_before(self.memory(), return_address))?? {
            Call::Direct(called) if Some(called) == function => 0,
            Call::Indirect => 1,
            Call::Direct(_) => 2,
        })
    }

    /// The longest chain of callers that begins at one of the innermost return addresses on the
    /// stack; the first one that reaches the thread's first function.
    fn restart(&mut self, copy: &StackCopy<'_>) -> Option<Callers> {
        let places = (copy.registers.sp.next_multiple_of(8)..copy.end()).step_by(8);
        let returns: Vec<(u64, u64)> = places
            .filter_map(|place| Some((place, copy.word(place)?)))
            .filter(|&(_, word)| {
                let has_tables = self.modules.is_code(word) && !self.modules.is_gap(word);
                has_tables && call_before(self.memory(), word).is_some()
            })
            .take(RESTARTS)
            .collect();
        let mut best: Option<Callers> = None;
        for (place, address) in returns {
            let registers = native(&Registers::pointers(address, place.wrapping_add(8)));
            let Some(address) = FrameAddress::from_return_address(address) else { continue };
            let callers = self.follow(copy, address, registers);
            if callers.end == End::Root {
                return Some(callers);
            }
            if best.as_ref().is_none_or(|best| callers.frames.len() > best.frames.len()) {
                best = Some(callers);
            }
        }
        best
    }

    /// The callers of the function at `address`, if its frame pointer leads to `place`.
    fn callers(
        &mut self,
        copy: &StackCopy<'_>,
        address: FrameAddress,
        mut registers: UnwindRegsNative,
        place: u64,
    ) -> Option<Callers> {
        set_frame_pointer(&mut registers, place);
        let callers = self.follow(copy, address, registers);
        matches!(callers.end, End::Root | End::Cut).then_some(callers)
    }

    /// Follows the callers of the function at `address`, in which the registers were these.
    fn follow(
        &mut self,
        copy: &StackCopy<'_>,
        address: FrameAddress,
        mut registers: UnwindRegsNative,
    ) -> Callers {
        let mut frames = Vec::with_capacity(64);
        let mut address = address;
        let end = loop {
            frames.push(address);
            if frames.len() == FRAMES {
                break End::TooMany;
            }
            let sp = registers.sp();
            let mut missing = 0;
            let mut read = |at| copy.word(at).ok_or_else(|| missing = at);
            let mut callers = registers;
            let next = self.inner.unwind_frame(address, &mut callers, &mut self.cache, &mut read);
            match next {
                // A frame takes up space on the stack, at least for its return address.
                Ok(Some(next))
                    if next != Registers::UNKNOWN && (callers.sp() > sp || frames.len() == 1) =>
                {
                    // Where there are no tables, the frame pointer is taken for granted.
                    let is_code = self.modules.is_code(next)
                        || next == 0
                        || call_before(self.memory(), next).is_some();
                    if !is_code {
                        break End::Lost;
                    }
                    let Some(next) = FrameAddress::from_return_address(next) else {
                        break End::Null;
                    };
                    (address, registers) = (next, callers);
                }
                Ok(Some(_)) => break End::Lost,
                Ok(None) if self.is_root(address) => break End::Root,
                Ok(None) => break End::Null,
                Err(_) => {
                    let beyond = copy.end()..copy.end().saturating_add(MAX_FRAME);
                    let is_cut = copy.is_full && beyond.contains(&missing);
                    break if is_cut { End::Cut } else { End::Lost };
                }
            }
        };
        Callers { frames, end, registers }
    }

    /// Whether the function at `address` has no caller according to the unwind tables or the
    /// module.
    fn is_root(&mut self, address: FrameAddress) -> bool {
        if self.modules.is_first_function(address.address_for_lookup()) {
            return true;
        }
        let mut registers = native(&Registers::pointers(address.address(), 0));
        // Nothing can be read, so that any other rule fails.
        let caller =
            self.inner.unwind_frame(address, &mut registers, &mut self.cache, &mut |_| Err(()));
        matches!(caller, Ok(None))
    }

    /// The modules that were loaded at the last unwind, for the symbolizer.
    pub fn modules(&self) -> &Arc<Modules> {
        &self.modules
    }

    /// Reads the memory of the process.
    fn memory(&self) -> &ReadMemory {
        match &self.process {
            Process::This => &own_memory,
            Process::Other(read) => &**read,
        }
    }

    /// Starts again with the modules that are loaded into this process now, if they have changed.
    fn refresh(&mut self) {
        if let Process::This = self.process
            && let Some(modules) = loaded::changed(self.modules.version)
        {
            *self = Unwinder::with(modules, Process::This);
        }
    }
}

fn lookups(frames: &[FrameAddress]) -> Vec<u64> {
    frames.iter().map(|frame| frame.address_for_lookup()).collect()
}

#[cfg(target_arch = "x86_64")]
fn native(registers: &Registers) -> UnwindRegsNative {
    UnwindRegsNative::new(registers.ip, registers.sp, registers.fp)
}

#[cfg(target_arch = "x86_64")]
fn set_frame_pointer(registers: &mut UnwindRegsNative, frame_pointer: u64) {
    registers.set_bp(frame_pointer);
}

#[cfg(target_arch = "aarch64")]
fn native(registers: &Registers) -> UnwindRegsNative {
    use framehop::aarch64::PtrAuthMask;
    // Programs get addresses of 48 bits; what is above signs a return address.
    let mask = PtrAuthMask(u64::MAX >> 16);
    let Registers { lr, sp, fp, .. } = *registers;
    UnwindRegsNative::new_with_ptr_auth_mask(mask, lr, sp, fp)
}

#[cfg(target_arch = "aarch64")]
fn set_frame_pointer(registers: &mut UnwindRegsNative, frame_pointer: u64) {
    registers.set_fp(frame_pointer);
}
