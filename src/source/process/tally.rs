//! Adds up the busy, scheduled and idle time of a task, update by update.
//!
//! Between two updates, the time in polls is the share of samples in which the task was a thread's
//! current task. The rest is divided into scheduled and idle time in the ratio in which the sweeps
//! found these states. So the sums only grow, and their sum is the time that the task was observed.

use std::{sync::Arc, time::Duration};

use asynctop_inspect::{
    sampler::{Observations, SampledTask},
    tokio::task::StateKind,
};

use crate::{
    snapshot::{State, Stop, TaskMeta, TaskStats},
    source::nanos,
};

/// The sums of one task.
#[derive(Debug)]
pub(super) struct Tally {
    pub meta: Arc<TaskMeta>,
    /// The time up to which the sums are complete.
    at: Duration,
    first_seen: Duration,
    counts: Counts,
    busy_ns: u64,
    scheduled_ns: u64,
    idle_ns: u64,
    state: State,
    /// The time since which the task has certainly been in its state.
    since: Duration,
    /// Whether the task was idle and could never be woken.
    is_stuck: bool,
    /// Whether the samples of the threads found the task in a long poll.
    is_in_long_poll: bool,
    /// When the state was read.
    read: Duration,
}

/// The samples and sweeps in which a task was found, by its state.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// Samples of the threads in which it was polled.
    pub busy: Observations,
    /// Sweeps in which it was running, scheduled and idle.
    pub states: [Observations; 3],
}

impl From<&SampledTask> for Counts {
    fn from(task: &SampledTask) -> Self {
        Counts { busy: task.busy, states: [task.running, task.scheduled, task.idle] }
    }
}

/// Facts about the state of a task that a sweep does not read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StateFacts {
    /// The start of the long poll that the task is in.
    pub polling_since: Option<Duration>,
    /// The time since which all workers have been in long polls, so none could poll the task.
    pub all_blocked_since: Option<Duration>,
    /// Whether the task is idle and can never be woken.
    pub is_stuck: bool,
}

impl Tally {
    pub(super) fn new(first_seen: Duration, meta: Arc<TaskMeta>) -> Tally {
        Tally {
            meta,
            at: first_seen,
            first_seen,
            counts: Counts::default(),
            busy_ns: 0,
            scheduled_ns: 0,
            idle_ns: 0,
            state: State::Created,
            since: first_seen,
            is_stuck: false,
            is_in_long_poll: false,
            read: first_seen,
        }
    }

    /// Adds the time up to `taken` in which the program was not stopped. `has_samples` is whether polls
    /// are sampled; otherwise, or if there was no sample since the latest update, only the sweeps find
    /// them.
    pub(super) fn add(
        &mut self,
        counts: Counts,
        taken: Duration,
        stops: &[Stop],
        has_samples: bool,
    ) {
        let span = nanos(taken.saturating_sub(self.at));
        let span = span.saturating_sub(Stop::overlap_ns(stops, nanos(self.at), nanos(taken)));
        let before = std::mem::replace(&mut self.counts, counts);
        let polls = counts.busy.since(&before.busy);
        let hits = |state: usize| counts.states[state].since(&before.states[state]).hits;
        let [running, scheduled, idle] = [0, 1, 2].map(hits);
        let (hits, samples) = match has_samples && polls.samples > 0 {
            true => (polls.hits, polls.samples),
            false => (running, running + scheduled + idle),
        };
        let busy = part(span, hits, samples);
        let rest = span - busy;
        let scheduled = match scheduled + idle {
            // Without a sweep, the task is assumed to have stayed in its state.
            0 if self.state == State::Scheduled => rest,
            0 => 0,
            swept => part(rest, scheduled, swept),
        };
        self.busy_ns += busy;
        self.scheduled_ns += scheduled;
        self.idle_ns += rest - scheduled;
        self.at = self.at.max(taken);
    }

