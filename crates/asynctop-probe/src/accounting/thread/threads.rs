//! Assigns the slots of a registry to threads, and switches their recorders on and off.

use std::{
    cell::{OnceCell, RefCell},
    ptr,
    sync::{
        Mutex, OnceLock, RwLock,
        atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering},
    },
};

use super::{LOCAL, Local, SignalStack, SlotOwner, ThreadReading, ThreadSlot};
use crate::{
    accounting::{distribution::Distribution, sync::SeqLock},
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
    /// Number of recordings. Locked while recorders are switched.
    recordings: Mutex<usize>,
    /// Whether there is a recording, for new threads.
    is_recording: AtomicBool,
}

/// The resources that the thread releases when it ends: its slots first, so that the watchdog no
/// longer signals it, then its signal stack.
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
            is_recording: AtomicBool::new(false),
        }
    }

    /// Runs `work` while all locks are held, those of the slots included.
    #[cfg(all(test, feature = "watchdog"))]
    pub(in crate::accounting) fn with_all_locked<T>(&self, work: impl FnOnce() -> T) -> T {
        let slots = self.slots.write().expect("no earlier panic");
        let _recordings = self.recordings.lock();
        let _owners: Vec<_> = slots.iter().map(|slot| slot.owner.lock()).collect();
        work()
    }

    /// The current thread's slot.
    #[inline(always)]
    pub(crate) fn current_slot(&'static self) -> &'static ThreadSlot {
        LOCAL.with(|local| match local.slot.get() {
            Some(slot) if ptr::eq(local.threads.get(), self) => slot,
            _ => self.claim_slot(local),
        })
    }

    #[cold]
    fn claim_slot(&'static self, local: &Local) -> &'static ThreadSlot {
        let owned_slot = OWNED.try_with(|owned| {
            let mut slots = owned.slots.borrow_mut();
            if let Some((_, slot)) = slots.iter().find(|(threads, _)| ptr::eq(*threads, self)) {
                return *slot;
            }
            // Before the watchdog can signal the thread.
            owned.signal_stack.get_or_init(SignalStack::install);
            let slot = self.assign_slot();
            slots.push((ptr::from_ref(self), slot));
            slot
        });
        // A poll in a destructor of a thread-local value, after that of `OWNED`. Its slot is never
        // released, so it keeps the name of this thread.
        let slot = owned_slot.unwrap_or_else(|_| self.assign_slot());
        local.threads.set(self);
        local.slot.set(Some(slot));
        slot
    }

    fn assign_slot(&self) -> &'static ThreadSlot {
        let thread = std::thread::current();
        let name = sanitize(thread.name().unwrap_or_default()).into_owned();
        let owner = SlotOwner { id: thread.id(), name };
        let mut slots = lock::write(&self.slots);
        for slot in slots.iter() {
            let mut holder = lock(&slot.owner);
            if holder.is_none() {
                *holder = Some(owner);
                slot.os_id.store(os_id(), Ordering::Relaxed);
                if self.is_recording.load(Ordering::Relaxed) {
                    slot.set_recording(true);
                }
                return slot;
            }
        }
        let slot: &'static ThreadSlot = Box::leak(Box::new(ThreadSlot {
            seq_lock: SeqLock::new(),
            current: AtomicPtr::new(ptr::null_mut()),
            since: AtomicU64::new(0),
            busy: AtomicU64::new(0),
            polls: AtomicU64::new(0),
            max_delay: AtomicU64::new(0),
            recorder: AtomicPtr::new(ptr::null_mut()),
            delays: Distribution::new(),
            existing_recorder: OnceLock::new(),
            owner: Mutex::new(Some(owner)),
            os_id: AtomicU32::new(os_id()),
            long_uncounted: [AtomicU64::new(0), AtomicU64::new(0)],
            outermost: AtomicPtr::default(),
            outermost_since: AtomicU64::new(0),
        }));
        if self.is_recording.load(Ordering::Relaxed) {
            slot.set_recording(true);
        }
        slots.push(slot);
        slot
    }

    /// Changes the number of recordings by 1 or -1.
    pub(crate) fn change_recordings(&self, change: isize) {
        let mut recordings = lock(&self.recordings);
        *recordings = recordings.saturating_add_signed(change);
        let on = *recordings > 0;
        // Before the slots are read: a slot that is assigned before the lock is taken is found
        // below, and a thread that is assigned one later sees this value.
        self.is_recording.store(on, Ordering::Relaxed);
        for slot in lock::read(&self.slots).iter() {
            // The slot of an ended thread needs no recorder.
            if !on || lock(&slot.owner).is_some() {
                slot.set_recording(on);
            }
        }
    }

    /// The readings of all slots, of live and of ended threads. Their order never changes.
    pub(crate) fn read(&self, now: u64) -> Vec<ThreadReading> {
        let slots = lock::read(&self.slots);
        slots.iter().map(|slot| slot.read(now)).collect()
    }

    /// Appends the slots that `known` lacks. Slots are never freed and keep their order, so a repeated
    /// call only locks and does not allocate.
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

/// The operating system's id of the current thread.
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

/// Not needed on this platform.
#[cfg(not(all(
    feature = "watchdog",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
fn os_id() -> u32 {
    0
}
