//! Await-point queries of the last tasks, and their answers.

use super::{AwaitPoint, Awaits};

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
        self.0.push(AwaitPoint { task, asked_ns: now, answer: Awaits::Asked });
    }

    /// What a task said.
    pub(super) fn answer(&mut self, task: u64, answer: Awaits) {
        if let Some(known) = self.0.iter_mut().find(|known| known.task == task) {
            known.answer = answer;
        }
    }

    /// Nobody will answer any more who has not yet.
    pub(super) fn give_up(&mut self, why: &str) {
        for known in self.0.iter_mut().filter(|known| known.answer == Awaits::Asked) {
            known.answer = Awaits::Unavailable(why.into());
        }
    }

    pub(super) fn get(&self, task: u64) -> Option<&AwaitPoint> {
        self.0.iter().find(|known| known.task == task)
    }

    /// Whether somebody is about to answer.
    pub(super) fn are_owed(&self, now: u64) -> bool {
        let recent = |known: &AwaitPoint| now.saturating_sub(known.asked_ns) < Self::PATIENCE_NS;
        self.0.iter().any(|known| known.answer == Awaits::Asked && recent(known))
    }
}
