//! One target in one epoch: its latest sample, and the statistics derived from all samples so far.

use std::{cell::OnceCell, sync::Arc};

use super::{
    BusyPoint, Column, Factor, Finding, GroupRow, Grouping, History, HistoryEvent, HistoryPoint,
    ImpactTable, LongPollEntry, MachineLoad, Query, Ring, SchedulingDelay, Slowdown, TaskRates,
    TaskRow, Thresholds, Timeline, Trials, WorkerRow,
    base::{Base, MIN_SPAN_NS, Update, span_ns},
    findings, group,
    group_histories::GroupHistories,
    machine, query, rates, scheduling_delay, slowdown,
    smoothing::Smoother,
    stops,
};
use crate::snapshot::{Connection, FieldId, LongPoll, RuntimeStats, Target, TaskKind};

/// Follows one target through one epoch.
#[derive(Clone, Debug)]
pub struct TargetModel {
    target: Arc<Target>,
    base: Base,
    rates_span_ns: Option<u64>,
    rates: Vec<TaskRates>,
    smoother: Smoother,
    /// The largest revision of a long poll so far.
    seen_revision: Option<u64>,
    workers: Vec<WorkerRow>,
    worker_order: Vec<usize>,
    has_kinds: bool,
    slowdown: slowdown::Tracker,
    scheduling_delay: scheduling_delay::Tracker,
    machine: machine::Tracker,
    impact_table: ImpactTable,
    findings: findings::Findings,
    trials: Trials,
    history: History,
    group_histories: GroupHistories,
    stops: stops::Corrections,
    timeline: Timeline,
}

impl TargetModel {
    pub(super) fn new(first: Arc<Target>, thresholds: &Arc<Thresholds>) -> Self {
        let kept = (Trials::default(), History::default(), Timeline::default());
        TargetModel::resume(first, thresholds, kept)
    }

    /// Follows the target in its next epoch. The trials and the history are kept, and the letters of
    /// the groups on the timeline.
    pub(super) fn restart(mut self, first: Arc<Target>) -> Self {
        self.history.mark(first.taken_ns, HistoryEvent::Restart);
        let kept = (self.trials, self.history, self.timeline.restart());
        TargetModel::resume(first, &self.findings.thresholds, kept)
    }

    fn resume(
        first: Arc<Target>,
        thresholds: &Arc<Thresholds>,
        (trials, history, timeline): (Trials, History, Timeline),
    ) -> Self {
        let mut model = TargetModel {
            target: Arc::clone(&first),
            base: Base::default(),
            rates_span_ns: None,
            rates: Vec::new(),
            smoother: Smoother::default(),
            seen_revision: None,
            workers: Vec::new(),
            worker_order: Vec::new(),
            has_kinds: false,
            slowdown: slowdown::Tracker::default(),
            scheduling_delay: scheduling_delay::Tracker::default(),
            machine: machine::Tracker::default(),
            impact_table: ImpactTable::default(),
            findings: findings::Findings::new(Arc::clone(thresholds)),
            trials,
            history,
            group_histories: GroupHistories::default(),
            stops: stops::Corrections::default(),
            timeline,
        };
        model.process(first, None);
        model
    }

    /// Processes the next sample of the same epoch.
    pub(super) fn advance(&mut self, next: Arc<Target>) {
        let last = Arc::clone(&self.target);
        self.process(next, Some(&last));
    }

