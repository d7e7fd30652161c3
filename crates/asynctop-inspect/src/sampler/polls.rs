//! The poll that each thread is in, from consecutive samples of its current task.
//!
//! The same task in two samples is one poll, or two polls of the same task. The worker's own busy time
//! and its count of ticks are written only between polls, and a thread that has not run since the
//! previous sample cannot have begun another poll.

use std::{collections::HashMap, time::Duration};

use super::types::{PollTimes, ThreadTimes};

/// Identifies a task: the module with its copy of Tokio, and its id there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TaskKey {
    pub module: usize,
    pub id: u64,
}

/// One sample of one thread.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Observation {
    pub task: Option<TaskKey>,
    /// The worker's busy time, if it is known.
    pub busy_ns: Option<u64>,
    /// CPU time and run-queue delay of the thread, if they were read.
    pub times: Option<ThreadTimes>,
    /// Whether the thread is in the poll of the previous sample, according to its worker's count of
    /// ticks; `None` if that is not known.
    pub is_same_poll: Option<bool>,
}

/// A poll that spans at least one sample.
#[derive(Clone, Debug)]
pub(super) struct Poll {
    pub task: TaskKey,
    /// Latest sample before the poll.
    before: Option<Duration>,
    /// First and latest sample in the poll.
    pub first: Duration,
    pub latest: Duration,
    busy_ns: Option<u64>,
    /// The first and the latest reading, with their times.
    times: Option<[(Duration, ThreadTimes); 2]>,
    /// The first of the latest consecutive samples between which the thread has not run.
    without_cpu_since: Duration,
    /// Length of the longest part of the poll in which the thread has not run.
    without_cpu: Duration,
    /// The first of the latest consecutive samples within one tick of the worker.
    tick_since: Duration,
    /// Number of its record, if it is a long poll.
    pub record: Option<u64>,
    /// Whether a sweep was requested, because the poll may become long.
    pub has_requested_sweep: bool,
}

impl Poll {
    /// Lower bound of its length.
    pub(super) fn at_least(&self) -> Duration {
        self.latest - self.first
    }

    /// Upper bound of its length, if it has ended before the sample at `after`.
    pub(super) fn at_most(&self, after: Duration) -> Option<Duration> {
        Some(after - self.before?)
    }

    /// CPU time and run-queue delay between the first reading and the latest.
    pub(super) fn times(&self) -> Option<PollTimes> {
        let [(from, first), (to, latest)] = self.times?;
        let times = ThreadTimes {
            cpu: latest.cpu.saturating_sub(first.cpu),
            run_delay: latest.run_delay.saturating_sub(first.run_delay),
        };
        Some(PollTimes { covered: to - from, times })
    }

    /// Length of a part that is certainly a single poll: the thread has not run, or its worker was in
    /// one tick.
    pub(super) fn proven(&self) -> Duration {
        self.without_cpu.max(self.latest - self.tick_since)
    }

    /// Whether the worker's busy time was known, so that most other polls would have been noticed.
    pub(super) fn is_counted(&self) -> bool {
        self.busy_ns.is_some()
    }

    /// Whether an observation may be of the same poll.
    fn continues(&self, observation: &Observation) -> bool {
        let is_other = observation.is_same_poll == Some(false);
        observation.task == Some(self.task) && observation.busy_ns == self.busy_ns && !is_other
    }
}

/// The polls that all threads are in.
#[derive(Default)]
pub(super) struct Polls {
    by_thread: HashMap<u32, Poll>,
    /// Latest sample of each thread.
    sampled: HashMap<u32, Duration>,
}

impl Polls {
    /// Adds a sample of the thread `tid`, taken at `now`. Returns the thread's previous poll if it has
    /// ended.
    pub(super) fn observe(
        &mut self,
        tid: u32,
        now: Duration,
        observation: Observation,
    ) -> Option<Poll> {
        let before = self.sampled.insert(tid, now);
        if let Some(poll) = self.by_thread.get_mut(&tid)
            && poll.continues(&observation)
        {
            poll.latest = now;
            if observation.is_same_poll.is_none() {
                poll.tick_since = now;
            }
            let cpu = poll.times.map(|[_, (_, latest)]| latest.cpu);
            if observation.times.is_none_or(|times| Some(times.cpu) != cpu) {
                poll.without_cpu_since = now;
            }
            if let Some(latest) = observation.times.map(|times| (now, times)) {
                poll.times = Some([poll.times.map_or(latest, |[first, _]| first), latest]);
            }
            poll.without_cpu = poll.without_cpu.max(now - poll.without_cpu_since);
            return None;
        }
        let ended = self.by_thread.remove(&tid);
        if let Some(task) = observation.task {
            let poll = Poll {
                task,
                before,
                first: now,
                latest: now,
                busy_ns: observation.busy_ns,
                times: observation.times.map(|times| [(now, times); 2]),
                without_cpu_since: now,
                without_cpu: Duration::ZERO,
                tick_since: now,
                record: None,
                has_requested_sweep: false,
            };
            self.by_thread.insert(tid, poll);
        }
        ended
    }