    /// Sets the state of the task, as it was read at `read`.
    pub(super) fn set_state(&mut self, kind: StateKind, read: Duration, facts: StateFacts) {
        let read = read.max(self.first_seen);
        self.is_in_long_poll = facts.polling_since.is_some();
        let state = match facts.polling_since {
            Some(_) => State::Polling,
            None => state(kind),
        };
        // Between two sweeps a task may have been polled, unless no worker could poll it.
        let was_stuck = std::mem::replace(&mut self.is_stuck, facts.is_stuck);
        let is_certain = match state {
            State::Scheduled => facts.all_blocked_since.is_some_and(|since| since <= self.read),
            State::Idle => was_stuck,
            _ => false,
        };
        if let Some(since) = facts.polling_since {
            self.since = since;
        } else if state != self.state || !is_certain {
            self.since = read;
        }
        (self.state, self.read) = (state, read);
    }

    /// The task at `now`, with this number of wakers.
    pub(super) fn stats(&self, key: u64, wakers: u64, now: Duration, stops: &[Stop]) -> TaskStats {
        let known = if self.is_in_long_poll { now } else { self.read };
        TaskStats {
            key,
            meta: Arc::clone(&self.meta),
            state: self.state,
            since_ns: nanos(self.since),
            known_ns: nanos(known.max(self.since)),
            stopped_ns: Stop::overlap_ns(stops, nanos(self.since), nanos(now)),
            lifetime_ns: self.busy_ns + self.scheduled_ns + self.idle_ns,
            busy_ns: self.busy_ns,
            scheduled_ns: self.scheduled_ns,
            idle_ns: self.idle_ns,
            polls: 0,
            wakes: 0,
            self_wakes: 0,
            max_poll_ns: 0,
            max_delay_ns: 0,
            // A queue or a running poll holds a reference to its task, too, which cannot be
            // distinguished from a waker.
            live_wakers: (self.state == State::Idle)
                .then(|| u32::try_from(wakers).unwrap_or(u32::MAX)),
            stage: None,
        }
    }
}

fn state(kind: StateKind) -> State {
    match kind {
        StateKind::Running => State::Polling,
        StateKind::Scheduled => State::Scheduled,
        StateKind::Idle => State::Idle,
        StateKind::Complete => State::Ended,
    }
}

