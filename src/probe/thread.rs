//! What each polling thread publishes: the poll it is in right now and since when, its
//! sums, and how long the tasks that it polled had waited for it.
//!
//! A thread gets a slot at its first poll of a registry's task and gives it back when
//! it ends; a later thread may take it over. The sums only ever grow.

use std::{
    cell::{Cell, RefCell},
    ptr,
    sync::{
        Mutex, PoisonError, RwLock,
        atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering},
    },
    thread::ThreadId,
};

use super::{cell::TaskCell, distribution::Distribution, ledger::Started, registry::Registry};
use crate::histogram::{BUCKETS, Histogram};

/// One thread's slot.
#[repr(align(64))]
pub(crate) struct ThreadSlot {
    current: AtomicPtr<TaskCell>,
    since: AtomicU64,
    busy: AtomicU64,
    polls: AtomicU64,
    max_delay: AtomicU64,
    delays: Distribution<BUCKETS>,
    owner: Mutex<Option<Owner>>,
    /// The operating system's id of the owner; 0 if there is none or it is not known.
    os_id: AtomicU32,
}

#[derive(Clone, Debug)]
struct Owner {
    id: ThreadId,
    name: String,
}

/// What is known of a thread at a time. All durations in nanoseconds.
#[derive(Clone, Debug)]
pub struct ThreadReading {
    /// The thread, as `std` and Tokio name it; `None` once it has ended.
    pub id: Option<ThreadId>,
    /// The thread, as the operating system numbers it. Known with the feature `watch`
    /// on Linux, while the thread lives.
    pub os_id: Option<u32>,
    /// Its name, empty if it has none.
    pub name: String,
    /// Key of the task that it polls right now, and since when on the probe's clock.
    pub current: Option<(u64, u64)>,
    /// Time inside polls, the running one included.
    pub busy: u64,
    /// Polls begun.
    pub polls: u64,
}

/// The slots of a registry.
pub(crate) struct Threads {
    slots: RwLock<Vec<&'static ThreadSlot>>,
}

/// What a poll has to put back when it ends.
pub(crate) struct Outer {
    task: *const TaskCell,
    slot_task: *mut TaskCell,
    slot_since: u64,
}

thread_local! {
    static LOCAL: Local = const {
        Local { registry: Cell::new(ptr::null()), slot: Cell::new(None), task: Cell::new(ptr::null()) }
    };
    static OWNED: Owned = const { Owned(RefCell::new(Vec::new())) };
}

/// The thread's view of itself: no destructor, so it is a plain access without a check.
struct Local {
    registry: Cell<*const Registry>,
    slot: Cell<Option<&'static ThreadSlot>>,
    task: Cell<*const TaskCell>,
}

