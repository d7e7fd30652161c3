//! Rates of tasks and workers between two samples.

use std::{cmp::Reverse, sync::Arc};

use crate::snapshot::{Description, FieldId, PollKind, Target, TaskStats, WorkerStats};

use super::{
    BusyPoint, Ring, ShownRates, TaskHistory,
    base::{MIN_SPAN_NS, span_ns},
    pairs::finder,
};

/// The rates of a task over the time that [`TargetModel::rates_span_ns`] returns.
///
/// [`TargetModel::rates_span_ns`]: super::TargetModel::rates_span_ns
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TaskRates {
    /// Polls per second.
    pub polls: f64,
    /// Wakes per second.
    pub wakes: f64,
    /// Wakes from inside the task's own polls, per second.
    pub self_wakes: f64,
    /// Share of the time in polls, 0 to 1.
    pub busy: f64,
    /// Share of the time in which the task was runnable, 0 to 1.
    pub scheduled: f64,
    /// Smoothed rates for the screen; reports use the exact ones above.
    pub shown: ShownRates,
    /// The last 20 seconds.
    pub history: TaskHistory,
    /// Whether the task was spawned within the time that the rates cover.
    pub new: bool,
    /// Whether the rates are unknown because the target is not connected.
    pub unknown: bool,
}

/// A worker, with its rates over the time that [`TargetModel::rates_span_ns`] returns.
///
/// [`TargetModel::rates_span_ns`]: super::TargetModel::rates_span_ns
#[derive(Clone, Debug)]
pub struct WorkerRow {
    /// Totals.
    pub stats: WorkerStats,
    /// The name of the task in its current poll, and the length of the poll in nanoseconds.
    pub current: Option<(Arc<str>, u64)>,
    /// Busy share of the time, 0 to 1: inside a poll or not parked, whichever is larger; `None` for
    /// the reason that [`WorkerRow::busy_unavailable`] returns.
    pub busy: Option<f64>,
    /// The busy share that is displayed. With many workers, which are ordered by it, the mean over
    /// two seconds.
    pub shown_busy: Option<f64>,
    /// Polls per second; like all rates, `None` if the target is not connected.
    pub polls: Option<f64>,
    /// Parks per second, if Tokio counts them.
    pub parks: Option<f64>,
    /// Steals per second, if Tokio counts them.
    pub steals: Option<f64>,
    /// The busy share over time.
    pub history: Ring<BusyPoint>,
}

impl WorkerRow {
    /// The reason why a target has no busy shares of workers; `None` if it has them. Either the time
    /// in polls or the time not parked is enough.
    pub fn busy_unavailable(description: &Description) -> Option<&str> {
        let reason = description.reason(FieldId::WorkerPollTime)?;
        description.reason(FieldId::WorkerBusyTime).and(Some(reason))
    }

    /// Whether the worker is in a poll or drops the future of a task.
    pub fn current_kind(&self) -> PollKind {
        self.stats.current.as_ref().map_or(PollKind::Poll, |poll| poll.kind)
    }
}

fn share(now: u64, before: u64, span_ns: u64) -> f64 {
    if span_ns == 0 {
        return 0.0;
    }
    (now.saturating_sub(before) as f64 / span_ns as f64).clamp(0.0, 1.0)
}

pub(super) fn per_second(now: u64, before: u64, span_ns: u64) -> f64 {
    if span_ns == 0 {
        return 0.0;
    }
    now.saturating_sub(before) as f64 * 1e9 / span_ns as f64
}

/// Totals that rates are derived from: polls, and busy and scheduled time in nanoseconds.
pub(super) type Totals = [u64; 3];

pub(super) fn totals(task: &TaskStats) -> Totals {
    [task.polls, task.busy_ns, task.scheduled_ns]
}

/// Which of the totals a target has.
pub(super) struct RateFields([bool; 3]);

impl RateFields {
    pub(super) fn new(description: &Description) -> Self {
        let fields = [FieldId::Polls, FieldId::Busy, FieldId::Scheduled];
        RateFields(fields.map(|field| description.has(field)))
    }

