//! Unwinds a copied stack into addresses.

use std::sync::Arc;

use framehop::{CacheNative, FrameAddress, MayAllocateDuringUnwind};
use framehop::{UnwindRegsNative, Unwinder as _, UnwinderNative};

use crate::{
    code::{Call, ReadMemory, call_before, frame_size, own_memory},
    copy::{Registers, StackCopy},
    loaded,
    modules::{Module, Modules, TableBytes},
};

/// Maximum number of frames. A deeper stack is cut.
const MAX_FRAMES: usize = 256;
/// Maximum number of addresses that are tried as the frame pointer. The right one is among the first.
const MAX_TRIES: usize = 512;
/// Upper bound of the size of a function's frame.
const MAX_FRAME_SIZE: u64 = 1024 * 1024;
/// Maximum number of return addresses at the inner end of the stack that are tried.
const MAX_RESTARTS: usize = 8;

/// A stack as addresses.
#[derive(Clone, Debug, Default)]
pub struct Unwound {
    /// One address per function, innermost first: within the current instruction, which in a caller
    /// is the call.
    pub addresses: Vec<u64>,
    /// The reason if the stack is cut before the thread's first function. The addresses up to there
    /// are correct.
    pub cut: Option<&'static str>,
}

/// Unwinds copied stacks of a process with the unwind tables of its modules, of which it keeps a
/// copy.
pub struct Unwinder {
    inner: UnwinderNative<TableBytes, MayAllocateDuringUnwind>,
    cache: CacheNative<MayAllocateDuringUnwind>,
    modules: Arc<Modules>,
    process: Process,
}

/// The process whose stacks are unwound.
enum Process {
    This,
    /// Another process, with a function that reads its memory.
    Other(Box<ReadMemory>),
}

/// The callers of a function, as far as they could be followed.
struct Callers {
    /// The addresses of the function itself and of its callers.
    frames: Vec<FrameAddress>,
    end: End,
    /// The registers of the last frame.
    registers: UnwindRegsNative,
}

/// The reason why no more callers were followed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// The function has no caller: it is the first one of a thread or of the program.
    Root,
    /// The return address is 0, as in the first function of a coroutine.
    Null,
    /// The copy is shorter than the stack.
    Truncated,
    /// The caller is not known.
    Unknown,
    /// The maximum number of frames was reached.
    TooMany,
}