    fn process(&mut self, next: Arc<Target>, last: Option<&Arc<Target>>) {
        let target = self.stops.apply(last.map(Arc::as_ref), next);
        let previous_ns = last.map(|last| last.taken_ns);
        let update = self.base.advance(&target);
        let base = self.base.target().map(Arc::as_ref);
        let last_tasks = last.map_or(&[][..], |last| &last.tasks);
        match (&target.connection, last) {
            (Connection::Lost { .. } | Connection::Stale { .. }, _) => {
                let carried = rates::carry_over(&target.tasks, last_tasks, &self.rates);
                let unknown = |TaskRates { history, .. }| TaskRates {
                    history,
                    unknown: true,
                    ..TaskRates::default()
                };
                self.rates = carried.into_iter().map(unknown).collect();
            }
            // Between two updates the statistics do not change.
            (_, Some(last)) if update == Update::None => {
                self.rates = rates::carry_over(&target.tasks, &last.tasks, &self.rates);
            }
            _ => {
                self.rates_span_ns = base.map(|base| span_ns(base, &target));
                let mut rates = rates::tasks(&target, base);
                self.smoother.advance(&target, &mut rates, last.map(Arc::as_ref), &self.rates);
                self.rates = rates;
            }
        }
        let since_ns = last.map_or(target.known_until_ns, |last| last.known_until_ns);
        // A stop of the process is a gap.
        let span_ns = target.running_ns(since_ns, target.known_until_ns);
        let span = (target.known_until_ns - span_ns, target.known_until_ns);
        let has_update = update != Update::None && target.connection.is_live();
        rates::workers(&mut self.workers, &target, base, has_update.then_some(span));
        self.worker_order = rates::busiest_first(&self.workers);
        let (groups, parts) = findings::count_groups(&target, base, &self.rates);
        let is_other = |kind| !matches!(kind, TaskKind::Spawned | TaskKind::Unknown);
        self.has_kinds = parts.iter().any(|part| is_other(part.meta.kind));
        if has_update {
            self.group_histories.push(&target, &parts, span);
        }
        let revisions = target.long_polls.iter().map(|poll| Some(poll.revision));
        let latest = revisions.max().flatten().max(self.seen_revision);
        let seen_revision = std::mem::replace(&mut self.seen_revision, latest);
        let is_new = |poll: &&Arc<LongPoll>| Some(poll.revision) > seen_revision;
        let new_long_polls: Vec<_> = target.long_polls.iter().filter(is_new).cloned().collect();
        self.slowdown.advance(&target);
        self.scheduling_delay.advance(&target);
        self.machine.advance(&target);
        self.trials.advance(&target, self.slowdown.latest());
        let last = last.map(Arc::as_ref);
        let long_ns = self.findings.thresholds.long_poll_ns();
        self.impact_table.advance(&target, last, &new_long_polls, long_ns);
        let thresholds = Arc::clone(&self.findings.thresholds);
        self.findings.advance(&findings::RuleContext {
            target: &target,
            new_long_polls: &new_long_polls,
            rates: &self.rates,
            workers: &self.workers,
            groups: &groups,
            base,
            previous_ns,
            slowdown: self.slowdown.latest(),
            scheduling_delay: self.scheduling_delay.latest(),
            impact_table: &self.impact_table,
            machine: self.machine.load(),
            thresholds: &thresholds,
            all_blocked: OnceCell::new(),
            all_blocked_until: OnceCell::new(),
            contended_resources: OnceCell::new(),
        });
        self.timeline.advance(&target, &self.impact_table);
        if has_update {
            self.history.push(self.history_point(&target, span));
        }
        if let Some(lab) = &target.lab {
            self.history.mark_hog(target.taken_ns, lab.hog.on_since_ns);
        }
        self.target = target;
    }

    /// The latest sample.
    pub fn target(&self) -> &Arc<Target> {
        &self.target
    }

    /// The name of the target.
    pub fn name(&self) -> &Arc<str> {
        &self.target.description.name
    }

    /// Whether some task is not a spawned one.
    pub fn has_kinds(&self) -> bool {
        self.has_kinds
    }

    /// The minimum length of a long poll.
    pub fn long_poll_ns(&self) -> u64 {
        self.findings.thresholds.long_poll_ns()
    }

    /// The time that the rates of tasks and workers cover, in nanoseconds, up to the latest update
    /// of the target; `None` as long as each rate covers the life of its task or of the runtime.
    pub fn rates_span_ns(&self) -> Option<u64> {
        self.rates_span_ns
    }

