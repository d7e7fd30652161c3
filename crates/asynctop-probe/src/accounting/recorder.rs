//! Who ran when: what a polling thread writes down while somebody wants to see it.
//!
//! # Two rings
//! A thread polls a few times a second or ten million times. No memory of a sensible size
//! keeps all of that for as long as people look back, so there are two rings:
//!
//! - `every` takes each poll: the last 32,768 of them. That is a second and a half of a
//!   worker with 20,000 polls a second, which a reader that comes four times a second sees
//!   without a gap, and 5 ms of one with seven million.
//! - `ticked` takes the polls during which a *tick* went by, of which there is one each
//!   262 µs (2¹⁸ ns): at most 3,815 a second, so its 16,384 places are more than four
//!   seconds of any thread. Every poll that is longer than a tick is among them, with its
//!   exact times. Shorter ones come in by chance, in proportion to their length: who is
//!   found at the ticks of a span shares it as they do. (Work that keeps step with
//!   2¹⁸ ns would fool this; timers count milliseconds.)
//!
//! So a short span can be shown poll by poll, a long one as it was or as estimated, and
//! what lies between (a short span too long ago) is known to be missing, with the number
//! of polls that are.
//!
//! # Cost
//! Off, a poll loads one pointer from a cache line that it writes anyway. On, it adds four
//! stores, one comparison and no clock: the poll's times are known already.
//! `benches/overhead.rs` measures it. The rings of a thread take 1.2 MB (49,152 poll spans of
//! 24 bytes), are allocated when somebody first wants them, and stay, as the thread's slot
//! does: its thread may be writing to them at any time.
//!
//! # Polls inside of polls
//! A future that is measured inside of another one's poll takes over the thread for a
//! while. The poll spans follow who had it, the innermost one: the outer poll then is
//! several poll spans. They never overlap, and come in the order of time.

use super::{
    ring::Ring,
    sync::{AtomicU64, Ordering},
};
use asynctop_snapshot::{PollSpan, TICK_NS};

/// How many polls a thread keeps.
const EVERY: usize = 1 << 15;
/// How many polls that a tick fell into it keeps.
const TICKED: usize = 1 << 14;
/// A tick is so many bits of a nanosecond count.
const TICK_BITS: u32 = TICK_NS.trailing_zeros();

/// What one thread writes down.
#[derive(Debug)]
pub(crate) struct Recorder {
    pub every: Ring<EVERY>,
    pub ticked: Ring<TICKED>,
    /// When the thread last came out of a poll inside of a poll.
    resumed: AtomicU64,
}

impl Recorder {
    pub(crate) fn new() -> Self {
        Recorder { every: Ring::new(), ticked: Ring::new(), resumed: AtomicU64::new(0) }
    }

    /// The thread was in a poll of `task` from `began`, or from when it last came back
    /// to it, until `ended`.
    #[inline(always)]
    pub(crate) fn ran(&self, task: u64, began: u64, ended: u64) {
        let began = began.max(self.resumed.load(Ordering::Relaxed));
        let span = PollSpan { task, began, ended };
        self.every.push(span);
        if (began ^ ended) >> TICK_BITS != 0 {
            self.ticked.push(span);
        }
    }

    /// Whether a poll inside of what began at `began` has ended.
    pub(crate) fn has_resumed_since(&self, began: u64) -> bool {
        self.resumed.load(Ordering::Relaxed) > began
    }

    /// A poll inside of another one ended, which goes on.
    pub(crate) fn resume(&self, now: u64) {
        self.resumed.store(now, Ordering::Relaxed);
    }
}