impl End {
    fn reason(self) -> Option<&'static str> {
        match self {
            End::Root | End::Null => None,
            End::Truncated => Some("deeper than the copy"),
            End::Unknown => Some("no unwind information"),
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
    /// Creates an unwinder for this process. Each unwind takes into account the modules that are
    /// loaded at that time.
    pub fn new() -> Self {
        Unwinder::with(Modules::default(), Process::This)
    }

    /// Creates an unwinder for another process with these modules. `read` copies the bytes at an
    /// address of that process into a buffer, and returns their number, up to the first one that
    /// cannot be read.
    ///
    /// Neither tables nor memory are trusted: no content causes a panic or an endless loop.
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

    /// Unwinds a copy with all registers, as a signal handler takes it.
    pub fn unwind(&mut self, copy: &StackCopy<'_>) -> Unwound {
        self.refresh();
        let first = FrameAddress::from_instruction_pointer(copy.registers.ip);
        let callers = self.follow(copy, first, native(&copy.registers));
        Unwound { addresses: lookup_addresses(&callers.frames), cut: callers.end.reason() }
    }

    /// Unwinds the stack of a thread that sleeps in the kernel, without its frame pointer.
    ///
    /// The functions of the C library around a system call do not need the frame pointer. The first
    /// function that does has stored its caller's frame pointer on the stack, directly below its
    /// return address. The address of that slot follows from the function's first instructions. If
    /// they do not determine it, it is found by trial: it is the lowest slot from which all callers
    /// up to the thread's first function can be followed. Calls that have returned leave such slots
    /// behind, so slots of a direct call of this function are tried first, then slots of an indirect
    /// call, then the rest (a tail call).
    ///
    /// If the C library has no unwind tables (musl), not even the first caller is known. The result
    /// then starts with the instruction pointer and continues with one of the first return addresses
    /// on the stack: the one from which the most callers can be followed.
    pub fn unwind_blocked(&mut self, copy: &StackCopy<'_>) -> Unwound {
        self.refresh();
        let ip = copy.registers.ip;
        if self.modules.is_gap(ip)
            && let Some(callers) = self.restart(copy)
        {
            let mut addresses = lookup_addresses(&callers.frames);
            addresses.insert(0, ip);
            return Unwound { addresses, cut: callers.end.reason() };
        }
        let first = FrameAddress::from_instruction_pointer(ip);
        // Stops at the first function that needs the frame pointer.
        let known = self.follow(copy, first, native(&copy.registers));
        let mut addresses = lookup_addresses(&known.frames);
        if known.end != End::Unknown {
            return Unwound { addresses, cut: known.end.reason() };
        }
        let last = known.frames[known.frames.len() - 1];
        let function = self.modules.function_start(last.address_for_lookup());
        let slot = function.and_then(|start| frame_size(self.memory(), start));
        let slot = slot.map(|size| known.registers.sp().wrapping_add(size));
        let slot = slot.filter(|slot| self.rank(copy, function, *slot).is_some());
        let mut found = slot.and_then(|slot| self.callers(copy, last, known.registers, slot));
        if found.is_none() {
            let slots = slots(copy, known.registers.sp());
            let mut ranked: Vec<(u8, u64)> =
                slots.filter_map(|slot| Some((self.rank(copy, function, slot)?, slot))).collect();
            ranked.sort_unstable();
            let mut tried = ranked.into_iter().take(MAX_TRIES);
            found = tried.find_map(|(_, slot)| self.callers(copy, last, known.registers, slot));
        }
        if let Some(callers) = found {
            addresses.extend(lookup_addresses(&callers.frames[1..]));
            return Unwound { addresses, cut: callers.end.reason() };
        }
        Unwound { addresses, cut: Some("the thread's frame pointer was not found") }
    }

    /// How likely it is that the function that starts at `function` has stored its caller's frame
    /// pointer in `slot`: lower is more likely; `None` if no return address is above it.
    fn rank(&self, copy: &StackCopy<'_>, function: Option<u64>, slot: u64) -> Option<u8> {
        let return_address = copy.word(slot.wrapping_add(8))?;
        let is_code = self.modules.is_code(return_address);
        Some(match is_code.then(|| call_before(self.memory(), return_address))?? {
            Call::Direct(called) if Some(called) == function => 0,
            Call::Indirect => 1,
            Call::Direct(_) => 2,
        })
    }

    /// The callers from one of the innermost return addresses on the stack: the first one from which
    /// the thread's first function is reached, or else the one with the most callers.
    fn restart(&mut self, copy: &StackCopy<'_>) -> Option<Callers> {
        let returns: Vec<(u64, u64)> = slots(copy, copy.registers.sp)
            .filter_map(|slot| Some((slot, copy.word(slot)?)))
            .filter(|&(_, word)| {
                let has_tables = self.modules.is_code(word) && !self.modules.is_gap(word);
                has_tables && call_before(self.memory(), word).is_some()
            })
            .take(MAX_RESTARTS)
            .collect();
        let mut best: Option<Callers> = None;
        for (slot, address) in returns {
            let registers = native(&Registers::pointers(address, slot.wrapping_add(8)));
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

    /// The callers of the function at `address`, if its caller's frame pointer is in `slot`.
    fn callers(
        &mut self,
        copy: &StackCopy<'_>,
        address: FrameAddress,
        mut registers: UnwindRegsNative,
        slot: u64,
    ) -> Option<Callers> {
        set_frame_pointer(&mut registers, slot);
        let callers = self.follow(copy, address, registers);
        matches!(callers.end, End::Root | End::Truncated).then_some(callers)
    }

    /// Follows the callers of the function at `address`, with its registers.
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
            if frames.len() == MAX_FRAMES {
                break End::TooMany;
            }
            let sp = registers.sp();
            let mut missing = 0;
            let mut read = |at| copy.word(at).ok_or_else(|| missing = at);
            let mut callers = registers;
            let next = self.inner.unwind_frame(address, &mut callers, &mut self.cache, &mut read);
            match next {
                // Each frame occupies space on the stack, at least for its return address.
                Ok(Some(next))
                    if next != Registers::UNKNOWN
                        && (callers.sp() > sp || frames.len() == 1)
                        && (copy.registers.sp..=copy.end()).contains(&callers.sp()) =>
                {
                    // Without tables, framehop trusts the frame pointer.
                    let is_code = self.modules.is_code(next)
                        || next == 0
                        || call_before(self.memory(), next).is_some();
                    if !is_code {
                        break End::Unknown;
                    }
                    let Some(next) = FrameAddress::from_return_address(next) else {
                        break End::Null;
                    };
                    (address, registers) = (next, callers);
                }
                Ok(Some(_)) => break End::Unknown,
                Ok(None) if self.is_root(address) => break End::Root,
                Ok(None) => break End::Null,
                Err(_) => {
                    let beyond = copy.end()..copy.end().saturating_add(MAX_FRAME_SIZE);
                    let is_cut = copy.is_full && beyond.contains(&missing);
                    break if is_cut { End::Truncated } else { End::Unknown };
                }
            }
        };
        Callers { frames, end, registers }
    }

    /// Whether the function at `address` has no caller, according to the unwind tables or to
    /// [`Module::first_functions`].
    fn is_root(&mut self, address: FrameAddress) -> bool {
        if self.modules.is_first_function(address.address_for_lookup()) {
            return true;
        }
        let mut registers = native(&Registers::pointers(address.address(), 0));
        // No memory can be read, so any other rule fails.
        let caller =
            self.inner.unwind_frame(address, &mut registers, &mut self.cache, &mut |_| Err(()));
        matches!(caller, Ok(None))
    }

    /// The modules that were loaded at the last unwind, for `Symbolizer`.
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

    /// Replaces the modules of this process if they have changed.
    fn refresh(&mut self) {
        if let Process::This = self.process
            && let Some(modules) = loaded::modules_since(self.modules.version)
        {
            *self = Unwinder::with(modules, Process::This);
        }
    }
}

/// The words of a copy from `from` on.
fn slots(copy: &StackCopy<'_>, from: u64) -> impl Iterator<Item = u64> {
    let first = from.max(copy.registers.sp).checked_next_multiple_of(8);
    let end = copy.end();
    first.into_iter().flat_map(move |first| (first..end).step_by(8))
}

fn lookup_addresses(frames: &[FrameAddress]) -> Vec<u64> {
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
    // User addresses have 48 bits; the bits above sign a return address.
    let mask = PtrAuthMask(u64::MAX >> 16);
    let Registers { lr, sp, fp, .. } = *registers;
    UnwindRegsNative::new_with_ptr_auth_mask(mask, lr, sp, fp)
}

#[cfg(target_arch = "aarch64")]
fn set_frame_pointer(registers: &mut UnwindRegsNative, frame_pointer: u64) {
    registers.set_fp(frame_pointer);
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::modules::{PCREL_SDATA4, UnwindTables};

    const CODE: u64 = 0x1000;
    const STACK: u64 = 0x7fff_0000_0000;

    /// A module with one function, whose caller has the stack pointer `words` below the function's own,
    /// and the return address in the second word of the stack.
    fn module(words: u8) -> Module {
        let (index_at, frames_at) = (0x2000_u64, 0x3000_u64);
        let relative = |to: u64, from: u64| (to.wrapping_sub(from) as u32).to_ne_bytes();
        // Version, augmentation, factors of code and data (-8), return address, encoding.
        let mut frames =
            vec![0, 0, 0, 0, 0, 0, 0, 0, 1, b'z', b'R', 0, 1, 0x78, 16, 1, PCREL_SDATA4];
        // The stack pointer and the return address, in units of -8.
        let return_address = 0x80 - (words + 1);
        frames.extend([0x12, 7, words, 0x11, 16, return_address]);
        frames.resize(frames.len().next_multiple_of(4), 0);
        let description = frames.len() as u64;
        frames[0] = description as u8 - 4;
        frames.extend([16, 0, 0, 0]);
        frames.extend((description as u32 + 4).to_ne_bytes());
        frames.extend(relative(CODE, frames_at + description + 8));
        frames.extend([0x100_u32.to_ne_bytes(), [0; 4], [0; 4]].concat());
        let mut index = vec![1, PCREL_SDATA4, 0x03, 0x3b];
        index.extend(relative(frames_at, index_at + 4));
        index.extend([1, 0, 0, 0]);
        index.extend(relative(CODE, index_at));
        index.extend(relative(frames_at + description, index_at));
        let (index, frames) = (index.into(), frames.into());
        let tables = Some(UnwindTables { index, index_at, frames, frames_at });
        let path = PathBuf::from("hostile");
        let (range, code) = (CODE..0x4000, CODE..0x2000);
        Module { path, range, code, base: 0, tables, ..Module::default() }
    }

    fn frames(words: u8) -> usize {
        let stack = [0, CODE + 8, 0, 0].map(u64::to_ne_bytes).concat();
        let registers = Registers::pointers(CODE + 4, STACK);
        let copy = StackCopy { registers, bytes: &stack, is_full: false };
        let mut unwinder = Unwinder::of_process(vec![module(words)], |_, _| 0);
        unwinder.unwind(&copy).addresses.len()
    }

    #[test]
    fn caller_below_the_stack_is_not_followed() {
        assert_eq!(
            frames(0),
            2,
            "the caller of the first function may have the same stack pointer"
        );
        assert_eq!(frames(2), 1);
    }

    #[test]
    fn slots_are_within_the_copy() {
        let copy =
            |sp, bytes| StackCopy { registers: Registers::pointers(0, sp), bytes, is_full: false };
        let all = |copy: &StackCopy<'_>, from| slots(copy, from).collect::<Vec<_>>();
        let at_start = copy(STACK + 4, &[0; 24]);
        assert_eq!(all(&at_start, 0), [STACK + 8, STACK + 16, STACK + 24]);
        assert_eq!(all(&at_start, STACK + 20), [STACK + 24]);
        assert_eq!(all(&at_start, u64::MAX), []);
        assert_eq!(all(&copy(u64::MAX - 3, &[0; 24]), 0), []);
    }
}