    /// The rates between two totals; 0 for a total that the target lacks.
    pub(super) fn between(&self, before: Totals, now: Totals, span_ns: u64) -> ShownRates {
        let rate = |at: usize, rate: fn(u64, u64, u64) -> f64| {
            if self.0[at] { rate(now[at], before[at], span_ns) } else { 0.0 }
        };
        let busy = rate(1, share);
        ShownRates {
            polls: rate(0, per_second),
            busy,
            scheduled: rate(2, share),
            mean_busy: busy,
            is_mean: false,
        }
    }
}

/// The rates of each task of `now`, in its order: since `base` or, without a base, over the life of
/// each task.
pub(super) fn tasks(now: &Target, base: Option<&Target>) -> Vec<TaskRates> {
    let span_ns = base.map(|base| span_ns(base, now));
    let before = base.map_or(&[][..], |base| &base.tasks);
    let fields = RateFields::new(&now.description);
    let has = |field| now.description.has(field);
    let (has_wakes, has_self_wakes) = (has(FieldId::Wakes), has(FieldId::SelfWakes));
    let if_available = |is_available: bool, rate: f64| if is_available { rate } else { 0.0 };
    let now = &now.tasks;
    let mut old_of = finder(before.iter().map(|old| (old.key, old)));
    let mut rates = Vec::with_capacity(now.len());
    for task in now {
        let old = old_of(task.key);
        // The totals of a task without an earlier sample are those of its life, which is longer than the
        // span if the target has announced it late.
        let life_ns = task.lifetime_ns.max(MIN_SPAN_NS);
        let span =
            span_ns.map_or(life_ns, |span| if old.is_none() { span.max(life_ns) } else { span });
        let rate =
            |now, before: fn(&TaskStats) -> u64| per_second(now, old.map_or(0, before), span);
        let shown = fields.between(old.map_or([0; 3], totals), totals(task), span);
        rates.push(TaskRates {
            polls: shown.polls,
            wakes: if_available(has_wakes, rate(task.wakes, |old| old.wakes)),
            self_wakes: if_available(has_self_wakes, rate(task.self_wakes, |old| old.self_wakes)),
            busy: shown.busy,
            scheduled: shown.scheduled,
            shown,
            history: TaskHistory::default(),
            new: old.is_none() && span_ns.is_some(),
            unknown: false,
        });
    }
    rates
}

/// The rates that these tasks had in the last sample, in their order.
pub(super) fn carry_over(
    tasks: &[TaskStats],
    last: &[TaskStats],
    rates: &[TaskRates],
) -> Vec<TaskRates> {
    let mut rates_of = finder(last.iter().map(|old| old.key).zip(rates));
    tasks.iter().map(|task| rates_of(task.key).copied().unwrap_or_default()).collect()
}

/// The resolution of the history of a worker, coarser with many workers, so that memory is bounded.
fn resolution_ns(workers: usize) -> u64 {
    250_000_000 * (1 + workers as u64 / 16)
}

/// Updates `rows` to `now`. `span` is the time that the new busy shares add to the histories; without
/// one, the rows keep their rates, as those of tasks do between two updates.
pub(super) fn workers(
    rows: &mut Vec<WorkerRow>,
    now: &Target,
    base: Option<&Target>,
    span: Option<(u64, u64)>,
) {
    let is_live = now.connection.is_live();
    let mut past = std::mem::take(rows).into_iter();
    let with_history = |worker| {
        let row = worker_row(worker, now, base);
        let past = past.next();
        let (busy, shown_busy, polls, parks, steals) = match &past {
            _ if !is_live => (None, None, None, None, None),
            Some(past) if span.is_none() => {
                (past.busy, past.shown_busy, past.polls, past.parks, past.steals)
            }
            _ => (row.busy, row.shown_busy, row.polls, row.parks, row.steals),
        };
        let history = past.map_or(row.history, |past| past.history);
        let mut row = WorkerRow { busy, shown_busy, polls, parks, steals, history, ..row };
        if let (Some(busy), Some((from_ns, to_ns))) = (row.busy, span) {
            let queued = row.stats.local_queue;
            let queued = now.description.has(FieldId::LocalQueue).then_some(queued);
            row.history.push(BusyPoint { from_ns, to_ns, busy, delay_ns: None, queued });
        }
        if is_live && now.workers.len() >= MANY_WORKERS {
            let mean = row.history.columns(now.taken_ns, SHOWN_SPAN_NS, 1)[0];
            row.shown_busy = mean.map(|mean| mean.busy).or(row.busy);
        }
        row
    };
    *rows = now.workers.iter().map(with_history).collect();
}

