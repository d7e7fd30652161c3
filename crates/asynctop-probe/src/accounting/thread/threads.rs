//! The slots of a registry: which thread has which, and whether they record.

use std::{
    cell::{OnceCell, RefCell},
    ptr,
    sync::{
        Mutex, OnceLock, RwLock,
        atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering},
    },
};

use super::{LOCAL, Local, Owner, SignalStack, ThreadReading, ThreadSlot};
use crate::{
    accounting::{distribution::Distribution, sync::Sequence},
    lock::{self, lock},
};
use asynctop_snapshot::{Histogram, text::sanitize};

thread_local! {
    static OWNED: Owned = const {
        Owned { slots: RefCell::new(Vec::new()), signal_stack: OnceCell::new() }
    };
}

/// The slots of a registry.
pub(crate) struct Threads {
    slots: RwLock<Vec<&'static ThreadSlot>>,
    /// How many record. Held while recorders are switched.
    recordings: Mutex<usize>,
    /// Whether there is any, for threads that come now.
    recording: AtomicBool,
}

/// What the thread releases when it ends: its slots first, so that the watchdog no longer signals
/// it, then its signal stack.
struct Owned {
    slots: RefCell<Vec<(*const Threads, &'static ThreadSlot)>>,
    signal_stack: OnceCell<Option<SignalStack>>,
}

impl Drop for Owned {
    fn drop(&mut self) {
        LOCAL.with(|local| {
            local.threads.set(ptr::null());
            local.slot.set(None);
        });
        for (_, slot) in self.slots.borrow_mut().drain(..) {
            slot.os_id.store(0, Ordering::Relaxed);
            *lock(&slot.owner) = None;
        }
    }
}

impl Threads {
    pub(crate) fn new() -> Self {
        Threads {
            slots: RwLock::new(Vec::new()),
            recordings: Mutex::new(0),
            recording: AtomicBool::new(false),
        }
    }

    /// Does `work` while all locks are held, those of the slots, too.
    #[cfg(all(test, feature = "watchdog"))]
    pub(in crate::accounting) fn while_all_is_locked<T>(&self, work: impl FnOnce() -> T) -> T {
        let slots = self.slots.write().expect("no panic before");
        let _recordings = self.recordings.lock();
        let _owners: Vec<_> = slots.iter().map(|slot| slot.owner.lock()).collect();
        work()
    }

    /// The current thread's slot.
    #[inline(always)]
    pub(crate) fn here(&'static self) -> &'static ThreadSlot {
        LOCAL.with(|local| match local.slot.get() {
            Some(slot) if ptr::eq(local.threads.get(), self) => slot,
            _ => self.enter(local),
        })
    }

    #[cold]
    fn enter(&'static self, local: &Local) -> &'static ThreadSlot {
        let known = OWNED.try_with(|owned| {
            let mut slots = owned.slots.borrow_mut();
            if let Some((_, slot)) = slots.iter().find(|(threads, _)| ptr::eq(*threads, self)) {
                return *slot;
            }
            // Before the watchdog can signal the thread.
            owned.signal_stack.get_or_init(SignalStack::install);
            let slot = self.take_slot();
            slots.push((ptr::from_ref(self), slot));
            slot
        });
        // Thread-local values are being torn down: a poll from another destructor.
        // It gets a slot that nobody gives back, which is right but for its name.
        let slot = known.unwrap_or_else(|_| self.take_slot());
        local.threads.set(self);
        local.slot.set(Some(slot));
        slot
    }

    fn take_slot(&self) -> &'static ThreadSlot {
        let thread = std::thread::current();
        let name = sanitize(thread.name().unwrap_or_default()).into_owned();
        let owner = Owner { id: thread.id(), name };
        let mut slots = lock::write(&self.slots);
        for slot in slots.iter() {
            let mut holder = lock(&slot.owner);
            if holder.is_none() {
                *holder = Some(owner);
                slot.os_id.store(os_id(), Ordering::Relaxed);
                if self.recording.load(Ordering::Relaxed) {
                    slot.record(true);
                }
                return slot;
            }
        }
        let slot: &'static ThreadSlot = Box::leak(Box::new(ThreadSlot {
            sequence: Sequence::new(),
            current: AtomicPtr::new(ptr::null_mut()),
            since: AtomicU64::new(0),
            busy: AtomicU64::new(0),
            polls: AtomicU64::new(0),
            max_delay: AtomicU64::new(0),
            recorder: AtomicPtr::new(ptr::null_mut()),
            delays: Distribution::new(),
            recorder_kept: OnceLock::new(),
            owner: Mutex::new(Some(owner)),
            os_id: AtomicU32::new(os_id()),
            long_uncounted: [AtomicU64::new(0), AtomicU64::new(0)],
        }));
        if self.recording.load(Ordering::Relaxed) {
            slot.record(true);
        }
        slots.push(slot);
        slot
    }

    /// One more, or one fewer, wants to know when each thread polls whom.
    pub(crate) fn record(&self, more: bool) {
        let mut recordings = lock(&self.recordings);
        *recordings = recordings.saturating_add_signed(if more { 1 } else { -1 });
        let on = *recordings > 0;
        // Before the slots are looked through: a thread that takes one under the same lock
        // comes earlier, and is found, or later, and sees this.
        self.recording.store(on, Ordering::Relaxed);
        for slot in lock::read(&self.slots).iter() {
            // What an ended thread wrote is read still, but it needs no memory to write to.
            if !on || lock(&slot.owner).is_some() {
                slot.record(on);
            }
        }
    }

    /// All slots, living threads and ended ones, always in the same order.
    pub(crate) fn read(&self, now: u64) -> Vec<ThreadReading> {
        let slots = lock::read(&self.slots);
        slots.iter().map(|slot| slot.read(now)).collect()
    }

    /// Appends the slots that `known` lacks. Slots are never freed and keep their order,
    /// so a reader that comes often takes this lock and allocates nothing.
    pub(crate) fn slots(&self, known: &mut Vec<&'static ThreadSlot>) {
        let slots = lock::read(&self.slots);
        known.extend_from_slice(slots.get(known.len()..).unwrap_or_default());
    }

    /// Scheduling delays of all polls of all threads.
    pub(crate) fn delays(&self) -> Histogram {
        let mut all = Histogram::default();
        for slot in lock::read(&self.slots).iter() {
            all.merge(&slot.delays.load(slot.max_delay.load(Ordering::Relaxed)));
        }
        all
    }
}

/// The current thread, as the operating system numbers it.
#[cfg(all(
    feature = "watchdog",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#[allow(unsafe_code)]
fn os_id() -> u32 {
    // SAFETY: no arguments, cannot fail.
    unsafe { libc::gettid() }.cast_unsigned()
}

/// Nobody asks for it here.
#[cfg(not(all(
    feature = "watchdog",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
fn os_id() -> u32 {
    0
}
