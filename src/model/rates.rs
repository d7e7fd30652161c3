//! What happened between two snapshots.

use std::sync::Arc;

use super::{Figure, Snapshot, TaskFigures, WorkerFigures};

/// What happened to a task since the snapshot before.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TaskRates {
    /// Polls for each second.
    pub polls: f64,
    /// Wakes for each second.
    pub wakes: f64,
    /// Those from inside its own polls, for each second.
    pub self_wakes: f64,
    /// Share of the time spent in polls, 0 to 1.
    pub busy: f64,
    /// Share of the time spent waiting for a worker, 0 to 1.
    pub scheduled: f64,
    /// The task was not in the snapshot before.
    pub new: bool,
    /// Its target is not heard of: nobody knows what it does now.
    pub unknown: bool,
}

impl TaskRates {
    /// Of a task whose target is not heard of.
    pub(super) const UNKNOWN: TaskRates = TaskRates {
        polls: 0.0,
        wakes: 0.0,
        self_wakes: 0.0,
        busy: 0.0,
        scheduled: 0.0,
        new: false,
        unknown: true,
    };
}

/// A worker and what happened to it since the snapshot before.
#[derive(Clone, Debug)]
pub struct WorkerRow {
    /// Its totals.
    pub figures: WorkerFigures,
    /// The name of the task that it polls right now, and for how long it has, in ns.
    pub current: Option<(Arc<str>, u64)>,
    /// Share of the time that it was busy, 0 to 1: inside a poll, or not parked, whichever
    /// of the two counts says more. Tokio's own count stands still during a poll.
    pub busy: f64,
    /// Polls for each second.
    pub polls: f64,
    /// Parks for each second, where Tokio counts them.
    pub parks: Option<f64>,
    /// Steals for each second, where Tokio counts them.
    pub steals: Option<f64>,
    /// Busy shares of the last snapshots, oldest first, at most [`WorkerRow::HISTORY`].
    pub history: Vec<f64>,
}

impl WorkerRow {
    /// How many busy shares a row remembers: a minute at four snapshots a second.
    pub const HISTORY: usize = 240;
}

fn share(now: u64, before: u64, span_ns: u64) -> f64 {
    if span_ns == 0 {
        return 0.0;
    }
    (now.saturating_sub(before) as f64 / span_ns as f64).clamp(0.0, 1.0)
}

fn per_second(now: u64, before: u64, span_ns: u64) -> f64 {
    if span_ns == 0 {
        return 0.0;
    }
    now.saturating_sub(before) as f64 * 1e9 / span_ns as f64
}

/// The rates of each task of `now`, in its order.
pub(super) fn tasks(now: &Snapshot, base: Option<&Snapshot>) -> Vec<TaskRates> {
    let span_ns = base.map(|base| now.taken_ns.saturating_sub(base.taken_ns));
    between(&now.tasks, base.map_or(&[], |base| &base.tasks), span_ns)
}

/// The rates of each of these tasks, in their order, against those of so many ns before;
/// without a span, over their lives.
pub(super) fn between(
    now: &[TaskFigures],
    before: &[TaskFigures],
    span_ns: Option<u64>,
) -> Vec<TaskRates> {
    let mut known = before.iter().peekable();
    let mut rates = Vec::with_capacity(now.len());
    for task in now {
        // Both are sorted by key: walk them side by side.
        while known.next_if(|old| old.key < task.key).is_some() {}
        let old = known.next_if(|old| old.key == task.key);
        // A task of the first snapshot is judged over its own life.
        let span = span_ns.unwrap_or(task.lifetime_ns);
        let of = |old: Option<u64>| old.unwrap_or(0);
        rates.push(TaskRates {
            polls: per_second(task.polls, of(old.map(|old| old.polls)), span),
            wakes: per_second(task.wakes, of(old.map(|old| old.wakes)), span),
            self_wakes: per_second(task.self_wakes, of(old.map(|old| old.self_wakes)), span),
            busy: share(task.busy_ns, of(old.map(|old| old.busy_ns)), span),
            scheduled: share(task.scheduled_ns, of(old.map(|old| old.scheduled_ns)), span),
            new: old.is_none() && span_ns.is_some(),
            unknown: false,
        });
    }
    rates
}

