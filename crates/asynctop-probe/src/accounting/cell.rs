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

/// Buckets of a task's two distributions: from 1 µs to 0.4 s, and one for everything above.
pub(crate) const TASK_BUCKETS: usize = 39;

/// The record of one task, in a slot of the registry.
///
/// A slot is vacant, then in use by the future and its wakers (until all `refs` are released), then
/// kept by the registry for the retention time and cleared.
#[repr(C, align(64))]
pub(crate) struct TaskCell {
    pub ledger: Ledger,
    refs: Refs,
    /// Whether the future was polled with more than one waker, so that `refs` does not count all
    /// live wakers. Locked while `inner` is written, or read without a reference.
    has_foreign_wakers: Mutex<bool>,
    /// How often the slot was cleared; part of the task's key. Next to the waker, which each poll
    /// reads.
    generation: AtomicU32,
    pub slot: u32,
    /// Tokio's waker of the task, called by ours.
    inner: UnsafeCell<Option<Waker>>,
    identity: UnsafeCell<Option<Identity>>,
    stage: AtomicPtr<u8>,
    stage_len: AtomicUsize,
    pub poll_times: Distribution<TASK_BUCKETS>,
    pub delays: Distribution<TASK_BUCKETS>,
    /// The next slot in the registry's list of vacant or of ended ones.
    pub next: AtomicPtr<TaskCell>,
}

// Loom's atomics are larger, and so are mutexes on other systems.
#[cfg(all(not(asynctop_loom), target_os = "linux"))]
const _: () = assert!(size_of::<TaskCell>() == 512);

// SAFETY: `inner` is written by the polling thread while none of our wakers exists, and cleared by
// the thread that releases the last reference, both with `has_foreign_wakers` locked, as are reads
// without a reference; `identity` is written while the slot is vacant and owned by one thread, and
// cleared under the registry's scan lock, which its readers hold. Everything else is atomic.
#[allow(unsafe_code)]
unsafe impl Sync for TaskCell {}
// SAFETY: as above; no field is bound to a thread.
#[allow(unsafe_code)]
unsafe impl Send for TaskCell {}

