//! The polls of a worker since the previous snapshot.

use std::sync::Arc;

use super::CurrentPoll;

/// The polls of one worker since the previous snapshot.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct WorkerPolls {
    /// All polls.
    pub every: PollSpans,
    /// The polls that were running at a tick, at most one per [`TICK_NS`]: all polls that are longer
    /// than that, and a sample of the shorter ones. Reaches further back than `every`.
    pub ticked: PollSpans,
    /// The poll that is running.
    pub current: Option<CurrentPoll>,
}

/// Nanoseconds between two ticks. Ticks are at the multiples of this time on the probe's clock.
pub const TICK_NS: u64 = 1 << 18;

/// Polls of one worker, oldest first. They never overlap.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PollSpans {
    /// No poll is missing between this time and the snapshot, on the target's clock.
    pub from_ns: u64,
    /// The number of polls that are missing before that.
    pub missing: u64,
    /// The spans of the polls.
    pub spans: Arc<[PollSpan]>,
}

impl Default for PollSpans {
    fn default() -> Self {
        PollSpans { from_ns: 0, missing: 0, spans: Arc::from([]) }
    }
}

/// The start and end of one poll, in nanoseconds on the probe's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PollSpan {
    /// The key of the task.
    pub task: u64,
    /// Start of the poll.
    pub began: u64,
    /// End of the poll.
    pub ended: u64,
}
