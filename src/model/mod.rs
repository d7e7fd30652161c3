//! What snapshots mean: rates, order, groups, the slowdown, findings.
//!
//! Pure: snapshots go in, figures come out. No I/O, no clock (time is in the snapshots),
//! no ratatui.

mod blame;
mod by_target;
mod columns;
mod findings;
mod group;
mod lag;
mod machine;
mod query;
mod rates;
mod resources;
mod session;
mod slowdown;
mod stops;
#[cfg(test)]
pub(crate) mod testing;
mod timeline;

use std::{cell::OnceCell, sync::Arc};

pub use crate::snapshot::{
    Accuracy, AsyncOpStats, Connection, ConsoleStats, CurrentPoll, Description, Distributions,
    FieldId, Flavor, Gauge, GaugeValue, HogStats, LabStats, Lesson, Losses, MachineStats,
    PollSpans, ResourceStats, Resources, RuntimeStats, Subject, Subscription, Target,
    TargetFigures, TaskKind, TaskMeta, TaskStats, WorkerPolls, WorkerStats, WorkloadStats,
};
pub use blame::{Blame, Costs, Culprit, Entry};
pub use columns::Column;
pub use findings::{
    Finding, FindingId, RULES, Rule, RuleId, Severity, Suspect, Thresholds, Unit, Waiter,
};
pub use group::{GroupColumn, GroupRow};
pub use lag::Lag;
pub use machine::MachineLoad;
pub use query::{Filter, Query};
pub use rates::{TaskRates, WorkerRow};
pub use resources::ResourceRow;
pub use session::{Session, Setting, Trial};
pub use slowdown::{Factor, Modes, Slowdown};
pub use timeline::{Cell, Knowledge, PollGroup, Run, Seen, Span, Strip, Timeline, part, shares};

/// Follows one source: takes its snapshots in, in order, and derives what they mean.
#[derive(Clone, Debug, Default)]
pub struct Model {
    snapshot: Option<Arc<Target>>,
    base: rates::Base,
    rates_span_ns: Option<u64>,
    by_target: by_target::ByTarget,
    rates: Vec<TaskRates>,
    workers: Vec<WorkerRow>,
    slowdown: slowdown::Tracker,
    lag: lag::Tracker,
    machine: machine::Tracker,
    blame: Blame,
    findings: findings::Findings,
    session: Session,
    stops: stops::Corrections,
    timeline: Timeline,
}

impl Model {
    /// A model whose rules speak from these thresholds on.
    pub fn with_thresholds(thresholds: Thresholds) -> Self {
        let findings = findings::Findings::new(Arc::new(thresholds));
        Model { findings, ..Model::default() }
    }

    /// Takes in the next snapshot.
    pub fn advance(&mut self, snapshot: Arc<Target>) {
        let last = self.snapshot.take();
        let snapshot = self.stops.apply(last.as_deref(), snapshot);
        let before_ns = last.as_ref().map(|last| last.taken_ns);
        let mut is_new_base = true;
        if let Some(last) = &last {
            if last.epoch != snapshot.epoch {
                let findings = findings::Findings::new(self.findings.thresholds.clone());
                // What was tried stays: on another runtime it is another trial.
                let session = std::mem::take(&mut self.session);
                *self = Model { findings, session, ..Model::default() };
            } else {
                is_new_base = self.base.advance(Arc::clone(last), snapshot.taken_ns);
            }
        }
        let base = self.base.snapshot().map(Arc::as_ref);
        self.rates_span_ns = base
            .filter(|_| snapshot.targets.is_empty())
            .map(|base| snapshot.running_ns(base.taken_ns, snapshot.taken_ns));
        self.rates = match snapshot.targets.is_empty() {
            true => rates::tasks(&snapshot, base),
            false => self.by_target.rates(&snapshot, last.as_deref(), &self.rates),
        };
        rates::workers(&mut self.workers, &snapshot, base, is_new_base);
        self.slowdown.advance(&snapshot);
        self.lag.advance(&snapshot);
        self.machine.advance(&snapshot);
        self.session.advance(&snapshot, self.slowdown.figure());
        self.blame.advance(&snapshot, last.as_deref(), self.findings.thresholds.long_poll_ns());
        let thresholds = self.findings.thresholds.clone();
        self.findings.advance(&findings::Look {
            snapshot: &snapshot,
            rates: &self.rates,
            workers: &self.workers,
            groups: &findings::census(&snapshot, base),
            base,
            before_ns,
            slowdown: self.slowdown.figure(),
            lag: self.lag.figure(),
            blame: &self.blame,
            machine: self.machine.load(),
            thresholds: &thresholds,
            all_held: OnceCell::new(),
            all_held_until: OnceCell::new(),
        });
        self.timeline.advance(&snapshot);
        self.snapshot = Some(snapshot);
    }

    /// The latest snapshot; `None` before the first one.
    pub fn snapshot(&self) -> Option<&Arc<Target>> {
        self.snapshot.as_ref()
    }

    /// The position of the task with this key in the snapshot's `tasks`.
    pub fn position(&self, key: u64) -> Option<usize> {
        self.snapshot.as_ref()?.tasks.binary_search_by_key(&key, |task| task.key).ok()
    }