/// The slots to give back when the thread ends.
struct Owned(RefCell<Vec<(*const Registry, &'static ThreadSlot)>>);

impl Drop for Owned {
    fn drop(&mut self) {
        LOCAL.with(|local| {
            local.registry.set(ptr::null());
            local.slot.set(None);
        });
        for (_, slot) in self.0.borrow_mut().drain(..) {
            slot.os_id.store(0, Ordering::Relaxed);
            *slot.owner.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
}

/// The task whose poll the current thread is in, innermost first; null if none.
#[inline(always)]
pub(crate) fn current_task() -> *const TaskCell {
    LOCAL.with(|local| local.task.get())
}

impl Threads {
    pub(crate) fn new() -> Self {
        Threads { slots: RwLock::new(Vec::new()) }
    }

    /// The current thread's slot in this registry.
    #[inline(always)]
    pub(crate) fn here(&self, registry: &'static Registry) -> &'static ThreadSlot {
        LOCAL.with(|local| match local.slot.get() {
            Some(slot) if ptr::eq(local.registry.get(), registry) => slot,
            _ => self.enter(registry, local),
        })
    }

    #[cold]
    fn enter(&self, registry: &'static Registry, local: &Local) -> &'static ThreadSlot {
        let known = OWNED.try_with(|owned| {
            let mut owned = owned.0.borrow_mut();
            if let Some((_, slot)) = owned.iter().find(|(r, _)| ptr::eq(*r, registry)) {
                return *slot;
            }
            let slot = self.take_slot();
            owned.push((registry, slot));
            slot
        });
        // Thread-local values are being torn down: a poll from another destructor.
        // It gets a slot that nobody gives back, which is right but for its name.
        let slot = known.unwrap_or_else(|_| self.take_slot());
        local.registry.set(registry);
        local.slot.set(Some(slot));
        slot
    }

    fn take_slot(&self) -> &'static ThreadSlot {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or_default().to_owned();
        let owner = Owner { id: thread.id(), name };
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        for slot in slots.iter() {
            let mut holder = slot.owner.lock().unwrap_or_else(PoisonError::into_inner);
            if holder.is_none() {
                *holder = Some(owner);
                slot.os_id.store(os_id(), Ordering::Relaxed);
                return slot;
            }
        }
        let slot: &'static ThreadSlot = Box::leak(Box::new(ThreadSlot {
            current: AtomicPtr::new(ptr::null_mut()),
            since: AtomicU64::new(0),
            busy: AtomicU64::new(0),
            polls: AtomicU64::new(0),
            max_delay: AtomicU64::new(0),
            delays: Distribution::new(),
            owner: Mutex::new(Some(owner)),
            os_id: AtomicU32::new(os_id()),
        }));
        slots.push(slot);
        slot
    }

    /// All slots, living threads and ended ones, always in the same order.
    pub(crate) fn read(&self, now: u64) -> Vec<ThreadReading> {
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        slots.iter().map(|slot| slot.read(now)).collect()
    }

    /// Appends the slots that `known` lacks. Slots are never freed and keep their order,
    /// so a reader that comes often takes this lock and allocates nothing.
    #[cfg(feature = "watch")]
    pub(crate) fn slots(&self, known: &mut Vec<&'static ThreadSlot>) {
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        known.extend_from_slice(slots.get(known.len()..).unwrap_or_default());
    }

    /// Scheduling delays of all polls of all threads.
    pub(crate) fn delays(&self) -> Histogram {
        let mut all = Histogram::default();
        for slot in self.slots.read().unwrap_or_else(PoisonError::into_inner).iter() {
            all.merge(&slot.delays.load(slot.max_delay.load(Ordering::Relaxed)));
        }
        all
    }
}

/// The current thread, as the operating system numbers it.
#[cfg(all(
    feature = "watch",
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
    feature = "watch",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
fn os_id() -> u32 {
    0
}

#[inline(always)]
fn add(field: &AtomicU64, by: u64) {
    field.store(field.load(Ordering::Relaxed) + by, Ordering::Relaxed);
}

impl ThreadSlot {
    #[inline(always)]
    pub(crate) fn poll_started(&self, task: &'static TaskCell, started: Started) -> Outer {
        let outer = Outer {
            task: LOCAL.with(|local| local.task.replace(task)),
            slot_task: self.current.load(Ordering::Relaxed),
            slot_since: self.since.load(Ordering::Relaxed),
        };
        self.publish(ptr::from_ref(task).cast_mut(), started.at);
        add(&self.polls, 1);
        if let Some(delay) = started.delay {
            self.delays.record(delay);
            if delay > self.max_delay.load(Ordering::Relaxed) {
                self.max_delay.store(delay, Ordering::Relaxed);
            }
        }
        outer
    }

    #[inline(always)]
    pub(crate) fn poll_ended(&self, outer: Outer, length: u64) {
        LOCAL.with(|local| local.task.set(outer.task));
        if outer.slot_task.is_null() {
            // A poll inside a poll is part of the outer one's time.
            add(&self.busy, length);
        }
        self.publish(outer.slot_task, outer.slot_since);
    }

    #[inline(always)]
    fn publish(&self, task: *mut TaskCell, since: u64) {
        // A reader that sees the same pair twice has seen one poll: two polls on one
        // thread never begin at the same time.
        self.since.store(since, Ordering::Release);
        self.current.store(task, Ordering::Release);
    }

    /// The task and the beginning of the poll that the thread is in. Also for a signal
    /// handler on that very thread: it neither locks nor allocates. Between the two
    /// stores of `publish` it may pair one poll's task with another one's beginning,
    /// which is no pair of any poll.
    #[cfg(feature = "watch")]
    #[allow(unsafe_code)]
    pub(crate) fn glance(&self) -> Option<(u64, u64)> {
        let current = self.current.load(Ordering::Acquire);
        let since = self.since.load(Ordering::Acquire);
        // SAFETY: cells are never freed, and a key is an atomic load.
        unsafe { current.as_ref() }.map(|cell| (cell.key(), since))
    }

    /// The owner's number in the operating system.
    #[cfg(feature = "watch")]
    pub(crate) fn os_id(&self) -> Option<u32> {
        Some(self.os_id.load(Ordering::Relaxed)).filter(|id| *id != 0)
    }

    #[allow(unsafe_code)]
    pub(crate) fn read(&self, now: u64) -> ThreadReading {
        let pair = || (self.current.load(Ordering::Acquire), self.since.load(Ordering::Acquire));
        let mut tries = 0;
        let (current, since) = loop {
            let seen = pair();
            tries += 1;
            // A thread that changes tasks faster than this can read is not in a long
            // poll; what it was in is as good as anything.
            if seen == pair() || tries == 16 {
                break seen;
            }
        };
        // SAFETY: cells are never freed, and a key is an atomic load.
        let current = unsafe { current.as_ref() }.map(|cell| (cell.key(), since));
        let running = current.map_or(0, |(_, since)| now.saturating_sub(since));
        let owner = self.owner.lock().unwrap_or_else(PoisonError::into_inner).clone();
        ThreadReading {
            id: owner.as_ref().map(|owner| owner.id),
            os_id: Some(self.os_id.load(Ordering::Relaxed)).filter(|id| *id != 0),
            name: owner.map(|owner| owner.name).unwrap_or_default(),
            current,
            busy: self.busy.load(Ordering::Relaxed) + running,
            polls: self.polls.load(Ordering::Relaxed),
        }
    }
}
