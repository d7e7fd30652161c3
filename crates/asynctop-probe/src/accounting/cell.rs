//! The record of one task: 512 bytes, aligned to cache lines, never moved.

use std::{
    cell::UnsafeCell,
    ptr,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering},
    },
    task::Waker,
};

use super::{distribution::Distribution, identity::Identity, ledger::Ledger, refs::Refs};
use crate::lock::lock;

/// The buckets of a task's two distributions: 1 µs to 0.4 s in steps, then the rest.
pub(crate) const TASK_BUCKETS: usize = 39;

/// The record of one task.
///
/// A slot of the registry's slab. It belongs, in turn, to nobody (vacant), to the future
/// and its wakers (until `refs` are gone), and to the registry, which keeps it for the retention
/// time and clears it.
#[repr(C, align(64))]
pub(crate) struct TaskCell {
    pub ledger: Ledger,
    refs: Refs,
    /// Whether the future was polled with more than one waker, so that live ones are not
    /// all counted here. Held while `inner` is written, and by whoever reads that without
    /// a reference.
    foreign: Mutex<bool>,
    /// How often the slot was cleared: with the slot, the task's key. Near the waker, which
    /// each poll looks at.
    generation: AtomicU32,
    pub slot: u32,
    /// The waker that Tokio gave the task, called by ours.
    inner: UnsafeCell<Option<Waker>>,
    identity: UnsafeCell<Option<Identity>>,
    stage: AtomicPtr<u8>,
    stage_len: AtomicUsize,
    pub poll_times: Distribution<TASK_BUCKETS>,
    pub delays: Distribution<TASK_BUCKETS>,
    /// The next in the registry's list of vacant or of finished slots.
    pub next: AtomicPtr<TaskCell>,
}

// Loom's atomics are larger, and so are mutexes on other systems.
#[cfg(all(not(asynctop_loom), target_os = "linux"))]
const _: () = assert!(size_of::<TaskCell>() == 512);

// SAFETY: `inner` is written by the polling thread while none of our wakers exists and
// cleared by whoever gives the last reference back, both under the lock `foreign`, which
// readers without a reference hold; `identity` is written while the slot is
// vacant and owned by one thread, and cleared under the registry's scan lock, which
// its readers hold. Everything else is atomic.
#[allow(unsafe_code)]
unsafe impl Sync for TaskCell {}
// SAFETY: as above; no field is tied to the thread that made it.
#[allow(unsafe_code)]
unsafe impl Send for TaskCell {}