    /// The time that the rates of tasks and workers cover, in ns, up to the latest snapshot.
    ///
    /// `None` before there are two snapshots far enough apart: each rate then covers the life of
    /// its task, or of the runtime. Also `None` for programs watched over connections: use
    /// [`target_rates_span_ns`](Self::target_rates_span_ns) for these.
    pub fn rates_span_ns(&self) -> Option<u64> {
        self.rates_span_ns
    }

    /// The time that the rates of the tasks of a target cover, in ns, up to its latest update.
    /// `None` as long as they cover the life of each task.
    pub fn target_rates_span_ns(&self, position: usize) -> Option<u64> {
        self.by_target.span_ns(position)
    }

    /// A copy whose rates cover the time since `first`, an earlier snapshot. Rates stay as
    /// they are where that is too short for a rate, or another runtime or process.
    pub fn with_rates_since(&self, first: &Target) -> Model {
        let mut model = self.clone();
        let Some(snapshot) = self.snapshot.as_ref().filter(|now| now.epoch == first.epoch) else {
            return model;
        };
        if !snapshot.targets.is_empty() {
            model.by_target.rates_since(snapshot, first, &mut model.rates);
            return model;
        }
        let span_ns = snapshot.running_ns(first.taken_ns, snapshot.taken_ns);
        if span_ns >= rates::MIN_SPAN_NS {
            model.rates = rates::tasks(snapshot, Some(first));
            for row in &mut model.workers {
                let history = std::mem::take(&mut row.history);
                *row = rates::worker_row(&row.figures, snapshot, Some(first));
                row.history = history;
            }
            model.rates_span_ns = Some(span_ns);
        }
        model
    }

    /// The rates of the task at this position.
    pub fn rates(&self, position: usize) -> TaskRates {
        self.rates.get(position).copied().unwrap_or_default()
    }

    /// The positions of the tasks that pass the query's filter, in its order.
    pub fn tasks(&self, query: &Query) -> Vec<u32> {
        let tasks = self.snapshot.as_ref().map_or(&[][..], |snapshot| &snapshot.tasks);
        query::select(tasks, &self.rates, query)
    }

    /// The tasks summed up by group.
    pub fn groups(&self, sort: GroupColumn, descending: bool, filter: &Filter) -> Vec<GroupRow> {
        let Some(snapshot) = &self.snapshot else { return Vec::new() };
        group::sum_up(snapshot, &self.rates, sort, descending, filter)
    }

    /// The resources that pass the filter, those with most waiters first.
    pub fn resources(&self, filter: &Filter) -> Vec<ResourceRow> {
        let resources = self.snapshot.as_ref().and_then(|snapshot| snapshot.resources.as_ref());
        resources.map_or_else(Vec::new, |all| resources::rows(all, filter))
    }

    /// The workers, with their rates.
    pub fn workers(&self) -> &[WorkerRow] {
        &self.workers
    }

    /// How much slower the closed-loop work is than before the hog.
    pub fn slowdown(&self) -> &Slowdown {
        self.slowdown.figure()
    }

    /// The long polls of the last minute, and who cost the others most.
    pub fn blame(&self) -> &Blame {
        &self.blame
    }

    /// How long tasks wait for a worker, over the last second.
    pub fn lag(&self) -> &Lag {
        self.lag.figure()
    }

    /// CPU supply over the last seconds; `None` where it is not known, or not known yet.
    pub fn machine(&self) -> Option<&MachineLoad> {
        self.machine.load()
    }

    /// Which kinds of hogs were tried, and what each did.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Who ran when, over the last seconds.
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// What is wrong right now, worst first.
    pub fn findings(&self) -> &[Arc<Finding>] {
        self.findings.active()
    }

    /// The same, and then what was wrong and is over, latest first.
    pub fn all_findings(&self) -> &[Arc<Finding>] {
        self.findings.all()
    }

    /// What tells less than one of [`all_findings`](Self::all_findings) of the same polls: a
    /// task that holds its worker has long polls, too.
    pub fn partial_findings(&self) -> &[Arc<Finding>] {
        self.findings.parts()
    }

    /// The polls of the impact table that blocked a worker for at least the threshold of
    /// `worker-held`, as findings, also those that ended before one could become active.
    pub fn held_in_impact(&self) -> impl Iterator<Item = Finding> {
        let held_ns = self.thresholds().worker_held_ns();
        let has_watchdog = |snapshot: &Arc<Target>| snapshot.description.has(FieldId::LongPolls);
        let is_watched = self.snapshot.as_ref().is_some_and(has_watchdog);
        // A watchdog that has not decided yet may still find `block_in_place`.
        let decided = move |entry: &&Entry| !is_watched || entry.evidence.own_ns.is_some();
        let tasks = self.snapshot.as_ref().map_or(&[][..], |snapshot| &snapshot.tasks);
        self.blame
            .entries()
            .filter(decided)
            .filter_map(move |entry| findings::of_impact(entry, held_ns?, tasks))
    }

    /// The finding with this identity, of now or over.
    pub fn finding(&self, id: &FindingId) -> Option<&Arc<Finding>> {
        self.all_findings().iter().chain(self.partial_findings()).find(|finding| finding.is(id))
    }

    /// From where on each rule speaks.
    pub fn thresholds(&self) -> &Thresholds {
        &self.findings.thresholds
    }
}
