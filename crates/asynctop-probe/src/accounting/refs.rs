//! The reference count of a cell: the future and its wakers.
//!
//! Most wakers are cloned in the task's own poll. The polling thread counts those in `own`, with a
//! plain store, because an atomic addition is a large part of the cost of a poll. They may be dropped
//! on any thread, which decrements `shared`, so `shared` may fall below the future's share; only the
//! sum of both is meaningful while the future lives. When the future is released, `own` is added to
//! `shared`.

use super::sync::{AtomicU32, Ordering, fence, spin_loop};

/// The share of the future.
const FUTURE: u32 = 1 << 31;
/// The slot has no references.
const RELEASED: u32 = u32::MAX;
/// Maximum number of wakers of a task, to distinguish the future's share from them.
const MAX_WAKERS: u32 = 1 << 29;
/// Maximum of `own`.
const OWN_LIMIT: u32 = 1 << 20;

#[derive(Debug)]
pub(crate) struct Refs {
    shared: AtomicU32,
    /// Written only by the polling thread.
    own: AtomicU32,
}

impl Refs {
    pub(crate) fn released() -> Self {
        Refs { shared: AtomicU32::new(RELEASED), own: AtomicU32::new(0) }
    }

    /// Adds the future of a new task. The caller has exclusive access to the slot.
    pub(crate) fn open(&self) {
        self.own.store(0, Ordering::Relaxed);
        self.shared.store(FUTURE, Ordering::Relaxed);
    }

    /// Adds a waker that was cloned on any thread.
    #[inline(always)]
    pub(crate) fn add(&self) {
        self.add_many(1);
    }

    #[inline(always)]
    fn add_many(&self, more: u32) {
        let before = self.shared.fetch_add(more, Ordering::Relaxed);
        // `OWN_LIMIT` is added on both sides, because `shared` may be that far below `FUTURE`.
        // As in `Arc`: an overflow would free memory in use, and only a program that leaks wakers can
        // get here.
        let wakers = before.wrapping_add(OWN_LIMIT) % FUTURE;
        if wakers > MAX_WAKERS + OWN_LIMIT {
            std::process::abort();
        }
    }

    /// Adds a waker that was cloned in the task's own poll. `false` if [`fold`](Self::fold) must be
    /// called first.
    #[inline(always)]
    pub(crate) fn add_own(&self) -> bool {
        let own = self.own.load(Ordering::Relaxed);
        let fits = own < OWN_LIMIT;
        if fits {
            self.own.store(own + 1, Ordering::Relaxed);
        }
        fits
    }

    /// Moves the count of `own` to `shared`. Without this, a task that yields for a day would overflow
    /// both, because one only counts up and the other down. [`wakers`](Self::wakers) must not be
    /// called concurrently.
    #[cold]
    pub(crate) fn fold(&self) {
        self.add_many(self.own.load(Ordering::Relaxed));
        self.own.store(0, Ordering::Relaxed);
    }

    /// Releases a waker. Returns whether it was the last reference: then the caller has exclusive
    /// access to the cell until it calls [`set_released`](Self::set_released).
    #[inline(always)]
    #[must_use]
    pub(crate) fn release(&self) -> bool {
        self.subtract(1)
    }

    /// Releases the future, which is not polled again. Returns the same as
    /// [`release`](Self::release).
    #[must_use]
    pub(crate) fn release_future(&self) -> bool {
        self.subtract(FUTURE - self.own.load(Ordering::Relaxed))
    }

    #[inline(always)]
    fn subtract(&self, share: u32) -> bool {
        // Release, so that the last one sees all accesses through the others.
        let last = self.shared.fetch_sub(share, Ordering::Release) == share;
        if last {
            fence(Ordering::Acquire);
        }
        last
    }

    pub(crate) fn set_released(&self) {
        self.shared.store(RELEASED, Ordering::Release);
    }

    pub(crate) fn is_released(&self) -> bool {
        self.shared.load(Ordering::Acquire) == RELEASED
    }

    /// Number of wakers, of a live or an ended task.
    pub(crate) fn wakers(&self) -> u32 {
        loop {
            // In this order: a reader that sees the drop of a waker also sees its clone.
            let shared = self.shared.load(Ordering::Acquire);
            let own = self.own.load(Ordering::Acquire);
            // Otherwise a waker that was cloned and dropped in between would be counted.
            if self.shared.load(Ordering::Relaxed) == shared {
                return match shared {
                    RELEASED => 0,
                    // The future is released, and `own` is included.
                    ..=MAX_WAKERS => shared,
                    _ => shared.wrapping_sub(FUTURE).wrapping_add(own),
                };
            }
            spin_loop();
        }
    }
}
