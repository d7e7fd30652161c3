//! The polls of a worker since the previous snapshot.

use std::sync::Arc;

use super::CurrentPoll;

/// The polls of one worker since the previous snapshot.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct WorkerPolls {
    /// Every poll.
    pub every: PollSpans,
    /// The polls that a tick fell into, at most one per [`TICK_NS`]: all that are longer, and a sample
    /// of the shorter ones that reaches back further.
    pub ticked: PollSpans,
    /// The poll that has not ended.
    pub current: Option<CurrentPoll>,
}

/// Nanoseconds between two ticks, which are at the multiples of this time on the probe's clock.
pub const TICK_NS: u64 = 1 << 18;

/// Polls of one worker, oldest first; they never overlap.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PollSpans {
    /// From then on until the snapshot none is missing, on the source's clock.
    pub from_ns: u64,
    /// How many are missing before that.
    pub lost: u64,
    /// The polls.
    pub spans: Arc<[PollSpan]>,
}

impl Default for PollSpans {
    fn default() -> Self {
        PollSpans { from_ns: 0, lost: 0, spans: Arc::from([]) }
    }
}

/// A time in which a thread was inside one task's poll, on the probe's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PollSpan {
    /// The task's key.
    pub task: u64,
    /// When it began.
    pub began: u64,
    /// When it ended.
    pub ended: u64,
}