impl TaskCell {
    pub(crate) fn vacant(slot: u32) -> Self {
        TaskCell {
            ledger: Ledger::vacant(),
            refs: Refs::released(),
            has_foreign_wakers: Mutex::new(false),
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

    /// Starts the record of a new task.
    ///
    /// # Safety
    /// The slot is vacant and the caller has exclusive access to it.
    #[allow(unsafe_code)]
    pub(crate) unsafe fn open(&self, identity: Identity, now: u64, root: bool) {
        // SAFETY: no other thread reads the identity of a vacant slot.
        unsafe { *self.identity.get() = Some(identity) };
        self.refs.open();
        self.ledger.open(now, root);
    }

    /// Clears the slot of an ended task.
    ///
    /// # Safety
    /// The caller holds the registry's scan lock, the task has ended and `is_released`.
    #[allow(unsafe_code)]
    pub(crate) unsafe fn clear(&self) {
        self.ledger.clear();
        // SAFETY: readers of the identity hold the lock that the caller holds.
        unsafe { *self.identity.get() = None };
        self.stage.store(ptr::null_mut(), Ordering::Relaxed);
        *self.lock_wakers() = false;
        self.poll_times.clear();
        self.delays.clear();
        // Release: a reader of a thread's slot that sees the new generation also sees that the thread
        // has left the task.
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// The key of the task in this slot. It is never reused.
    pub(crate) fn key(&self) -> u64 {
        u64::from(self.generation.load(Ordering::Relaxed)) << 32 | u64::from(self.slot)
    }

    /// # Safety
    /// The caller holds the registry's scan lock and has seen that the slot is not vacant.
    #[allow(unsafe_code)]
    pub(crate) unsafe fn identity(&self) -> Option<&Identity> {
        // SAFETY: written before the slot became occupied, cleared only under the lock.
        unsafe { (*self.identity.get()).as_ref() }
    }

    /// Makes our wakers call `waker`. `false` if one exists already and calls another waker.
    ///
    /// # Safety
    /// Only the thread that polls the task's future may call this.
    #[allow(unsafe_code)]
    #[cold]
    pub(super) unsafe fn replace_inner(&self, waker: &Waker) -> bool {
        // If none of our wakers exists, `inner` is not read, and no waker can be created before this
        // poll passes one to the future.
        let is_unused = self.refs.wakers() == 0;
        let waker = is_unused.then(|| waker.clone());
        let mut has_foreign_wakers = self.lock_wakers();
        *has_foreign_wakers = !is_unused;
        // SAFETY: as above; the acquire load of `wakers` follows the last reader's release. Readers
        // without a waker hold the lock.
        let old = is_unused.then(|| unsafe { std::mem::replace(&mut *self.inner.get(), waker) });
        // Unlock before Tokio's waker is dropped, which may end a task.
        drop(has_foreign_wakers);
        drop(old);
        is_unused
    }

    fn lock_wakers(&self) -> MutexGuard<'_, bool> {
        lock(&self.has_foreign_wakers)
    }

    /// Marks the idle task for an await-point query. The caller then calls the returned waker, which
    /// causes the traced poll.
    ///
    /// # Errors
    /// The reason why the task cannot be queried now.
    #[cfg(feature = "watchdog")]
    #[allow(unsafe_code)]
    pub(crate) fn query(&self) -> Result<Waker, &'static str> {
        let has_foreign_wakers = self.lock_wakers();
        if *has_foreign_wakers {
            return Err("the task is polled with alternating wakers");
        }
        // SAFETY: it is only written with the lock held.
        let Some(waker) = (unsafe { &*self.inner.get() }).clone() else {
            return Err("the task has not been polled yet, or has ended");
        };
        let is_marked = self.ledger.query();
        // Unlock before Tokio's code runs.
        drop(has_foreign_wakers);
        is_marked.then_some(waker).ok_or("the task is not idle")
    }

    /// Tokio's waker of the task.
    ///
    /// # Safety
    /// The caller holds a reference: a waker, or the future.
    #[allow(unsafe_code)]
    #[inline(always)]
    pub(crate) unsafe fn inner_waker(&self) -> Option<&Waker> {
        // SAFETY: set before our first waker was created, and kept until the last reference is
        // released.
        unsafe { (*self.inner.get()).as_ref() }
    }

    /// Adds a waker. `in_own_poll` is whether the task's poll is the innermost one on this thread.
    #[inline(always)]
    pub(crate) fn retain(&self, in_own_poll: bool) {
        if !in_own_poll {
            self.refs.add();
        } else if !self.refs.add_own() {
            self.ledger.publish(|| self.refs.fold());
            self.refs.add();
        }
    }

    /// Releases a waker. The last reference drops Tokio's waker.
    #[inline(always)]
    pub(crate) fn release(&self) {
        if self.refs.release() {
            self.release_last();
        }
    }

    /// Releases the future, which is not polled again.
    pub(crate) fn release_future(&self) {
        if self.refs.release_future() {
            self.release_last();
        }
    }

    #[allow(unsafe_code)]
    #[cold]
    fn release_last(&self) {
        let lock = self.lock_wakers();
        // SAFETY: the last reference is released, and without one no other can be created. Readers
        // without a reference hold the lock.
        let inner = unsafe { (*self.inner.get()).take() };
        // Unlock before Tokio's waker is dropped, which may end a task.
        drop(lock);
        drop(inner);
        // Last: from here on the slot may be cleared and reused.
        self.refs.set_released();
    }

    /// Whether the future and all wakers are released.
    pub(crate) fn is_released(&self) -> bool {
        self.refs.is_released()
    }

    /// Number of live wakers; `None` if it is not known.
    pub(crate) fn live_wakers(&self) -> Option<u32> {
        let wakers = self.ledger.coherent(|| self.refs.wakers());
        // A foreign waker has one reference, even if it was cloned.
        let is_exact = wakers == 0 || !*self.lock_wakers();
        is_exact.then_some(wakers)
    }

    /// Called only by the polling thread.
    pub(crate) fn set_stage(&self, stage: &'static str) {
        self.ledger.publish(|| {
            self.stage.store(stage.as_ptr().cast_mut(), Ordering::Relaxed);
            self.stage_len.store(stage.len(), Ordering::Relaxed);
        });
    }

    /// The pointer and length of the stage, to be read with [`Ledger::read`].
    pub(crate) fn stage_parts(&self) -> (*const u8, usize) {
        (self.stage.load(Ordering::Relaxed), self.stage_len.load(Ordering::Relaxed))
    }
}

/// The stage with these parts.
///
/// # Safety
/// Both parts are from one call of `set_stage`, or the pointer is null.
#[allow(unsafe_code)]
pub(crate) unsafe fn stage_from((pointer, len): (*const u8, usize)) -> Option<&'static str> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: they are the parts of a `&'static str`.
    Some(unsafe { std::str::from_utf8_unchecked(std::slice::from_raw_parts(pointer, len)) })
}
