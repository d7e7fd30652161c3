//! Await-point queries of the last tasks, and their answers.

use super::{AwaitPoint, AwaitState};

/// The tasks that were asked lately, latest last.
#[derive(Debug, Default)]
pub(super) struct AwaitPoints(Vec<AwaitPoint>);

impl AwaitPoints {
    const KEPT: usize = 64;
    /// Who was asked so long ago is looked for no more often than any other.
    const PATIENCE_NS: u64 = 1_000_000_000;

    /// A task is being asked.
    pub(super) fn ask(&mut self, task: u64, now: u64) {
        self.0.retain(|known| known.task != task);
        if self.0.len() >= Self::KEPT {
            self.0.remove(0);
        }
        self.0.push(AwaitPoint { task, requested_ns: now, state: AwaitState::Requested });
    }

    /// What a task said.
    pub(super) fn answer(&mut self, task: u64, answer: AwaitState) {
        if let Some(known) = self.0.iter_mut().find(|known| known.task == task) {
            known.state = answer;
        }
    }

    /// Nobody will answer any more who has not yet.
    pub(super) fn give_up(&mut self, why: &str) {
        for known in self.0.iter_mut().filter(|known| known.state == AwaitState::Requested) {
            known.state = AwaitState::Unavailable(why.into());
        }
    }

    pub(super) fn get(&self, task: u64) -> Option<&AwaitPoint> {
        self.0.iter().find(|known| known.task == task)
    }

    /// Whether somebody is about to answer.
    pub(super) fn are_owed(&self, now: u64) -> bool {
        let recent =
            |known: &AwaitPoint| now.saturating_sub(known.requested_ns) < Self::PATIENCE_NS;
        self.0.iter().any(|known| known.state == AwaitState::Requested && recent(known))
    }
}