/// From this number on, workers are ordered by their busy share.
const MANY_WORKERS: usize = 17;
/// The time over which the displayed busy share of many workers is a mean.
const SHOWN_SPAN_NS: u64 = 2_000_000_000;

/// The positions of workers. Many are ordered by their displayed busy share, in steps of 5 %, so that
/// they keep their places under a steady load.
pub(super) fn busiest_first(workers: &[WorkerRow]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..workers.len()).collect();
    if workers.len() >= MANY_WORKERS {
        let busy = |at: usize| workers[at].shown_busy.unwrap_or(0.0);
        order.sort_by_key(|at| Reverse((busy(*at) * 20.0).round() as u64));
    }
    order
}

/// A worker of `now` with its rates since `base`, or since the runtime was started, without a
/// history.
pub(super) fn worker_row(worker: &WorkerStats, now: &Target, base: Option<&Target>) -> WorkerRow {
    let old = base.and_then(|base| base.workers.get(worker.index));
    let span = base.map_or(now.runtime.uptime_ns.max(MIN_SPAN_NS), |base| span_ns(base, now));
    let change = |of: fn(&WorkerStats) -> u64| (of(worker), old.map_or(0, of));
    let rate = |of| {
        let (now, before) = change(of);
        per_second(now, before, span)
    };
    let busy = |field, of| {
        let (busy_ns, before) = change(of);
        now.description.get(field, share(busy_ns, before, span)).ok()
    };
    let in_polls = busy(FieldId::WorkerPollTime, |w| w.poll_ns);
    let not_parked = busy(FieldId::WorkerBusyTime, |w| w.busy_ns);
    // A running drop is in neither total.
    let drop = worker.current.as_ref().filter(|poll| poll.kind == PollKind::Drop);
    let dropping = drop.map_or(0.0, |drop| share(now.taken_ns, drop.since_ns, span));
    let busy = in_polls.into_iter().chain(not_parked).reduce(f64::max);
    let busy = busy.map(|busy| busy.max(dropping));
    WorkerRow {
        current: worker
            .current
            .as_ref()
            .map(|poll| (name_of(now, poll.key), now.running_ns(poll.since_ns, now.taken_ns))),
        busy,
        shown_busy: busy,
        polls: Some(rate(|w| w.polls)),
        parks: Some(rate(|w| w.parks)),
        steals: Some(rate(|w| w.steals)),
        history: Ring::new(resolution_ns(now.workers.len())),
        stats: worker.clone(),
    }
}

