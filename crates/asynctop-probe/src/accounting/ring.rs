//! The last poll spans of time that a thread spent in polls: one thread writes and never
//! waits, any other copies what is there.
//!
//! `head` counts the poll spans ever pushed; the one numbered `n` lies in place `n % N`
//! until number `n + N` takes it over. The writer publishes `head` before it touches a
//! place, so a reader that has copied a poll span and then finds `head` no further than
//! `n + N - 1` knows that nobody was in its way. What was overwritten is left out and
//! counted: a copy has no torn poll span, none twice, and the numbers say how many are
//! missing. `ring_loom.rs` runs the interleavings.

use super::sync::{AtomicU64, Ordering, fence};
use asynctop_snapshot::PollSpan;

/// Keeps the last `N` poll spans, `N` a power of two; one less while a thread writes.
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
        // On the heap from the beginning: a stack may be too small for it.
        let places: Vec<Place> =
            (0..N).map(|_| Place { task: zero(), began: zero(), ended: zero() }).collect();
        let Ok(places) = places.into_boxed_slice().try_into() else {
            unreachable!("as many places as asked for");
        };
        Ring { head: zero(), places }
    }

    /// How many poll spans were pushed so far.
    pub(crate) fn pushed(&self) -> u64 {
        self.head.load(Ordering::Acquire)
    }

    /// Adds a poll span. One thread at a time may call this.
    #[inline(always)]
    pub(crate) fn push(&self, span: PollSpan) {
        let head = self.head.load(Ordering::Relaxed);
        // Who sees one of the stores below sees this head or a later one.
        fence(Ordering::Release);
        let place = &self.places[head as usize % N];
        place.task.store(span.task, Ordering::Relaxed);
        place.began.store(span.began, Ordering::Relaxed);
        place.ended.store(span.ended, Ordering::Relaxed);
        self.head.store(head.wrapping_add(1), Ordering::Release);
    }

    /// Copies the poll spans from number `next` on, in their order, and moves `next` behind
    /// the last one. Returns how many are missing before the first of them.
    pub(crate) fn copy(&self, next: &mut u64, to: &mut Vec<PollSpan>) -> u64 {
        let kept = to.len();
        let head = self.head.load(Ordering::Acquire);
        let wanted = (*next).min(head);
        let first = wanted.max(head.saturating_sub(N as u64));
        to.extend((first..head).map(|number| self.places[number as usize % N].load()));
        fence(Ordering::Acquire);
        // The writer may be in the middle of this one, in the place of the one `N` before.
        let writing = self.head.load(Ordering::Relaxed);
        let intact = writing.saturating_add(1).saturating_sub(N as u64).clamp(first, head);
        to.drain(kept..kept + (intact - first) as usize);
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
