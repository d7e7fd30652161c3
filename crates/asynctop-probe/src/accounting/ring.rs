//! A ring of the last poll spans of a thread: one thread writes and never waits; others copy.
//!
//! `head` counts the poll spans ever pushed; span `n` is in place `n % N` until span `n + N`
//! overwrites it. The writer publishes `head` before it writes to a place, so a span `n` that a
//! reader has copied is intact if `head` is at most `n + N - 1` afterwards. Overwritten spans are
//! left out and counted: a copy contains no torn span and no span twice, and the number of missing
//! ones is known. `ring_loom.rs` runs the interleavings.

use super::sync::{AtomicU64, Ordering, fence};
use asynctop_snapshot::PollSpan;

/// A ring of `N` places, `N` a power of two. A copy has at most the last `N` - 1 poll spans: a
/// thread may be writing to the remaining place.
#[derive(Debug)]
pub(crate) struct Ring<const N: usize> {
    head: AtomicU64,
    places: Box<[Place; N]>,
}

#[derive(Debug)]
struct Place {
    task: AtomicU64,
    began: AtomicU64,
    ended: AtomicU64,
}

impl<const N: usize> Ring<N> {
    pub(crate) fn new() -> Self {
        const { assert!(N.is_power_of_two()) };
        let zero = || AtomicU64::new(0);
        // Allocated on the heap directly, because a stack may be too small.
        let places: Vec<Place> =
            (0..N).map(|_| Place { task: zero(), began: zero(), ended: zero() }).collect();
        let Ok(places) = places.into_boxed_slice().try_into() else {
            unreachable!("the length is N");
        };
        Ring { head: zero(), places }
    }

    /// Number of poll spans pushed so far.
    pub(crate) fn pushed(&self) -> u64 {
        self.head.load(Ordering::Acquire)
    }

    /// Adds a poll span. Called by one thread at a time.
    #[inline(always)]
    pub(crate) fn push(&self, span: PollSpan) {
        let head = self.head.load(Ordering::Relaxed);
        // A reader that sees one of the stores below also sees this head or a later one.
        fence(Ordering::Release);
        let place = &self.places[head as usize % N];
        place.task.store(span.task, Ordering::Relaxed);
        place.began.store(span.began, Ordering::Relaxed);
        place.ended.store(span.ended, Ordering::Relaxed);
        self.head.store(head.wrapping_add(1), Ordering::Release);
    }

    /// Appends the poll spans from number `next` on to `to`, in order, and sets `next` to the number
    /// after the last one. Returns how many before the first copied one were overwritten.
    pub(crate) fn copy(&self, next: &mut u64, to: &mut Vec<PollSpan>) -> u64 {
        let start = to.len();
        let head = self.head.load(Ordering::Acquire);
        let wanted = (*next).min(head);
        let first = wanted.max(head.saturating_sub(N as u64));
        to.extend((first..head).map(|number| self.places[number as usize % N].load()));
        fence(Ordering::Acquire);
        // The writer may be writing this span, in the place of the one `N` before.
        let writing = self.head.load(Ordering::Relaxed);
        let intact = writing.saturating_add(1).saturating_sub(N as u64).clamp(first, head);
        to.drain(start..start + (intact - first) as usize);
        *next = head;
        intact - wanted
    }
}

impl Place {
    fn load(&self) -> PollSpan {
        PollSpan {
            task: self.task.load(Ordering::Relaxed),
            began: self.began.load(Ordering::Relaxed),
            ended: self.ended.load(Ordering::Relaxed),
        }
    }
}