/// The name of a task; `?` if it is not in the sample.
fn name_of(target: &Target, key: u64) -> Arc<str> {
    target.task(key).map_or_else(|| "?".into(), |task| task.meta.name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{
            Model,
            testing::{self, snapshot, task},
        },
        snapshot::{Connection, CurrentPoll, Retry, State},
    };

    const S: u64 = 1_000_000_000;

    #[test]
    fn tasks_are_paired_by_key_and_not_by_position() {
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
    fn rates_of_a_task_that_is_announced_late_cover_its_life() {
        let mut late = task(1, "t");
        (late.polls, late.lifetime_ns, late.busy_ns) = (800, 8 * S, 2 * S);
        let rates = tasks(&snapshot(9 * S, [late]), Some(&snapshot(8 * S, [])));
        assert_eq!((rates[0].polls, rates[0].busy), (100.0, 0.25));
    }

    #[test]
    fn rates_of_the_first_sample_cover_the_life_of_each_task() {
        let mut first = task(1, "t");
        (first.polls, first.lifetime_ns, first.busy_ns) = (10, 2 * S, S);
        let rates = tasks(&snapshot(9 * S, [first]), None);
        assert_eq!((rates[0].polls, rates[0].busy, rates[0].new), (5.0, 0.5, false));
    }

    #[test]
    fn worker_in_a_long_poll_is_busy() {
        let mut hog = task(7, "hog");
        hog.state = State::Polling;
        let at = |taken_ns: u64, poll_ns| {
            let mut now = snapshot(taken_ns, [hog.clone()]);
            now.workers[0].poll_ns = poll_ns;
            // Tokio updates its busy time only when a worker parks.
            now.workers[0].busy_ns = 1000;
            now.workers[0].current =
                Some(CurrentPoll { key: 7, since_ns: S / 2, kind: PollKind::Poll });
            now
        };
        let (before, now) = (at(S, S / 2), at(2 * S, S / 2 + S));
        let mut rows = Vec::new();
        workers(&mut rows, &before, None, Some((0, S)));
        workers(&mut rows, &now, Some(&before), Some((S, 2 * S)));
        assert_eq!(rows[0].busy, Some(1.0));
        assert_eq!(rows[0].current, Some(("hog".into(), S + S / 2)));
        assert_eq!(rows[0].history.samples().len(), 2);
    }

    #[test]
    fn busy_share_of_a_worker_needs_one_of_its_times() {
        let busy_without = |fields: &[FieldId]| {
            let without = |mut now: Target| {
                let description = Description::clone(&now.description);
                now.description = description.without(fields.iter().copied(), "a reason").into();
                now
            };
            let mut now = snapshot(2 * S, []);
            (now.workers[0].poll_ns, now.workers[0].busy_ns) = (S / 2, S / 4);
            let (before, now) = (without(snapshot(S, [])), without(now));
            let busy = worker_row(&now.workers[0], &now, Some(&before)).busy;
            (busy, WorkerRow::busy_unavailable(&now.description).map(str::to_owned))
        };
        let (poll_time, busy_time) = (FieldId::WorkerPollTime, FieldId::WorkerBusyTime);
        assert_eq!(busy_without(&[]), (Some(0.5), None));
        assert_eq!(busy_without(&[busy_time]), (Some(0.5), None));
        assert_eq!(busy_without(&[poll_time]), (Some(0.25), None));
        assert_eq!(busy_without(&[poll_time, busy_time]), (None, Some("a reason".to_owned())));
    }

    #[test]
    fn worker_that_drops_a_future_is_busy() {
        let mut now = snapshot(2 * S, [task(7, "writer")]);
        let drop = CurrentPoll { key: 7, since_ns: S + S / 2, kind: PollKind::Drop };
        now.workers[0].current = Some(drop);
        let mut rows = Vec::new();
        workers(&mut rows, &now, Some(&snapshot(S, [])), None);
        assert_eq!((rows[0].busy, rows[0].polls), (Some(0.5), Some(0.0)));
    }

    #[test]
    fn busy_share_of_a_worker_is_at_most_one() {
        let mut before = snapshot(S, []);
        before.workers[0].busy_ns = 0;
        let mut now = snapshot(2 * S, []);
        now.workers[0].busy_ns = 9 * S;
        let mut rows = Vec::new();
        workers(&mut rows, &now, Some(&before), Some((S, 2 * S)));
        assert_eq!(rows[0].busy, Some(1.0));
    }

    /// A worker that polls one task for 100 µs every 1.25 ms and is idle otherwise.
    fn heartbeat_at(taken_ns: u64) -> Target {
        let polls = taken_ns / 1_250_000;
        let busy_ns = polls * 100_000 + (taken_ns % 1_250_000).min(100_000);
        let mut beat = task(1, "heartbeat-1");
        (beat.polls, beat.wakes, beat.self_wakes) = (polls, polls, polls);
        (beat.busy_ns, beat.lifetime_ns) = (busy_ns, taken_ns);
        let mut now = snapshot(taken_ns, [beat]);
        let worker = &mut now.workers[0];
        (worker.polls, worker.parks) = (polls, polls);
        // Tokio adds the busy time of a worker when it parks.
        let parked_ns = polls * 100_000;
        (worker.poll_ns, worker.busy_ns) = (busy_ns, parked_ns);
        now
    }

    /// Over 50 ms or more, 800 polls per second are 800 ± 20, and 8 % busy are 8 ± 0.2 %.
    fn assert_rates_of_heartbeat(task: TaskRates, worker: &WorkerRow) {
        let of_worker = [worker.polls, worker.parks].map(|rate| rate.unwrap_or(f64::NAN));
        for rate in [task.polls, task.wakes, task.self_wakes].into_iter().chain(of_worker) {
            assert!((rate - 800.0).abs() <= 20.0, "{task:?} {worker:?}");
        }
        for share in [Some(task.busy), worker.busy] {
            assert!(
                share.is_some_and(|share| (share - 0.08).abs() <= 0.002),
                "{task:?} {worker:?}"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn rates_are_right_at_any_sampling_intervals(
            begin in 50_000_000..100_000_000u64,
            intervals in proptest::collection::vec(
                proptest::prop_oneof![0..10u64, 0..3_000_000u64, 0..300_000_000u64], 1..60,
            ),
        ) {
            let mut model = Model::default();
            let first = heartbeat_at(begin);
            let mut now_ns = begin;
            model.advance(&first.clone().into());
            for interval in intervals {
                now_ns += interval;
                model.advance(&heartbeat_at(now_ns).into());
                assert!(model.only().rates_span_ns().is_none_or(|span| span >= MIN_SPAN_NS));
                assert_rates_of_heartbeat(model.only().rates(0), &model.only().workers()[0]);
                let since_first = model.with_rates_since(&first.clone().into());
                assert_rates_of_heartbeat(since_first.only().rates(0), &since_first.only().workers()[0]);
            }
        }
    }

    #[test]
    fn many_workers_are_ordered_by_their_load() {
        let order = |count: usize| {
            let mut rows = Vec::new();
            let at = |taken_ns: u64, busy_ns: u64| {
                let mut now = snapshot(taken_ns, []);
                now.workers = (0..count).map(testing::worker).collect();
                now.workers[count - 1].poll_ns = busy_ns;
                now
            };
            let (before, now) = (at(S, 0), at(2 * S, S));
            workers(&mut rows, &now, Some(&before), Some((S, 2 * S)));
            busiest_first(&rows)
        };
        assert_eq!(order(4), [0, 1, 2, 3]);
        assert_eq!(order(17)[..3], [16, 0, 1]);
    }

    #[test]
    fn rates_of_workers_stay_until_the_next_update() {
        let mut model = Model::default();
        for (taken, known) in [(1, 1), (2, 2), (3, 2), (4, 4)] {
            let mut now = heartbeat_at(taken * S);
            now.known_until_ns = known * S;
            model.advance(&now.into());
        }
        assert_rates_of_heartbeat(model.only().rates(0), &model.only().workers()[0]);
        let mut now = heartbeat_at(5 * S);
        now.known_until_ns = 4 * S;
        model.advance(&now.into());
        assert_rates_of_heartbeat(model.only().rates(0), &model.only().workers()[0]);
    }

    #[test]
    fn rates_of_workers_are_unknown_without_a_connection() {
        let mut model = Model::default();
        for taken in 1..=4 {
            model.advance(&heartbeat_at(taken * S).into());
        }
        let mut now = heartbeat_at(5 * S);
        now.known_until_ns = 4 * S;
        let (since_ns, reason) = (Some(4 * S), "the process has ended".into());
        now.connection = Connection::Lost { since_ns, reason, retry: Retry::Never };
        model.advance(&now.into());
        let worker = &model.only().workers()[0];
        assert_eq!([worker.busy, worker.shown_busy, worker.polls, worker.parks], [None; 4]);
        assert!(!worker.history.samples().is_empty());
    }

    #[test]
    fn rates_since_a_snapshot_cover_all_of_that_time() {
        let mut model = Model::default();
        let first = heartbeat_at(S);
        model.advance(&first.clone().into());
        // One second with work, one without.
        for at in [1_500, 2_000, 2_500, 3_000] {
            let mut now = heartbeat_at(2 * S.min(at * 1_000_000));
            (now.taken_ns, now.known_until_ns) = (at * 1_000_000, at * 1_000_000);
            model.advance(&now.into());
        }
        assert_eq!((model.only().rates(0).polls, model.only().workers()[0].busy), (0.0, Some(0.0)));
        let whole = model.with_rates_since(&first.clone().into());
        assert_eq!(whole.only().rates_span_ns(), Some(2 * S));
        assert_eq!(
            (whole.only().rates(0).polls, whole.only().workers()[0].polls),
            (400.0, Some(400.0))
        );
        assert_eq!(whole.only().workers()[0].busy, Some(0.04));
        let samples = |model: &Model| model.only().workers()[0].history.samples().clone();
        assert_eq!(samples(&whole), samples(&model));

        let other_runtime = Target { epoch: 7, ..first };
        assert_eq!(
            model.with_rates_since(&other_runtime.into()).only().rates(0),
            model.only().rates(0)
        );
    }
}
