//! The results of the sample loop: the hits of each task and thread, and the long polls.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use crate::sampler::{
    polls::{Poll, TaskKey},
    share::Observations,
    stops::ProcessStop,
    types::{Lateness, LongPoll},
};

/// Long polls that have ended are kept for this long, and no more than this number.
const RETENTION: Duration = Duration::from_secs(60);
const MAX_LONG_POLLS: usize = 1000;
/// Number of comparisons at which their weight is halved.
const MAX_COMPARISONS: u64 = 1000;

/// Hits of one task.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TaskHits {
    pub hits: u64,
    pub runs: u64,
    /// The total number of samples up to the latest hit.
    latest: u64,
}

/// The results of the sample loop.
#[derive(Default)]
pub(super) struct Hits {
    pub samples: u64,
    pub taken: Duration,
    /// Hits of listed tasks.
    pub by_task: HashMap<TaskKey, TaskHits>,
    /// Hits of other tasks.
    pub unlisted: u64,
    /// Hits of listed tasks by thread.
    pub by_thread: HashMap<u32, u64>,
    /// Busy time of each worker's thread in nanoseconds, as of the latest sample.
    pub busy_ns: HashMap<u32, u64>,
    pub lateness: Lateness,
    /// Latest comparisons that found a thread's current task running.
    pub agreed: u64,
    /// Latest comparisons that did not.
    pub contradicted: u64,
    pub long_polls: VecDeque<LongPoll>,
    pub stops: Vec<ProcessStop>,
    pub cpu: Duration,
}

impl Hits {
    pub(super) fn add(&mut self, key: TaskKey) {
        let task = self.by_task.entry(key).or_default();
        // The current sample has been counted.
        task.runs += u64::from(task.latest + 1 != self.samples || task.hits == 0);
        task.hits += 1;
        task.latest = self.samples;
    }

    /// The observations of a task that was listed after `listed_at` samples.
    pub(super) fn observations(&self, key: TaskKey, listed_at: u64) -> Observations {
        let TaskHits { hits, runs, .. } = self.by_task.get(&key).copied().unwrap_or_default();
        Observations { samples: self.samples - listed_at, hits, runs }
    }

    /// Adds comparisons of current tasks with their own states. Older ones lose their weight: a wrong
    /// word is noticed after a day as fast as at the beginning.
    pub(super) fn add_comparisons(&mut self, [agreed, contradicted]: [u64; 2]) {
        self.agreed += agreed;
        self.contradicted += contradicted;
        while self.agreed + self.contradicted > MAX_COMPARISONS {
            self.agreed /= 2;
            self.contradicted /= 2;
        }
    }

    /// Whether current tasks are running according to their own state, or complete while their output
    /// is dropped. One in 100 comparisons may fail, because it reads at two moments.
    pub(super) fn is_trusted(&self) -> bool {
        self.contradicted <= 2 + self.agreed / 100
    }

    pub(super) fn long_poll(&mut self, number: u64) -> Option<&mut LongPoll> {
        self.long_polls.iter_mut().find(|poll| poll.number == number)
    }

    /// Completes the record of a poll that has ended.
    pub(super) fn end_poll(&mut self, poll: &Poll, now: Duration) {
        if let Some(record) = poll.record.and_then(|number| self.long_poll(number)) {
            record.is_running = false;
            (record.at_least, record.times) = (poll.at_least(), poll.times());
            record.at_most = poll.at_most(now);
            record.updated = now;
        }
    }

    /// Removes the long polls that have ended long ago, and the oldest ones if there are too many.
    pub(super) fn forget_long_polls(&mut self, now: Duration) {
        self.long_polls.retain(|poll| poll.is_running || now - poll.updated <= RETENTION);
        let surplus = self.long_polls.len().saturating_sub(MAX_LONG_POLLS);
        self.long_polls.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hits_in_consecutive_samples_are_one_run() {
        let key = TaskKey { module: 0, id: 7 };
        let mut hits = Hits::default();
        for is_busy in [false, true, true, false, true, false, false, true, true] {
            hits.samples += 1;
            if is_busy {
                hits.add(key);
            }
        }
        let listed = hits.observations(key, 1);
        assert_eq!(listed, Observations { samples: 8, hits: 5, runs: 3 });
        let other = hits.observations(TaskKey { module: 0, id: 8 }, 1);
        assert_eq!(other, Observations { samples: 8, hits: 0, runs: 0 });
    }

    #[test]
    fn samples_that_contradict_task_states_are_not_trusted() {
        let hits = |agreed, contradicted| Hits { agreed, contradicted, ..Hits::default() };
        assert!(hits(0, 0).is_trusted() && hits(10_000, 50).is_trusted());
        assert!(!hits(10, 10).is_trusted() && !hits(0, 3).is_trusted());
    }

    #[test]
    fn earlier_comparisons_neither_hide_nor_outweigh_later_ones() {
        let mut hits = Hits::default();
        for _ in 0..100_000 {
            hits.add_comparisons([1, 0]);
        }
        assert!(hits.is_trusted());
        (0..20).for_each(|_| hits.add_comparisons([0, 1]));
        assert!(!hits.is_trusted(), "20 wrong samples");
        (0..100_000).for_each(|_| hits.add_comparisons([0, 1]));
        assert!(!hits.is_trusted());
        (0..10_000).for_each(|_| hits.add_comparisons([1, 0]));
        assert!(hits.is_trusted(), "it was corrected long ago");
    }
}