/// `of · hits / samples`, at most `of`; 0 without samples.
fn part(of: u64, hits: u64, samples: u64) -> u64 {
    if samples == 0 {
        return 0;
    }
    ((of as f64 * hits as f64 / samples as f64) as u64).min(of)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn counts(samples: u64, busy: u64, [running, scheduled, idle]: [u64; 3]) -> Counts {
        let sweeps = running + scheduled + idle;
        let of = |samples, hits| Observations { samples, hits, runs: hits };
        let states = [of(sweeps, running), of(sweeps, scheduled), of(sweeps, idle)];
        Counts { busy: of(samples, busy), states }
    }

    fn sums(tally: &Tally) -> [u64; 4] {
        let stats = tally.stats(1, 0, tally.at, &[]);
        [stats.lifetime_ns, stats.busy_ns, stats.scheduled_ns, stats.idle_ns].map(|ns| ns / MS)
    }

    #[test]
    fn times_follow_the_samples_and_sweeps_of_the_task() {
        let mut tally = Tally::new(ms(500), Arc::default());
        tally.add(counts(100, 20, [2, 2, 6]), ms(1500), &[], true);
        // A fifth in polls; of the rest, a quarter scheduled.
        assert_eq!(sums(&tally), [1000, 200, 200, 600]);
        tally.add(counts(200, 120, [12, 2, 6]), ms(2500), &[], true);
        assert_eq!(sums(&tally), [2000, 1200, 200, 600]);
        tally.add(counts(200, 120, [12, 2, 6]), ms(2500), &[], true);
        assert_eq!(sums(&tally), [2000, 1200, 200, 600], "no time has passed");
    }

    #[test]
    fn times_exclude_stops_also_one_that_lasts() {
        let mut tally = Tally::new(ms(0), Arc::default());
        let stop = |from, to| Stop { from_ns: from * MS, to_ns: to * MS };
        tally.add(counts(100, 50, [5, 0, 5]), ms(1000), &[stop(800, 1000)], true);
        assert_eq!(sums(&tally), [800, 400, 0, 400]);
        tally.add(counts(100, 50, [5, 0, 5]), ms(9000), &[stop(800, 9000)], true);
        assert_eq!(sums(&tally), [800, 400, 0, 400]);
        tally.add(counts(200, 100, [10, 0, 10]), ms(10_000), &[stop(800, 9200)], true);
        assert_eq!(sums(&tally), [1600, 800, 0, 800]);
    }

    #[test]
    fn busy_time_follows_the_sweeps_without_samples_of_the_threads() {
        let mut tally = Tally::new(ms(0), Arc::default());
        tally.add(counts(0, 0, [5, 1, 4]), ms(1000), &[], false);
        assert_eq!(sums(&tally), [1000, 500, 100, 400]);
        // The place of the current task was found again, and no sample was taken since.
        tally.add(counts(0, 0, [10, 2, 8]), ms(2000), &[], true);
        assert_eq!(sums(&tally), [2000, 1000, 200, 800]);
    }

    #[test]
    fn task_without_a_sweep_stays_in_its_state() {
        let mut tally = Tally::new(ms(0), Arc::default());
        tally.set_state(StateKind::Scheduled, ms(0), StateFacts::default());
        tally.add(counts(10, 0, [0; 3]), ms(100), &[], true);
        assert_eq!(sums(&tally), [100, 0, 100, 0]);
    }

    /// The time that the task has certainly been in its state.
    fn state_ms(tally: &Tally, now: Duration) -> u64 {
        tally.stats(1, 0, now, &[]).time_in_state_ns(nanos(now)) / MS
    }

    #[test]
    fn state_time_excludes_stops() {
        let mut tally = Tally::new(ms(0), Arc::default());
        let polling = StateFacts { polling_since: Some(ms(100)), ..StateFacts::default() };
        tally.set_state(StateKind::Running, ms(900), polling);
        let stops = [Stop { from_ns: 300 * MS, to_ns: 800 * MS }];
        let stats = tally.stats(1, 0, ms(1000), &stops);
        assert_eq!(stats.time_in_state_ns(1000 * MS), 400 * MS);
    }

    #[test]
    fn state_time_counts_only_while_it_is_certain() {
        let mut tally = Tally::new(ms(0), Arc::default());
        let blocked = StateFacts { all_blocked_since: Some(ms(150)), ..StateFacts::default() };
        for (kind, at, facts, lasted) in [
            // It may have been polled in between, or have begun another poll.
            (StateKind::Running, 50, StateFacts::default(), 0),
            (StateKind::Running, 80, StateFacts::default(), 0),
            (StateKind::Scheduled, 100, StateFacts::default(), 0),
            (StateKind::Scheduled, 200, StateFacts::default(), 0),
            // The workers have been in long polls since before the last sweep.
            (StateKind::Scheduled, 300, blocked, 100),
            (StateKind::Scheduled, 400, blocked, 200),
            (StateKind::Idle, 500, blocked, 0),
            (StateKind::Idle, 600, blocked, 0),
            (StateKind::Idle, 700, StateFacts { is_stuck: true, ..blocked }, 0),
            (StateKind::Idle, 800, StateFacts { is_stuck: true, ..blocked }, 100),
        ] {
            tally.set_state(kind, ms(at), facts);
            assert_eq!(state_ms(&tally, ms(at + 20)), lasted, "{kind} at {at}");
        }
        let polling = StateFacts { polling_since: Some(ms(650)), ..StateFacts::default() };
        tally.set_state(StateKind::Idle, ms(800), polling);
        assert_eq!(state_ms(&tally, ms(1000)), 350, "a sweep is older than the samples");
    }
}