/// Brings `rows` up to `now`, keeping their history.
pub(super) fn workers(rows: &mut Vec<WorkerRow>, now: &Snapshot, base: Option<&Snapshot>) {
    let mut past: Vec<Vec<f64>> =
        rows.iter_mut().map(|row| std::mem::take(&mut row.history)).collect();
    past.resize_with(now.workers.len(), Vec::new);
    *rows = now
        .workers
        .iter()
        .zip(past)
        .map(|(worker, mut history)| {
            let old = base.and_then(|base| base.workers.get(worker.index));
            let span = base
                .map_or(now.runtime.uptime_ns, |base| now.taken_ns.saturating_sub(base.taken_ns));
            let change = |of: fn(&WorkerFigures) -> Figure<u64>| {
                let before = old.and_then(|old| of(old).value()).unwrap_or(0);
                of(worker).value().map(|now| (now, before))
            };
            let rate = |of| change(of).map(|(now, before)| per_second(now, before, span));
            let busy = |of| change(of).map_or(0.0, |(now, before)| share(now, before, span));
            let busy = busy(|w| w.poll_ns).max(busy(|w| w.busy_ns));
            if history.len() == WorkerRow::HISTORY {
                history.remove(0);
            }
            history.push(busy);
            WorkerRow {
                current: worker.current.as_ref().map(|poll| {
                    (name_of(now, poll.key), now.taken_ns.saturating_sub(poll.since_ns))
                }),
                busy,
                polls: rate(|w| w.polls).unwrap_or(0.0),
                parks: rate(|w| w.parks),
                steals: rate(|w| w.steals),
                history,
                figures: worker.clone(),
            }
        })
        .collect();
}

/// The name of a task; a poll of one that is not in the snapshot has none.
fn name_of(snapshot: &Snapshot, key: u64) -> Arc<str> {
    let found = snapshot.tasks.binary_search_by_key(&key, |task| task.key);
    found.map_or_else(|_| "?".into(), |at| snapshot.tasks[at].meta.name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{
            CurrentPoll,
            testing::{snapshot, task},
        },
        probe::State,
    };

    const S: u64 = 1_000_000_000;

    #[test]
    fn rates_follow_the_key_and_not_the_row() {
        let polled = |key, polls| {
            let mut task = task(key, "t");
            task.polls = polls;
            task
        };
        let before = snapshot(S, [polled(1, 10), polled(3, 30)]);
        let now = snapshot(2 * S, [polled(2, 4), polled(3, 35)]);
        let rates = tasks(&now, Some(&before));
        assert_eq!((rates[0].polls, rates[0].new), (4.0, true));
        assert_eq!((rates[1].polls, rates[1].new), (5.0, false));
    }

    #[test]
    fn the_first_snapshot_is_judged_over_each_tasks_life() {
        let mut first = task(1, "t");
        (first.polls, first.lifetime_ns, first.busy_ns) = (10, 2 * S, S);
        let rates = tasks(&snapshot(9 * S, [first]), None);
        assert_eq!((rates[0].polls, rates[0].busy, rates[0].new), (5.0, 0.5, false));
    }

    #[test]
    fn a_worker_inside_a_long_poll_is_busy_now() {
        let mut hog = task(7, "hog");
        hog.state = State::Polling;
        let at = |taken_ns: u64, poll_ns| {
            let mut now = snapshot(taken_ns, [hog.clone()]);
            now.workers[0].poll_ns = Figure::Measured(poll_ns);
            // Tokio's count stands still during a poll.
            now.workers[0].busy_ns = Figure::Measured(1000);
            now.workers[0].current = Some(CurrentPoll { key: 7, since_ns: S / 2 });
            now
        };
        let (before, now) = (at(S, S / 2), at(2 * S, S / 2 + S));
        let mut rows = Vec::new();
        workers(&mut rows, &before, None);
        workers(&mut rows, &now, Some(&before));
        assert_eq!(rows[0].busy, 1.0);
        assert_eq!(rows[0].current, Some(("hog".into(), S + S / 2)));
        assert_eq!(rows[0].parks, None);
        assert_eq!(rows[0].history.len(), 2);
    }

    #[test]
    fn what_tokio_makes_up_for_later_does_not_exceed_the_whole() {
        let mut before = snapshot(S, []);
        before.workers[0].busy_ns = Figure::Measured(0);
        let mut now = snapshot(2 * S, []);
        now.workers[0].busy_ns = Figure::Measured(9 * S);
        let mut rows = Vec::new();
        workers(&mut rows, &now, Some(&before));
        assert_eq!(rows[0].busy, 1.0);
    }
}
