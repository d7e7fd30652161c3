//! From a copy of a stack to addresses.

use std::sync::Arc;

use framehop::{CacheNative, FrameAddress, MayAllocateDuringUnwind};
use framehop::{UnwindRegsNative, Unwinder as _, UnwinderNative};

use crate::{
    code::{Call, call_before, frame_size},
    copy::{Registers, StackCopy},
    modules::{Modules, Tables},
};

/// A stack that is deeper is cut.
const FRAMES: usize = 256;
/// Maximum number of places that are tried for a frame pointer; one of the first is the right one.
const TRIES: usize = 512;
/// Upper bound of the frame of a function.
const MAX_FRAME: u64 = 1024 * 1024;

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

/// Unwinds copies of stacks of this process's threads with the unwind tables of its modules.
///
/// Keeps a copy of the tables. Modules that are loaded or unloaded later are noticed by the next
/// unwind.
pub struct Unwinder {
    inner: UnwinderNative<Tables, MayAllocateDuringUnwind>,
    cache: CacheNative<MayAllocateDuringUnwind>,
    modules: Arc<Modules>,
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
    /// An unwinder that has read no tables yet.
    pub fn new() -> Self {
        Unwinder {
            inner: UnwinderNative::new(),
            cache: CacheNative::new(),
            modules: Arc::default(),
        }
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
    pub fn unwind_blocked(&mut self, copy: &StackCopy<'_>) -> Unwound {
        self.refresh();
        let first = FrameAddress::from_instruction_pointer(copy.registers.ip);
        // Stops at the first function that needs the frame pointer.
        let known = self.follow(copy, first, native(&copy.registers));
        let mut addresses = lookups(&known.frames);
        if known.end != End::Lost {
            return Unwound { addresses, cut: known.end.reason() };
        }
        let last = known.frames[known.frames.len() - 1];
        let function = self.modules.function(last.address_for_lookup());
        let sp = known.registers.sp().next_multiple_of(8);
        let modules = Arc::clone(&self.modules);
        let rank = |place: u64| {
            let return_address = copy.word(place.wrapping_add(8))?;
            let is_code = modules.is_code(return_address);
            Some(match is_code.then(|| call_before(return_address))?? {
                Call::Direct(called) if Some(called) == function => 0,
                Call::Indirect => 1,
                Call::Direct(_) => 2,
            })
        };
        let mut try_place = |place| self.callers(copy, last, known.registers, place);
        let own = function.and_then(frame_size).map(|size| known.registers.sp().wrapping_add(size));
        let mut found = own.filter(|place| rank(*place).is_some()).and_then(&mut try_place);
        if found.is_none() {
            let places = (sp..copy.end()).step_by(8);
            let mut ranked: Vec<(u8, u64)> =
                places.filter_map(|place| Some((rank(place)?, place))).collect();
            ranked.sort_unstable();
            found = ranked.into_iter().take(TRIES).find_map(|(_, place)| try_place(place));
        }
        let Some(callers) = found else {
            return Unwound { addresses, cut: Some("the thread's frame pointer was not found") };
        };
        addresses.extend(lookups(&callers.frames[1..]));
        Unwound { addresses, cut: callers.end.reason() }
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

    /// Whether the function at `address` has no caller according to the unwind tables.
    fn is_root(&mut self, address: FrameAddress) -> bool {
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

    /// Starts again with the modules that are loaded now, if they have changed.
    fn refresh(&mut self) {
        let Some((modules, tables)) = self.modules.changed() else { return };
        *self = Unwinder { modules: modules.into(), ..Unwinder::new() };
        for module in tables {
            self.inner.add_module(module);
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