    /// A total of the runtime per second; `None` before the second update.
    pub fn runtime_rate(&self, total: fn(&RuntimeStats) -> u64) -> Option<f64> {
        let (base, span_ns) = (self.base.target()?, self.rates_span_ns?);
        Some(rates::per_second(total(&self.target.runtime), total(&base.runtime), span_ns))
    }

    /// Makes the rates cover the time since `first`, an earlier sample. Rates stay as they are if
    /// that time is too short for a rate, if the epochs differ, or without a connection.
    pub(super) fn set_rates_since(&mut self, first: &Target) {
        let target = &self.target;
        let span_ns = span_ns(first, target);
        let is_same = first.epoch == target.epoch && target.connection.is_live();
        if is_same && span_ns >= MIN_SPAN_NS {
            self.rates = rates::tasks(target, Some(first));
            for row in &mut self.workers {
                let since_first = rates::worker_row(&row.stats, target, Some(first));
                let history = std::mem::replace(&mut row.history, since_first.history);
                *row = WorkerRow { history, ..since_first };
            }
            self.rates_span_ns = Some(span_ns);
        }
    }

    /// The statistics of a span of time up to now.
    fn history_point(&self, target: &Target, (from_ns, to_ns): (u64, u64)) -> HistoryPoint {
        let workers = self.workers.iter().filter_map(|worker| worker.busy);
        let (count, busy) = workers.fold((0, 0.0), |(count, sum), busy| (count + 1, sum + busy));
        let work = self.slowdown.latest().factor.map(|factor| match factor {
            Factor::Standstill => 0.0,
            Factor::Times(n) => 1.0 / n,
        });
        let has = |field| target.description.has(field);
        let polls = if has(FieldId::WorkerPolls) {
            Some(self.workers.iter().filter_map(|worker| worker.polls).sum())
        } else {
            has(FieldId::Polls).then(|| self.rates.iter().map(|rates| rates.polls).sum())
        };
        let runtime = &target.runtime;
        let known = |field, value: u64| has(field).then_some(value);
        let delay = self.scheduling_delay.latest().p99_ns.filter(|_| has(FieldId::SchedulingDelay));
        HistoryPoint {
            from_ns,
            to_ns,
            busy: (count > 0).then(|| busy / f64::from(count)),
            delay_p99_ns: delay,
            work,
            polls,
            runnable: Some(self.scheduling_delay.latest().runnable as u64),
            injected: known(FieldId::InjectionQueue, runtime.injection_queue),
            blocking_calls: known(FieldId::BlockingThreads, runtime.blocking_threads)
                .zip(known(FieldId::IdleBlockingThreads, runtime.idle_blocking_threads))
                .zip(known(FieldId::BlockingQueue, runtime.blocking_queue))
                .map(|((threads, idle), queued)| threads.saturating_sub(idle) + queued),
        }
    }

    /// The history of the target.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The busy share and the scheduling delay of a group over time. They are kept for 64 groups of
    /// each grouping.
    pub fn group_history(&self, grouping: Grouping, name: &str) -> Option<&Ring<BusyPoint>> {
        self.group_histories.get(grouping, name)
    }

    /// The busy share of a group for the screen, if the group has a history.
    pub(super) fn shown_busy(&self, grouping: Grouping, name: &str) -> Option<f64> {
        self.group_histories.shown_busy(grouping, name)
    }

    /// The rates of the task at this position in the sample.
    pub fn rates(&self, position: usize) -> TaskRates {
        self.rates.get(position).copied().unwrap_or_default()
    }

    /// The rates of all tasks, in the order of the sample.
    pub(super) fn all_rates(&self) -> &[TaskRates] {
        &self.rates
    }

    /// The tasks that pass the query's filter, in its order.
    pub fn tasks(&self, query: &Query) -> impl Iterator<Item = TaskRow> {
        query::select(std::slice::from_ref(self), query).into_iter()
    }

