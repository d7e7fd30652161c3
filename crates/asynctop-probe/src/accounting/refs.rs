//! Who refers to a cell: the future while it lives, and its wakers.
//!
//! Most wakers are cloned inside of the task's own poll. Its thread counts those with a
//! plain store, for an atomic addition is a large part of what a poll costs. They may be
//! dropped anywhere, which is counted in `shared`, so that may fall below what the
//! future counts for; only the sum of both has a meaning while the future lives. When it
//! goes, it adds its own count to `shared`, which from then on counts all.

use super::sync::{AtomicU32, Ordering, fence, spin_loop};

/// What the living future counts for.
const FUTURE: u32 = 1 << 31;
/// Nobody refers to the slot.
const GONE: u32 = u32::MAX;
/// More wakers than this a task may not have, so that its future is told from them.
const MAX_WAKERS: u32 = 1 << 29;
/// Greater than this `own` does not grow.
const OWN_LIMIT: u32 = 1 << 20;

/// The references to one cell.
#[derive(Debug)]
pub(crate) struct Refs {
    shared: AtomicU32,
    /// Written by the polling thread alone.
    own: AtomicU32,
}

impl Refs {
    pub(crate) fn gone() -> Self {
        Refs { shared: AtomicU32::new(GONE), own: AtomicU32::new(0) }
    }

    /// A future moves in. The caller owns the slot alone.
    pub(crate) fn open(&self) {
        self.own.store(0, Ordering::Relaxed);
        self.shared.store(FUTURE, Ordering::Relaxed);
    }

    /// One more waker, cloned anywhere.
    #[inline(always)]
    pub(crate) fn add(&self) {
        self.add_many(1);
    }

    #[inline(always)]
    fn add_many(&self, more: u32) {
        let before = self.shared.fetch_add(more, Ordering::Relaxed);
        // As `Arc` does: a program that leaks wakers this fast is beyond help, and an
        // overflow would free what is in use.
        let wakers = before.wrapping_add(OWN_LIMIT) % FUTURE;
        if wakers > MAX_WAKERS + OWN_LIMIT {
            std::process::abort();
        }
    }

    /// One more waker, cloned by the thread that polls, inside of that poll. `false` if
    /// it has to [`fold`](Self::fold) first.
    #[inline(always)]
    pub(crate) fn add_own(&self) -> bool {
        let own = self.own.load(Ordering::Relaxed);
        let fits = own < OWN_LIMIT;
        if fits {
            self.own.store(own + 1, Ordering::Relaxed);
        }
        fits
    }

    /// Moves the polling thread's count over to `shared`: the one only counts up and the
    /// other down, and a task that yields for a day would come to their ends. Whoever
    /// asks for [`wakers`](Self::wakers) must not look meanwhile.
    #[cold]
    pub(crate) fn fold(&self) {
        self.add_many(self.own.load(Ordering::Relaxed));
        self.own.store(0, Ordering::Relaxed);
    }

    /// A waker goes. Whether it was the last reference: then the caller alone looks at
    /// the cell until it says [`set_gone`](Self::set_gone).
    #[inline(always)]
    #[must_use]
    pub(crate) fn release(&self) -> bool {
        self.give_back(1)
    }

    /// The future goes, and no poll comes any more. As [`release`](Self::release).
    #[must_use]
    pub(crate) fn release_future(&self) -> bool {
        self.give_back(FUTURE - self.own.load(Ordering::Relaxed))
    }

    #[inline(always)]
    fn give_back(&self, share: u32) -> bool {
        // Released, so that the last one sees all that was done with the others.
        let last = self.shared.fetch_sub(share, Ordering::Release) == share;
        if last {
            fence(Ordering::Acquire);
        }
        last
    }

    pub(crate) fn set_gone(&self) {
        self.shared.store(GONE, Ordering::Release);
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.shared.load(Ordering::Acquire) == GONE
    }

    /// How many wakers there are, of a living task or of one that ended.
    pub(crate) fn wakers(&self) -> u32 {
        loop {
            // In this order: who sees that a waker was dropped sees that it was cloned.
            let shared = self.shared.load(Ordering::Acquire);
            let own = self.own.load(Ordering::Acquire);
            // A clone that was dropped in between would count as a living one.
            if self.shared.load(Ordering::Relaxed) == shared {
                return match shared {
                    GONE => 0,
                    // The future's share is gone, and `own` is in it.
                    ..=MAX_WAKERS => shared,
                    _ => shared.wrapping_sub(FUTURE).wrapping_add(own),
                };
            }
            spin_loop();
        }
    }
}
