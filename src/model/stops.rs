//! Deducts the time in which the whole process was stopped from the statistics of snapshots.
//!
//! A stop (SIGSTOP, a debugger, a paused virtual machine) is not attributed to any task. No task
//! changes its state during a stop, so the whole stop was counted as the busy, scheduled or idle
//! time of a task: that of its state or, if the state has changed since, the time that grew most.

mod durations;

use std::{collections::HashMap, sync::Arc};

use super::pairs::finder;
use crate::snapshot::{State, Stop, Target, TaskStats, WorkerStats};
use durations::{Kind, StoppedDuration};

/// The deductions since the first stop.
#[derive(Clone, Debug, Default)]
pub(super) struct Corrections {
    tasks: HashMap<u64, Correction>,
    /// Per worker: time in polls, and time not parked.
    workers: Vec<[u64; 2]>,
    /// Durations of tasks that are no longer in the snapshot.
    ended_durations: Vec<StoppedDuration>,
}

/// The deductions of one task.
#[derive(Clone, Debug)]
struct Correction {
    /// Busy, scheduled and idle time.
    times: [u64; 3],
    max_poll: Longest,
    max_delay: Longest,
    durations: Vec<StoppedDuration>,
}

/// The longest poll or delay of a task, with and without stops.
#[derive(Clone, Copy, Debug)]
struct Longest {
    counted_ns: u64,
    net_ns: u64,
    /// When it began, if it had not ended at the previous snapshot.
    began_ns: Option<u64>,
}

impl Longest {
    /// Sets the longest one to `counted_ns` and returns it without stops. The task has been in its
    /// current state since `since_ns`; `is_current` is whether that state is the one measured here.
    fn update(
        &mut self,
        counted_ns: u64,
        is_current: bool,
        [since_ns, now_ns]: [u64; 2],
        stops: &[Stop],
    ) -> u64 {
        let is_running = is_current && counted_ns <= now_ns.saturating_sub(since_ns);
        if counted_ns != self.counted_ns {
            let began_ns = self.began_ns.filter(|began_ns| began_ns + counted_ns <= now_ns);
            let end_ns = match (is_running, began_ns) {
                (true, _) => now_ns,
                (false, Some(began_ns)) => began_ns + counted_ns,
                // It ended when the state last changed, or earlier.
                (false, None) => since_ns,
            };
            let stopped = Stop::overlap_ns(stops, end_ns.saturating_sub(counted_ns), end_ns);
            self.net_ns = self.net_ns.max(counted_ns.saturating_sub(stopped));
            self.counted_ns = counted_ns;
        }
        self.began_ns = is_running.then_some(since_ns);
        self.net_ns
    }
}

impl Corrections {
    /// The snapshot without stops. `last` is the previous one, without stops.
    pub(super) fn apply(
        &mut self,
        last: Option<&Target>,
        mut snapshot: Arc<Target>,
    ) -> Arc<Target> {
        let Some(machine) = &snapshot.machine else { return snapshot };
        let (stops, excludes_stops) = (machine.stops.clone(), machine.excludes_stops);
        let last = last.filter(|last| last.epoch == snapshot.epoch);
        // Stops before the first snapshot are not deducted.
        let begin_ns = last.map_or(snapshot.taken_ns, |last| last.taken_ns);
        let new: Vec<Stop> = stops.iter().filter(|stop| stop.to_ns > begin_ns).copied().collect();
        let has_deducted = self.workers.iter().any(|deducted| *deducted != [0; 2])
            || !self.tasks.is_empty()
            || !self.ended_durations.is_empty();
        if !has_deducted && new.is_empty() {
            return snapshot;
        }
        let now = Arc::make_mut(&mut snapshot);
        self.tasks.retain(|key, correction| {
            let is_present = now.tasks.binary_search_by_key(key, |task| task.key).is_ok();
            if !is_present {
                self.ended_durations.append(&mut correction.durations);
            }
            is_present
        });
        let last_tasks = last.map_or(&[][..], |last| &last.tasks).iter();
        let mut old_of = finder(last_tasks.map(|old| (old.key, old)));
        for task in &mut now.tasks {
            let old = old_of(task.key);
            let is_corrected = !new.is_empty() || self.tasks.contains_key(&task.key);
            if is_corrected && !excludes_stops {
                self.correct(task, old, &new, &stops, now.taken_ns);
            }
        }
        self.workers.resize(now.workers.len(), [0; 2]);
        for (worker, deducted) in now.workers.iter_mut().zip(&mut self.workers) {
            let old = last.and_then(|last| last.workers.get(worker.index));
            correct_worker(worker, old, deducted, &new);
        }
        let of_task = |key| self.tasks.get(&key).map_or(&[][..], |of_task| &of_task.durations);
        durations::remove(now, of_task, &self.ended_durations);
        snapshot
    }