    /// The groups of tasks.
    pub fn groups(&self, sort: Column, descending: bool) -> Vec<GroupRow> {
        let query = Query { sort, descending, ..Query::default() };
        group::select(std::slice::from_ref(self), &query)
    }

    /// The workers, with their rates.
    pub fn workers(&self) -> &[WorkerRow] {
        &self.workers
    }

    /// The positions of the workers: of many workers, the busiest first.
    pub fn worker_order(&self) -> &[usize] {
        &self.worker_order
    }

    /// Slowdown of the closed-loop work against the baseline.
    pub fn slowdown(&self) -> &Slowdown {
        self.slowdown.latest()
    }

    /// The long polls of the last minute, and their impact.
    pub fn impact_table(&self) -> &ImpactTable {
        &self.impact_table
    }

    /// The scheduling delays of the last second.
    pub fn scheduling_delay(&self) -> &SchedulingDelay {
        self.scheduling_delay.latest()
    }

    /// The time without a CPU over the last seconds; `None` if it is unknown, or not known yet.
    pub fn machine(&self) -> Option<&MachineLoad> {
        self.machine.load()
    }

    /// The trials of the lab.
    pub fn trials(&self) -> &Trials {
        &self.trials
    }

    /// The polls of the workers over the last seconds.
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// Active findings, worst first.
    pub fn findings(&self) -> &[Arc<Finding>] {
        self.findings.active()
    }

    /// Active findings, worst first, then resolved ones, latest first.
    pub fn all_findings(&self) -> &[Arc<Finding>] {
        self.findings.all()
    }

    /// Findings covered by one of [`all_findings`](Self::all_findings), which reports the same
    /// polls in more detail.
    pub fn covered_findings(&self) -> &[Arc<Finding>] {
        self.findings.covered()
    }

    /// The polls of the impact table that blocked a worker for at least the threshold of
    /// `worker-held`, as findings. They include polls that ended before a finding became active.
    pub fn worker_held_findings(&self) -> impl Iterator<Item = Finding> {
        let threshold_ns = self.findings.thresholds.worker_held_ns();
        let is_watched = self.target.description.has(FieldId::LongPolls);
        // While the net time is unknown, the watchdog may still find `block_in_place`.
        let is_decided =
            move |entry: &&LongPollEntry| !is_watched || entry.evidence.net_ns.is_some();
        self.impact_table.entries().filter(is_decided).filter_map(move |entry| {
            findings::of_long_poll(entry, threshold_ns?, &self.target, &self.impact_table)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        Model, RuleId,
        testing::{snapshot, task, with_watchdog},
    };

    const S: u64 = 1_000_000_000;

    /// A sample with ended polls of one second, by their start in seconds.
    fn sample(taken_s: u64, began_s: impl IntoIterator<Item = u64>) -> Target {
        let long_poll = |began_s| LongPoll::computing(7, began_s * S, S).into();
        let long_polls = began_s.into_iter().map(long_poll).collect();
        let description = with_watchdog();
        Target { description, long_polls, ..snapshot(taken_s * S, [task(7, "parser")]) }
    }

    /// The number of entries in the impact table, and the count of the finding.
    fn counts(samples: impl IntoIterator<Item = Target>) -> (usize, Option<u64>) {
        let mut model = Model::default();
        samples.into_iter().for_each(|sample| model.advance(&sample.into()));
        let findings = model.all_findings().iter();
        let of_rule = findings.filter(|finding| finding.rule == RuleId::WorkerHeld);
        (model.only().impact_table().entries().count(), of_rule.map(|finding| finding.count).next())
    }

    #[test]
    fn long_poll_of_several_samples_counts_once() {
        let samples = [sample(2, []), sample(3, [1]), sample(6, [1, 4]), sample(7, [1, 4])];
        assert_eq!(counts(samples), (2, Some(2)));
    }

    #[test]
    fn long_poll_of_a_missed_sample_counts() {
        assert_eq!(counts([sample(2, []), sample(7, [1, 4])]), (2, Some(2)));
    }
}
