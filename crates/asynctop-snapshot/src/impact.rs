//! The scheduling delay that a long poll causes to other tasks.

use std::sync::Arc;

use crate::text::{plural, task_seconds};

/// The impact of a long poll: the scheduling delay that it caused to other tasks.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PollImpact {
    /// How accurate the delays are.
    pub accuracy: ImpactAccuracy,
    /// The number of tasks that were delayed by at least [`PollImpact::MIN_DELAY_NS`] more than
    /// usual.
    pub tasks: usize,
    /// The sum of these delays, beyond the usual ones, in nanoseconds.
    pub total_ns: u64,
    /// The tasks with the longest delays, longest first; at most 16.
    pub most_delayed: Vec<DelayedTask>,
}

/// How accurate an impact is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum ImpactAccuracy {
    /// The poll caused all of the delay: no other thread polled during it, and it had a CPU for 99 %
    /// of its time.
    #[default]
    Exact,
    /// From the tasks that were scheduled during the poll, while other workers polled; time without a
    /// CPU is deducted in proportion.
    UpperBound,
    /// From samples of the tasks' states while all workers were in long polls.
    LowerBound,
}

impl ImpactAccuracy {
    /// The word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            ImpactAccuracy::Exact => "exact",
            ImpactAccuracy::UpperBound => "upper bound",
            ImpactAccuracy::LowerBound => "lower bound",
        }
    }

    /// The words before a number, with a space.
    pub fn qualifier(self) -> &'static str {
        match self {
            ImpactAccuracy::Exact => "",
            ImpactAccuracy::UpperBound => "at most ",
            ImpactAccuracy::LowerBound => "at least ",
        }
    }
}

/// A task that was delayed by the poll of another one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DelayedTask {
    /// The key of the task.
    pub task: u64,
    /// The name of the task.
    pub name: Arc<str>,
    /// Its scheduling delay beyond the usual one, in nanoseconds.
    pub delay_ns: u64,
}

impl PollImpact {
    /// Shorter delays are not counted.
    pub const MIN_DELAY_NS: u64 = 1_000_000;
    const MAX_LISTED: usize = 16;

    /// Counts a task that was delayed by `delay_ns`.
    pub fn add(&mut self, task: u64, name: impl FnOnce() -> Arc<str>, delay_ns: u64) {
        if delay_ns < Self::MIN_DELAY_NS {
            return;
        }
        self.tasks += 1;
        self.total_ns += delay_ns;
        let at = self.most_delayed.partition_point(|other| other.delay_ns >= delay_ns);
        if at < Self::MAX_LISTED {
            self.most_delayed.truncate(Self::MAX_LISTED - 1);
            self.most_delayed.insert(at, DelayedTask { task, name: name(), delay_ns });
        }
    }

    /// `delayed 16 tasks by 3.20 task-seconds`, with `at most` or `at least` unless that is exact.
    /// `None` if no task was delayed.
    pub fn sentence(&self) -> Option<String> {
        let qualifier = self.accuracy.qualifier();
        let (tasks, seconds) = (plural(self.tasks as u64, "task"), task_seconds(self.total_ns));
        (self.tasks > 0).then(|| format!("delayed {tasks} by {qualifier}{seconds} task-seconds"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn impact_counts_all_tasks_and_lists_the_most_delayed() {
        let mut impact = PollImpact::default();
        for task in 0..100 {
            impact.add(task, || "t".into(), (task * 37 % 100) * MS);
        }
        assert_eq!((impact.tasks, impact.total_ns), (99, 4950 * MS));
        let listed: Vec<_> = impact.most_delayed.iter().map(|task| task.delay_ns / MS).collect();
        assert_eq!(listed, (84..100).rev().collect::<Vec<_>>());
        assert_eq!(impact.sentence().as_deref(), Some("delayed 99 tasks by 4.95 task-seconds"));
        impact.accuracy = ImpactAccuracy::UpperBound;
        assert_eq!(
            impact.sentence().as_deref(),
            Some("delayed 99 tasks by at most 4.95 task-seconds")
        );
        assert_eq!(PollImpact::default().sentence(), None);
    }
}