    fn correct(
        &mut self,
        task: &mut TaskStats,
        old: Option<&TaskStats>,
        new: &[Stop],
        stops: &[Stop],
        now_ns: u64,
    ) {
        task.stopped_ns = Stop::overlap_ns(stops, task.since_ns, now_ns);
        let unchanged = |of: fn(&TaskStats) -> u64| {
            let longest_ns = old.map_or(0, of);
            Longest { counted_ns: longest_ns, net_ns: longest_ns, began_ns: None }
        };
        let correction = self.tasks.entry(task.key).or_insert(Correction {
            times: [0; 3],
            max_poll: unchanged(|old| old.max_poll_ns),
            max_delay: unchanged(|old| old.max_delay_ns),
            durations: Vec::new(),
        });
        let end_ns = if task.state.is_done() { task.since_ns } else { now_ns };
        let began_ns = end_ns.saturating_sub(task.lifetime_ns);
        deduct(task, correction.times);
        for stop in new {
            let before = old.map_or([0; 3], times);
            let now = times(task);
            let grown: [u64; 3] = std::array::from_fn(|at| now[at].saturating_sub(before[at]));
            let is_same_state = task.since_ns <= stop.from_ns;
            let at = match task.state {
                State::Polling if is_same_state => 0,
                State::Scheduled if is_same_state => 1,
                State::Idle if is_same_state => 2,
                _ => (0..3).max_by_key(|at| grown[*at]).unwrap_or(0),
            };
            let mut one = [0; 3];
            one[at] = Stop::overlap_ns(&[*stop], began_ns, end_ns).min(grown[at]);
            deduct(task, one);
            correction.times[at] += one[at];
            if let Some(kind) = [Kind::Poll, Kind::Delay].get(at)
                && one[at] > 0
            {
                let (from_ns, stopped_ns) = (stop.from_ns, one[at]);
                let duration = StoppedDuration { kind: *kind, from_ns, stopped_ns };
                StoppedDuration::add(&mut correction.durations, duration, task);
            }
        }
        let (poll, delay) = (&mut correction.max_poll, &mut correction.max_delay);
        let (state, span) = (task.state, [task.since_ns, now_ns]);
        let in_poll = state == State::Polling;
        task.max_poll_ns = poll.update(task.max_poll_ns, in_poll, span, stops);
        let is_runnable = state == State::Scheduled;
        task.max_delay_ns = delay.update(task.max_delay_ns, is_runnable, span, stops);
    }
}

fn times(task: &TaskStats) -> [u64; 3] {
    [task.busy_ns, task.scheduled_ns, task.idle_ns]
}

fn deduct(task: &mut TaskStats, [busy, scheduled, idle]: [u64; 3]) {
    task.busy_ns = task.busy_ns.saturating_sub(busy);
    task.scheduled_ns = task.scheduled_ns.saturating_sub(scheduled);
    task.idle_ns = task.idle_ns.saturating_sub(idle);
    task.lifetime_ns = task.busy_ns + task.scheduled_ns + task.idle_ns;
}

