//! Records the poll spans of a thread for the timeline, while there is a reader.
//!
//! # Two rings
//! A thread polls between a few and ten million times per second, and no reasonable amount of memory
//! holds all of these for the length of a timeline. So there are two rings:
//!
//! - `every` contains each poll: the last 32,768. That is 1.5 s of a worker with 20,000 polls per
//!   second, which a reader that reads four times per second sees without a gap, and 5 ms of one with
//!   seven million.
//! - `ticked` contains the polls during which a *tick* occurred. Ticks are at the multiples of
//!   262 µs (2¹⁸ ns) on the probe's clock: at most 3,815 per second, so its 16,384 places hold more
//!   than 4 s of any thread. Every poll longer than 262 µs is included, with its exact times.
//!   Shorter ones are a random sample in proportion to their length: the shares of the tasks at the
//!   ticks estimate their shares of the time. (Work whose period is a multiple of 2¹⁸ ns would bias
//!   this; the periods of timers are whole milliseconds.)
//!
//! So a short interval can be shown poll by poll, and a long one exactly or as an estimate. For an
//! interval that `every` no longer contains, the number of missing polls is known.
//!
//! # Cost
//! Without a recording, a poll loads one pointer from a cache line that it writes anyway. With one, it
//! adds four stores and one comparison; its times are known already. `benches/overhead.rs` measures
//! this. The rings of a thread take 1.2 MB (49,152 poll spans of 24 bytes). They are allocated when they
//! are first needed and never freed, like the thread's slot, because the thread may write to them at
//! any time.
//!
//! # Nested polls
//! The poll of a measured future inside another poll interrupts the outer one. Poll spans show the
//! innermost poll, so the outer poll consists of several poll spans. They never overlap and are in
//! the order of time.

use super::{
    ring::Ring,
    sync::{AtomicU64, Ordering},
};
use asynctop_snapshot::{PollSpan, TICK_NS};

/// Number of polls that a thread keeps.
const EVERY: usize = 1 << 15;
/// Number of polls with a tick that a thread keeps.
const TICKED: usize = 1 << 14;
/// Number of the lower bits of the time that do not affect ticks.
const TICK_BITS: u32 = TICK_NS.trailing_zeros();

/// The rings of one thread.
#[derive(Debug)]
pub(crate) struct Recorder {
    pub every: Ring<EVERY>,
    pub ticked: Ring<TICKED>,
    /// When a nested poll of the thread last ended.
    resumed: AtomicU64,
}

impl Recorder {
    pub(crate) fn new() -> Self {
        Recorder { every: Ring::new(), ticked: Ring::new(), resumed: AtomicU64::new(0) }
    }

    /// Records a poll of `task` that began at `began`, without the part before the last nested poll.
    #[inline(always)]
    pub(crate) fn record(&self, task: u64, began: u64, ended: u64) {
        let began = began.max(self.resumed.load(Ordering::Relaxed));
        let span = PollSpan { task, began, ended };
        self.every.push(span);
        if (began ^ ended) >> TICK_BITS != 0 {
            self.ticked.push(span);
        }
    }

    /// Whether a poll nested in the one that began at `began` has ended.
    pub(crate) fn has_resumed_since(&self, began: u64) -> bool {
        self.resumed.load(Ordering::Relaxed) > began
    }

    /// A nested poll has ended, and the outer one continues.
    pub(crate) fn resume(&self, now: u64) {
        self.resumed.store(now, Ordering::Relaxed);
    }
}
