//! The tasks that long polls delay: those that the sweeps find scheduled while all workers of their
//! runtime are in long polls, so that none can be polled.
//!
//! Two sweeps are compared when the next one begins: by then, the samples of the threads have shown
//! which polls lasted through both.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::{
    sampler::{
        hits::Hits,
        lock,
        survey_loop::Survey,
        types::{DelayedTask, Delays},
    },
    tokio::task::StateKind,
};

/// Maximum number of tasks listed for each long poll.
const MAX_LISTED: usize = 16;

/// The times of a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SweepTimes {
    pub began: Duration,
    pub ended: Duration,
}

/// A time in which all workers of a runtime were in the same polls.
struct BlockedSpan {
    /// Numbers of the long polls, in the order of the workers' threads.
    polls: Vec<u64>,
    /// The end of the first sweep in it.
    since: Duration,
    /// The delays that each of the polls had caused before.
    before: Vec<Delays>,
}

/// Adds the delays of tasks to the records of the long polls.
#[derive(Default)]
pub(super) struct DelayTracker {
    /// The latest two sweeps.
    sweeps: Option<[SweepTimes; 2]>,
    /// By handle of the runtime.
    spans: HashMap<u64, BlockedSpan>,
}

impl DelayTracker {
    /// Adds a sweep after its end.
    pub(super) fn add_sweep(&mut self, sweep: SweepTimes) {
        let previous = self.sweeps.map_or(sweep, |[_, latest]| latest);
        self.sweeps = Some([previous, sweep]);
    }

    /// Updates the delays up to the latest sweep, whose states `survey` has.
    pub(super) fn update(&mut self, survey: &Survey, hits: &Mutex<Hits>) {
        let Some([first, latest]) = self.sweeps.filter(|[first, latest]| first != latest) else {
            return;
        };
        self.spans.retain(|handle, _| survey.runtimes.iter().any(|it| it.handle == *handle));
        for (index, runtime) in survey.runtimes.iter().enumerate() {
            let mut locked = lock(hits);
            let Some(polls) = blocking_polls(survey, index, &locked, first, latest) else {
                continue;
            };
            let known = self.spans.remove(&runtime.handle).filter(|span| span.polls == polls);
            let span = known.unwrap_or_else(|| {
                let mut before = |number| locked.long_poll(number)?.delays.clone();
                let before = polls.iter().map(|it| before(*it).unwrap_or_default()).collect();
                BlockedSpan { polls, since: first.ended, before }
            });
            // Unlocked, so that the sample loop does not wait while all tasks are compared.
            drop(locked);
            let delays = delays(survey, index, span.since, latest);
            let mut locked = lock(hits);
            for (number, before) in span.polls.iter().zip(&span.before) {
                if let Some(poll) = locked.long_poll(*number) {
                    poll.delays = Some(before.plus(&delays));
                }
            }
            self.spans.insert(runtime.handle, span);
        }
    }
}

/// The long polls that the workers of the runtime at `index` were in from the first sweep to the
/// second; `None` unless each worker was in one.
fn blocking_polls(
    survey: &Survey,
    index: usize,
    hits: &Hits,
    first: SweepTimes,
    second: SweepTimes,
) -> Option<Vec<u64>> {
    let workers = survey.runtimes[index].workers.len();
    let threads = survey.threads.iter();
    let threads = threads.filter(|it| it.runtime == Some(index) && it.worker.is_some());
    let lasts = |began: Duration, length| began <= first.began && began + length >= second.ended;
    let poll_on = |tid| {
        let mut polls = hits.long_polls.iter().rev();
        polls.find(|it| it.tid == tid && it.is_certain() && lasts(it.began, it.at_least))
    };
    let polls: Option<Vec<u64>> = threads.map(|it| Some(poll_on(it.tid)?.number)).collect();
    polls.filter(|polls| workers > 0 && polls.len() == workers)
}

/// The delays of the tasks that were scheduled in each sweep from `since` to `latest`.
fn delays(survey: &Survey, index: usize, since: Duration, latest: SweepTimes) -> Delays {
    let mut delays = Delays::default();
    for entry in survey.entries.iter().filter(|entry| entry.task.runtime == Some(index)) {
        let states = &entry.states;
        let is_seen = states.read >= latest.began && states.latest == Some(StateKind::Scheduled);
        let delay = latest.began.saturating_sub(since.max(states.since));
        if is_seen && !delay.is_zero() {
            delays.tasks += 1;
            delays.total += delay;
            let task =
                || DelayedTask { task: Arc::clone(&entry.task), copy: entry.key.module, delay };
            delays.list(delay, task);
        }
    }
    delays
}

impl Delays {
    /// Adds a task to the longest delays, if it is one of them.
    fn list(&mut self, delay: Duration, task: impl FnOnce() -> DelayedTask) {
        let at = self.longest.partition_point(|other| other.delay >= delay);
        if at < MAX_LISTED {
            self.longest.truncate(MAX_LISTED - 1);
            self.longest.insert(at, task());
        }
    }

    /// The delays of the same poll in two separate times. A task may be in both, so the number of
    /// tasks is the larger one.
    fn plus(&self, later: &Delays) -> Delays {
        let mut all = Delays {
            tasks: self.tasks.max(later.tasks),
            total: self.total + later.total,
            longest: later.longest.clone(),
        };
        for earlier in &self.longest {
            let key = |it: &DelayedTask| (it.copy, it.task.id);
            let mut task = earlier.clone();
            if let Some(at) = all.longest.iter().position(|it| key(it) == key(earlier)) {
                task.delay += all.longest.remove(at).delay;
            }
            all.list(task.delay, || task);
        }
        all
    }
}
