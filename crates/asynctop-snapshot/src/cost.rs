//! What a long poll costs other tasks.

use std::sync::Arc;

use crate::text::{plural, task_seconds};

/// What a long poll cost the others.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Cost {
    /// No other thread polled during this poll, and the poll had a CPU for 99 % of its time: all
    /// scheduling delay was caused by this poll. Otherwise these are the tasks that were scheduled
    /// during the poll; time without a CPU is deducted in proportion.
    pub exact: bool,
    /// How many tasks waited, 1 ms or more beyond what they usually do.
    pub tasks: usize,
    /// How long they waited beyond that, all together, in nanoseconds.
    pub total_ns: u64,
    /// Those that waited longest, longest first; at most 16.
    pub worst: Vec<Waited>,
}

/// One task that waited because of another one's poll.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Waited {
    /// Its key.
    pub task: u64,
    /// Its name.
    pub name: Arc<str>,
    /// How long it waited beyond what it usually does, in nanoseconds.
    pub nanos: u64,
}

impl Cost {
    /// Shorter delays are not counted.
    pub const LEAST_NS: u64 = 1_000_000;
    const WORST: usize = 16;

    /// Counts a task that waited so long.
    pub fn add(&mut self, task: u64, name: impl FnOnce() -> Arc<str>, nanos: u64) {
        if nanos < Self::LEAST_NS {
            return;
        }
        self.tasks += 1;
        self.total_ns += nanos;
        let at = self.worst.partition_point(|other| other.nanos >= nanos);
        if at < Self::WORST {
            self.worst.truncate(Self::WORST - 1);
            self.worst.insert(at, Waited { task, name: name(), nanos });
        }
    }

    /// `delayed 16 tasks by 3.20 task-seconds`, with `at most` where the delays may have other
    /// causes. `None` if no task was delayed.
    pub fn sentence(&self) -> Option<String> {
        let at_most = if self.exact { "" } else { "at most " };
        let (tasks, seconds) = (plural(self.tasks as u64, "task"), task_seconds(self.total_ns));
        (self.tasks > 0).then(|| format!("delayed {tasks} by {at_most}{seconds} task-seconds"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn the_worst_are_kept_and_all_are_counted() {
        let mut cost = Cost { exact: true, ..Cost::default() };
        for task in 0..100 {
            cost.add(task, || "t".into(), (task * 37 % 100) * MS);
        }
        assert_eq!((cost.tasks, cost.total_ns), (99, 4950 * MS));
        let kept: Vec<_> = cost.worst.iter().map(|waited| waited.nanos / MS).collect();
        assert_eq!(kept, (84..100).rev().collect::<Vec<_>>());
        assert_eq!(cost.sentence().as_deref(), Some("delayed 99 tasks by 4.95 task-seconds"));
        cost.exact = false;
        assert_eq!(
            cost.sentence().as_deref(),
            Some("delayed 99 tasks by at most 4.95 task-seconds")
        );
        assert_eq!(Cost::default().sentence(), None);
    }
}
