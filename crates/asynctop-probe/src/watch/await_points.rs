//! The latest await-point queries and their answers.

use super::{AwaitPoint, AwaitState};

/// The latest queries, oldest first.
#[derive(Debug, Default)]
pub(super) struct AwaitPoints(Vec<AwaitPoint>);

impl AwaitPoints {
    const MAX_QUERIES: usize = 64;
    /// Time for which the watchdog samples more often to deliver the answer early.
    const RECENT_NS: u64 = 1_000_000_000;

    pub(super) fn request(&mut self, task: u64, now: u64) {
        self.0.retain(|query| query.task != task);
        if self.0.len() >= Self::MAX_QUERIES {
            self.0.remove(0);
        }
        self.0.push(AwaitPoint { task, requested_ns: now, state: AwaitState::Requested });
    }

    pub(super) fn answer(&mut self, task: u64, answer: AwaitState) {
        if let Some(query) = self.0.iter_mut().find(|query| query.task == task) {
            query.state = answer;
        }
    }

    /// Answers all pending queries with this reason.
    pub(super) fn fail_pending(&mut self, why: &str) {
        for query in self.0.iter_mut().filter(|query| query.state == AwaitState::Requested) {
            query.state = AwaitState::Unavailable(why.into());
        }
    }

    pub(super) fn get(&self, task: u64) -> Option<&AwaitPoint> {
        self.0.iter().find(|query| query.task == task)
    }

    pub(super) fn has_recent_request(&self, now: u64) -> bool {
        let is_recent =
            |query: &AwaitPoint| now.saturating_sub(query.requested_ns) < Self::RECENT_NS;
        self.0.iter().any(|query| query.state == AwaitState::Requested && is_recent(query))
    }
}