    /// Whether a thread may be in a poll of at least this length.
    pub(super) fn has_poll_of(&self, length: Duration) -> bool {
        self.by_thread.values().any(|poll| poll.at_least() >= length)
    }

    /// The poll that a thread was in at its latest sample.
    pub(super) fn get_mut(&mut self, tid: u32) -> Option<&mut Poll> {
        self.by_thread.get_mut(&tid)
    }

    /// Removes threads that are no longer sampled. Returns their polls.
    pub(super) fn retain(&mut self, is_sampled: impl Fn(u32) -> bool) -> Vec<Poll> {
        self.sampled.retain(|&tid, _| is_sampled(tid));
        let ended = self.by_thread.extract_if(|&tid, _| !is_sampled(tid));
        ended.map(|(_, poll)| poll).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: TaskKey = TaskKey { module: 0, id: 7 };
    const OTHER: TaskKey = TaskKey { module: 0, id: 8 };

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn task(key: TaskKey, busy_ns: u64, cpu_ns: u64) -> Observation {
        let cpu = Duration::from_nanos(cpu_ns);
        let times = ThreadTimes { cpu, run_delay: cpu / 2 };
        let (task, busy_ns, times) = (Some(key), Some(busy_ns), Some(times));
        Observation { task, busy_ns, times, is_same_poll: None }
    }

    #[test]
    fn length_has_a_lower_and_an_upper_bound() {
        let mut polls = Polls::default();
        assert!(polls.observe(1, ms(0), Observation::default()).is_none());
        for at in [10, 20, 30] {
            assert!(polls.observe(1, ms(at), task(TASK, 5, at)).is_none());
        }
        let poll = polls.get_mut(1).expect("it is in a poll");
        assert_eq!((poll.at_least(), poll.without_cpu), (ms(20), ms(0)));
        let ended = polls.observe(1, ms(40), task(OTHER, 5, 40)).expect("another task");
        assert_eq!((ended.at_least(), ended.at_most(ms(40))), (ms(20), Some(ms(40))));
        assert_eq!(polls.get_mut(1).expect("the other task").task, OTHER);
    }

    #[test]
    fn changed_busy_time_separates_polls_of_one_task() {
        let mut polls = Polls::default();
        polls.observe(1, ms(0), task(TASK, 5, 0));
        assert!(polls.observe(1, ms(10), task(TASK, 5, 10)).is_none());
        let ended = polls.observe(1, ms(20), task(TASK, 6, 20)).expect("it had ended");
        assert!(ended.is_counted());
        assert_eq!((ended.at_least(), ended.at_most(ms(20))), (ms(10), None));
        assert_eq!(polls.get_mut(1).expect("the next one").first, ms(20));
    }

    #[test]
    fn longest_time_without_cpu_is_kept() {
        let mut polls = Polls::default();
        let unread = Observation { times: None, ..task(TASK, 5, 0) };
        polls.observe(1, ms(0), unread);
        polls.observe(1, ms(10), task(TASK, 5, 900));
        for at in [20, 30, 40] {
            polls.observe(1, ms(at), task(TASK, 5, 900));
        }
        assert_eq!(polls.get_mut(1).expect("in a poll").without_cpu, ms(30));
        polls.observe(1, ms(50), task(TASK, 5, 901));
        polls.observe(1, ms(60), task(TASK, 5, 901));
        let poll = polls.get_mut(1).expect("in a poll");
        assert_eq!(poll.without_cpu, ms(30), "the longest part");
        let times = poll.times().expect("they were read");
        assert_eq!((times.covered, times.times.cpu.as_nanos()), (ms(50), 1));
    }

    #[test]
    fn polls_end_when_their_threads_are_no_longer_sampled() {
        let mut polls = Polls::default();
        polls.observe(1, ms(0), task(TASK, 5, 0));
        polls.observe(2, ms(0), task(OTHER, 5, 0));
        let gone = polls.retain(|tid| tid == 1);
        assert_eq!(gone.iter().map(|poll| poll.task).collect::<Vec<_>>(), [OTHER]);
        assert!(polls.get_mut(1).is_some() && polls.get_mut(2).is_none());
    }
}
