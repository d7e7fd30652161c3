//! Whom a worker polled, and when, as a snapshot brings it.

use std::sync::Arc;

use super::CurrentPoll;
use crate::probe::Stretch;

/// Whom one worker polled, and when.
#[derive(Clone, Debug, Default)]
pub struct WorkerPolls {
    /// Every poll.
    pub every: Stretches,
    /// The polls that a tick fell into, one each [`TICK_NS`](crate::probe::TICK_NS): the
    /// longer ones all, of the shorter ones a sample that reaches back further.
    pub ticked: Stretches,
    /// The poll that has not ended.
    pub current: Option<CurrentPoll>,
}

/// Polls of one worker, oldest first; they never overlap.
#[derive(Clone, Debug)]
pub struct Stretches {
    /// From then on until the snapshot none is missing, on the source's clock.
    pub from_ns: u64,
    /// How many are missing before that.
    pub lost: u64,
    /// The polls.
    pub stretches: Arc<[Stretch]>,
}

impl Default for Stretches {
    fn default() -> Self {
        Stretches { from_ns: 0, lost: 0, stretches: Arc::from([]) }
    }
}
