//! Removes the durations that contain a stop from distributions.
//!
//! A distribution consists of counts, not of single durations. A task is in one state during a stop,
//! so at most one of its durations contains the stop: a poll or a scheduling delay. That duration is
//! recorded when the state ends, and is at least as long as the stop. The longest duration is
//! removed, which is the wrong one if the task had a longer one.

use std::cmp::Reverse;

use crate::snapshot::{DistributionKey, Target, TaskStats};

/// A duration of one task that contains one or several stops.
#[derive(Clone, Copy, Debug)]
pub(super) struct StoppedDuration {
    pub kind: Kind,
    /// Start of the first stop.
    pub from_ns: u64,
    /// Length of the stops.
    pub stopped_ns: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Poll,
    Delay,
}

impl StoppedDuration {
    /// Whether the distributions contain the duration: it is recorded when its state ends.
    fn is_recorded(&self, task: &TaskStats) -> bool {
        task.since_ns > self.from_ns
    }

    /// Adds a stop to the durations of a task.
    pub(super) fn add(durations: &mut Vec<Self>, new: Self, task: &TaskStats) {
        match durations.last_mut() {
            Some(last) if last.kind == new.kind && !last.is_recorded(task) => {
                last.stopped_ns += new.stopped_ns;
            }
            _ => durations.push(new),
        }
    }

    /// Minimum length of the duration: the start of a stop is known only to about 20 ms.
    fn min_ns(&self) -> u64 {
        self.stopped_ns / 4 * 3
    }
}

/// Removes the durations from the distributions of the snapshot. `of_task` returns the durations of a
/// task; `ended` are the durations of tasks that are no longer in the snapshot. Stops are already
/// deducted from the values of the tasks.
pub(super) fn remove<'a>(
    now: &mut Target,
    of_task: impl Fn(u64) -> &'a [StoppedDuration],
    ended: &[StoppedDuration],
) {
    let Target { tasks, delays, distributions, .. } = now;
    let mut all: Vec<(Option<&TaskStats>, StoppedDuration)> =
        ended.iter().map(|duration| (None, *duration)).collect();
    for task in &*tasks {
        let recorded = of_task(task.key).iter().filter(|duration| duration.is_recorded(task));
        all.extend(recorded.map(|duration| (Some(task), *duration)));
    }
    all.sort_by_key(|(_, duration)| Reverse(duration.stopped_ns));
    for (task, duration) in all {
        if duration.kind == Kind::Delay {
            delays.remove_longest(duration.min_ns());
        }
        let Some(task) = task else { continue };
        for (_, found) in distributions.iter_mut().filter(|(subject, _)| is_of(subject, task)) {
            match duration.kind {
                Kind::Poll => found.poll_times.remove_longest(duration.min_ns()),
                Kind::Delay => found.delays.remove_longest(duration.min_ns()),
            }
        }
    }
    for (subject, found) in distributions {
        let longest = |of: fn(&TaskStats) -> u64| {
            tasks.iter().filter(|task| is_of(subject, task)).map(of).max().unwrap_or(0)
        };
        found.poll_times.set_max(longest(|task| task.max_poll_ns));
        found.delays.set_max(longest(|task| task.max_delay_ns));
    }
}

fn is_of(subject: &DistributionKey, task: &TaskStats) -> bool {
    match subject {
        DistributionKey::Task(key) => *key == task.key,
        DistributionKey::Group(name) => *name == task.meta.group,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{Model, testing},
        snapshot::{Distributions, Histogram, MachineStats, State, Stop},
    };

    const MS: u64 = 1_000_000;
    const STOP: Stop = Stop { from_ns: 1100 * MS, to_ns: 4100 * MS };

    /// The only task, in `state` since `since_ms`, with the longest of its `delays`.
    fn at(taken_ms: u64, state: State, since_ms: u64, delays_ms: &[u64]) -> Target {
        let mut task = testing::task(1, "t");
        (task.state, task.since_ns, task.lifetime_ns) =
            (state, since_ms * MS, (taken_ms + 5000) * MS);
        task.scheduled_ns = delays_ms.iter().sum::<u64>() * MS;
        if state == State::Scheduled {
            task.scheduled_ns += (taken_ms - since_ms) * MS;
        }
        task.idle_ns = task.lifetime_ns - task.scheduled_ns;
        task.max_delay_ns = delays_ms.iter().max().map_or(0, |longest| longest * MS);
        let mut delays = Histogram::default();
        delays_ms.iter().for_each(|delay| delays.record(delay * MS));
        let group = DistributionKey::Group(task.meta.group.clone());
        let mut now = testing::snapshot(taken_ms * MS, [task]);
        now.delays = delays.clone();
        for subject in [DistributionKey::Task(1), group] {
            let found = Distributions { delays: delays.clone(), ..Distributions::default() };
            now.distributions.push((subject, found));
        }
        let stops = [STOP].into_iter().filter(|stop| stop.to_ns <= now.taken_ns).collect();
        now.machine = Some(MachineStats { stops, ..MachineStats::default() });
        now
    }

    /// Number and maximum of the scheduling delays: of the task, of its group, and of all tasks.
    fn counts(now: &Target) -> [(u64, u64); 2] {
        let delays = now.distributions.iter().map(|(_, found)| &found.delays);
        let [task, group] = delays.collect::<Vec<_>>()[..] else { panic!("two subjects") };
        assert_eq!(task, group);
        [task, &now.delays].map(|delays| (delays.count(), delays.max() / MS))
    }

    #[test]
    fn delay_that_contains_a_stop_is_in_no_distribution() {
        let mut model = Model::default();
        model.advance(&at(1000, State::Scheduled, 990, &[5, 5]).into());
        model.advance(&at(4200, State::Idle, 4150, &[5, 5, 3160]).into());
        let [of_task, of_all] = counts(model.only().target());
        assert_eq!(of_task, (2, 160), "the longest without the stop: 3160 - 3000 ms");
        assert_eq!(of_all.0, 2);
        // The task is no longer listed, but its delay is in the total.
        let mut unlisted = at(5000, State::Idle, 4150, &[5, 5, 3160]);
        unlisted.tasks.clear();
        unlisted.distributions.clear();
        model.advance(&unlisted.into());
        assert_eq!(model.only().target().delays.count(), 2);
    }

    #[test]
    fn delay_is_not_removed_before_it_has_ended() {
        let mut model = Model::default();
        model.advance(&at(1000, State::Scheduled, 990, &[5, 2000]).into());
        model.advance(&at(4200, State::Scheduled, 990, &[5, 2000]).into());
        assert_eq!(counts(model.only().target()), [(2, 2000); 2]);
        model.advance(&at(5000, State::Idle, 4500, &[5, 2000, 3510]).into());
        let now = model.only().target();
        let [of_task, of_all] = counts(now);
        assert_eq!((of_task, of_all.0), ((2, 2000), 2));
        assert_eq!(now.tasks[0].max_delay_ns, 2000 * MS);
    }
}