impl TaskCell {
    pub(crate) fn vacant(slot: u32) -> Self {
        TaskCell {
            ledger: Ledger::vacant(),
            refs: Refs::gone(),
            foreign: Mutex::new(false),
            generation: AtomicU32::new(0),
            slot,
            inner: UnsafeCell::new(None),
            identity: UnsafeCell::new(None),
            stage: AtomicPtr::new(ptr::null_mut()),
            stage_len: AtomicUsize::new(0),
            poll_times: Distribution::new(),
            delays: Distribution::new(),
            next: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// Puts a new task into this slot.
    ///
    /// # Safety
    /// The slot is vacant and the caller alone holds it.
    #[allow(unsafe_code)]
    pub(crate) unsafe fn open(&self, identity: Identity, now: u64, root: bool) {
        // SAFETY: no other thread looks at the identity of a vacant slot.
        unsafe { *self.identity.get() = Some(identity) };
        self.refs.open();
        self.ledger.open(now, root);
    }

    /// Empties the slot of a finished task.
    ///
    /// # Safety
    /// The caller holds the registry's scan lock, the task is done and `is_released`.
    #[allow(unsafe_code)]
    pub(crate) unsafe fn clear(&self) {
        self.ledger.clear();
        // SAFETY: readers of the identity hold the lock that the caller holds.
        unsafe { *self.identity.get() = None };
        self.stage.store(ptr::null_mut(), Ordering::Relaxed);
        *self.foreign() = false;
        self.poll_times.clear();
        self.delays.clear();
        // Released, so that a reader of a thread's slot that sees it sees that the
        // thread went on to other things.
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// The key of the task in this slot: never used again for another task.
    pub(crate) fn key(&self) -> u64 {
        u64::from(self.generation.load(Ordering::Relaxed)) << 32 | u64::from(self.slot)
    }

    /// What was known at the spawn.
    ///
    /// # Safety
    /// The caller holds the registry's scan lock and has seen the slot occupied.
    #[allow(unsafe_code)]
    pub(crate) unsafe fn identity(&self) -> Option<&Identity> {
        // SAFETY: written before the slot became occupied, cleared only under the lock.
        unsafe { (*self.identity.get()).as_ref() }
    }

    /// Makes our wakers call `waker`. `false` if they cannot, because they call another one already.
    ///
    /// # Safety
    /// Only the thread that polls the task's future may call this.
    #[allow(unsafe_code)]
    #[cold]
    pub(super) unsafe fn replace_inner(&self, waker: &Waker) -> bool {
        // With no waker of ours about, nobody reads `inner`, and nobody can make a waker
        // before this poll hands one out.
        let alone = self.refs.wakers() == 0;
        let waker = alone.then(|| waker.clone());
        let mut foreign = self.foreign();
        *foreign = !alone;
        // SAFETY: as just said; the acquiring load follows the last reader's release.
        // Who reads without a waker holds the lock, as we do.
        let old = alone.then(|| unsafe { std::mem::replace(&mut *self.inner.get(), waker) });
        // Before Tokio's waker goes, which may end a task.
        drop(foreign);
        drop(old);
        alone
    }

    fn foreign(&self) -> MutexGuard<'_, bool> {
        lock(&self.foreign)
    }

    /// Marks the task, which waits, so that its next poll tells where; that comes when the
    /// waker is called.
    ///
    /// # Errors
    /// Why the task cannot be asked now.
    #[cfg(feature = "watchdog")]
    #[allow(unsafe_code)]
    pub(crate) fn ask(&self) -> Result<Waker, &'static str> {
        let foreign = self.foreign();
        if *foreign {
            return Err("the task is polled with alternating wakers");
        }
        // SAFETY: whoever writes it holds the lock.
        let Some(waker) = (unsafe { &*self.inner.get() }).clone() else {
            return Err("the task has not been polled yet, or has ended");
        };
        let asked = self.ledger.ask();
        // Before anything of Tokio's runs.
        drop(foreign);
        asked.then_some(waker).ok_or("the task is not idle")
    }

    /// The waker that Tokio gave the task.
    ///
    /// # Safety
    /// The caller holds a reference: it has a waker, or the future.
    #[allow(unsafe_code)]
    #[inline(always)]
    pub(crate) unsafe fn inner_waker(&self) -> Option<&Waker> {
        // SAFETY: set before our first waker was made, and kept until the last reference is given back.
        unsafe { (*self.inner.get()).as_ref() }
    }

    /// One more waker. `in_own_poll`: this thread is in the task's poll, and in no
    /// other one inside of that.
    #[inline(always)]
    pub(crate) fn retain(&self, in_own_poll: bool) {
        if !in_own_poll {
            self.refs.add();
        } else if !self.refs.add_own() {
            self.ledger.publish(|| self.refs.fold());
            self.refs.add();
        }
    }

    /// A waker goes; the last reference lets go of Tokio's waker.
    #[inline(always)]
    pub(crate) fn release(&self) {
        if self.refs.release() {
            self.gone();
        }
    }

    /// The future goes, and no poll comes any more.
    pub(crate) fn release_future(&self) {
        if self.refs.release_future() {
            self.gone();
        }
    }

    #[allow(unsafe_code)]
    #[cold]
    fn gone(&self) {
        let lock = self.foreign();
        // SAFETY: the last of the references is given back, and without one nobody can
        // make another. Who reads without one holds the lock, as we do.
        let inner = unsafe { (*self.inner.get()).take() };
        // Before Tokio's waker goes, which may end a task.
        drop(lock);
        drop(inner);
        // Not before: the slot may be cleared and taken by another task from here on.
        self.refs.set_gone();
    }

    /// Whether neither the future nor a waker refers to this slot any more.
    pub(crate) fn is_released(&self) -> bool {
        self.refs.is_gone()
    }

    /// How many wakers of the task somebody holds; `None` if not all are known.
    pub(crate) fn live_wakers(&self) -> Option<u32> {
        let wakers = self.ledger.coherent(|| self.refs.wakers());
        // A foreign waker has one reference, however often it was cloned.
        let all_known = wakers == 0 || !*self.foreign();
        all_known.then_some(wakers)
    }

    /// Says what the task is doing. Only the polling thread calls this.
    pub(crate) fn set_stage(&self, stage: &'static str) {
        self.ledger.publish(|| {
            self.stage.store(stage.as_ptr().cast_mut(), Ordering::Relaxed);
            self.stage_len.store(stage.len(), Ordering::Relaxed);
        });
    }

    /// The parts of the stage, to be read under the ledger's protection.
    pub(crate) fn stage_parts(&self) -> (*const u8, usize) {
        (self.stage.load(Ordering::Relaxed), self.stage_len.load(Ordering::Relaxed))
    }
}

/// The stage whose parts were read coherently.
///
/// # Safety
/// The parts are of one `set_stage`, or the pointer is null.
#[allow(unsafe_code)]
pub(crate) unsafe fn stage_from((pointer, len): (*const u8, usize)) -> Option<&'static str> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: they are the parts of a `&'static str`.
    Some(unsafe { std::str::from_utf8_unchecked(std::slice::from_raw_parts(pointer, len)) })
}