fn correct_worker(
    worker: &mut WorkerStats,
    old: Option<&WorkerStats>,
    deducted: &mut [u64; 2],
    new: &[Stop],
) {
    let in_poll_since = worker.current.as_ref().map(|poll| poll.since_ns);
    let before = old.map_or([0; 2], |old| [old.poll_ns, old.busy_ns]);
    let fields = [&mut worker.poll_ns, &mut worker.busy_ns];
    for ((field, before), deducted) in fields.into_iter().zip(before).zip(deducted) {
        let counted = *field;
        let mut net = counted.saturating_sub(*deducted);
        for stop in new {
            let length = stop.to_ns - stop.from_ns;
            let grown = net.saturating_sub(before);
            // Most of the stop is enough: its start is known only to about 20 ms.
            if in_poll_since.is_some_and(|since| since <= stop.from_ns) || grown > length / 10 * 9 {
                net -= length.min(grown);
            }
        }
        *deducted = counted - net;
        *field = net;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{
            Model,
            testing::{snapshot, task},
        },
        snapshot::MachineStats,
    };

    const MS: u64 = 1_000_000;
    const STOP: Stop = Stop { from_ns: 1100 * MS, to_ns: 4100 * MS };

    fn with_stop(mut now: Target) -> Target {
        let stops = [STOP].into_iter().filter(|stop| stop.to_ns <= now.taken_ns).collect();
        now.machine = Some(MachineStats { stops, ..MachineStats::default() });
        now
    }

    fn at(taken_ms: u64, times_ms: [u64; 3], state: State, since_ms: u64) -> TaskStats {
        let [busy_ns, scheduled_ns, idle_ns] = times_ms.map(|ms| ms * MS);
        let lifetime_ns = taken_ms * MS;
        let since_ns = since_ms * MS;
        TaskStats { state, since_ns, lifetime_ns, busy_ns, scheduled_ns, idle_ns, ..task(1, "t") }
    }

    fn run(moments: impl IntoIterator<Item = (u64, TaskStats)>) -> Vec<Arc<Target>> {
        let mut model = Model::default();
        let each = |(taken_ms, task): (u64, TaskStats)| {
            model.advance(&with_stop(snapshot(taken_ms * MS, [task])).into());
            Arc::clone(model.only().target())
        };
        moments.into_iter().map(each).collect()
    }

    #[test]
    fn stop_is_deducted_from_the_poll_it_interrupted() {
        let poll = |taken, busy, longest, state, since| {
            (
                taken,
                TaskStats {
                    max_poll_ns: longest * MS,
                    ..at(taken, [busy, 0, taken - busy], state, since)
                },
            )
        };
        let seen = run([
            poll(1000, 50, 40, State::Polling, 960),
            // The poll from before the stop has not ended.
            poll(4200, 3250, 3240, State::Polling, 960),
            // The poll has ended, and other polls followed.
            poll(5000, 3400, 3300, State::Idle, 4990),
            poll(9000, 3800, 3300, State::Idle, 8990),
        ]);
        let of = |at: usize| &seen[at].tasks[0];
        assert_eq!((of(1).busy_ns, of(1).max_poll_ns), (250 * MS, 240 * MS));
        assert_eq!(of(1).time_in_state_ns(4200 * MS), 240 * MS);
        assert_eq!(of(2).busy_ns, 400 * MS);
        assert_eq!((of(2).max_poll_ns, of(3).max_poll_ns), (300 * MS, 300 * MS));
        assert_eq!(of(3).busy_ns, 800 * MS);
        for now in seen {
            let task = &now.tasks[0];
            assert_eq!(task.lifetime_ns, task.busy_ns + task.scheduled_ns + task.idle_ns);
        }
    }

    #[test]
    fn stop_is_deducted_from_idle_or_scheduled_time() {
        let seen = run([
            (1000, at(1000, [10, 20, 970], State::Idle, 995)),
            (4200, at(4200, [60, 30, 4110], State::Polling, 4190)),
        ]);
        let task = &seen[1].tasks[0];
        assert_eq!((task.busy_ns, task.scheduled_ns, task.idle_ns), (60 * MS, 30 * MS, 1110 * MS));
        let seen = run([
            (1000, at(1000, [10, 20, 970], State::Idle, 995)),
            (4200, at(4200, [10, 3140, 1050], State::Scheduled, 1060)),
        ]);
        let task = &seen[1].tasks[0];
        assert_eq!((task.scheduled_ns, task.idle_ns), (140 * MS, 1050 * MS));
        assert_eq!(task.time_in_state_ns(4200 * MS), 140 * MS);
    }

    #[test]
    fn rates_do_not_cover_a_stop() {
        let mut model = Model::default();
        let polled = |taken, polls| {
            let task = TaskStats { polls, ..at(taken, [taken, 0, 0], State::Polling, 0) };
            with_stop(snapshot(taken * MS, [task]))
        };
        model.advance(&polled(1000, 10).into());
        model.advance(&polled(4500, 20).into());
        assert_eq!(model.only().rates(0).polls, 20.0, "10 in 500 ms");
        assert_eq!(model.only().rates(0).busy, 1.0);
    }

    #[test]
    fn only_workers_are_corrected_if_the_times_of_tasks_exclude_stops() {
        let mut model = Model::default();
        for (taken_ms, poll_ms) in [(1000, 400), (4500, 3500), (5000, 3600)] {
            let task =
                TaskStats { stopped_ns: 7 * MS, ..at(1000, [10, 20, 970], State::Idle, 995) };
            let mut now = with_stop(snapshot(taken_ms * MS, [task]));
            now.workers[0].poll_ns = poll_ms * MS;
            if let Some(machine) = &mut now.machine {
                machine.excludes_stops = true;
            }
            model.advance(&now.into());
        }
        let target = model.only().target();
        let task = &target.tasks[0];
        assert_eq!((task.idle_ns, task.stopped_ns), (970 * MS, 7 * MS));
        assert_eq!(target.workers[0].poll_ns, 600 * MS, "also after the snapshot with the stop");
    }

    #[test]
    fn task_spawned_after_the_stop_is_not_corrected() {
        let new = TaskStats { lifetime_ns: 80 * MS, busy_ns: 80 * MS, ..task(1, "t") };
        let seen = run([(1000, at(1000, [0, 0, 1000], State::Idle, 0)), (4200, new)]);
        assert_eq!(seen[1].tasks[0].idle_ns, 0);
        let new = TaskStats { lifetime_ns: 80 * MS, busy_ns: 80 * MS, ..task(2, "t") };
        let seen = run([(1000, at(1000, [0, 0, 1000], State::Idle, 0)), (4200, new)]);
        assert_eq!((seen[1].tasks[0].busy_ns, seen[1].tasks[0].lifetime_ns), (80 * MS, 80 * MS));
    }
}
