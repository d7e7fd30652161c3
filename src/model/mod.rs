//! Statistics derived from snapshots: rates, groups, slowdown, impact, findings.
//!
//! The model is a pure function of snapshots: it does no I/O, reads no clock and does not know the
//! screen. A [`TargetModel`] follows one target; [`Model`] follows all targets and merges their
//! rows. It depends on `snapshot` and `text`.

mod base;
mod fields;
mod filter;
mod findings;
mod group;
mod group_histories;
mod history;
mod impact_table;
mod lines;
mod machine;
mod merge;
mod pairs;
mod query;
mod rates;
mod resources;
mod ring;
mod rows;
mod scheduling_delay;
mod scope;
mod slowdown;
mod smoothing;
mod stops;
mod target;
mod task_history;
#[cfg(test)]
pub(crate) mod testing;
mod timeline;
mod trials;

use std::sync::Arc;

use crate::snapshot::{Snapshot, Target, TargetId, TaskKey, TaskStats};

pub use fields::{Cell, Column, Emphasis, Field, FieldKind, Row, Value, Width, field};
pub use filter::{Filter, FilterError};
pub use findings::{
    ActiveSpan, AffectedTask, Finding, FindingId, FindingSubject, RULES, Rule, RuleId, Severity,
    Thresholds, Unit,
};
pub use group::{GroupRow, Grouping};
pub use history::{BusyPoint, History, HistoryEvent, HistoryPoint};
pub use impact_table::{ImpactTable, LongPollEntry, Offender, OffenderId, TotalImpact};
pub use machine::MachineLoad;
pub use merge::{OffenderRow, TaskRow};
pub use query::Query;
pub use rates::{TaskRates, WorkerRow};
pub use resources::ResourceRow;
pub use ring::{HistorySample, Ring};
pub use rows::{Refresh, RowQuery, Rows};
pub use scheduling_delay::SchedulingDelay;
pub use scope::{PollScope, Scope};
pub use slowdown::{Factor, Modes, Slowdown};
pub use smoothing::ShownRates;
pub use target::TargetModel;
pub use task_history::{HistoryCell, TaskHistory};
pub use timeline::{
    BarCell, ColumnSpan, Coverage, PollGroup, Timeline, TimelinePoll, WorkerActivity, WorkerBar,
    column_bounds, group_shares,
};
pub use trials::{Trial, TrialSetting, Trials};

/// Follows all targets: derives statistics from consecutive snapshots.
#[derive(Clone, Debug, Default)]
pub struct Model {
    thresholds: Arc<Thresholds>,
    unix_ns: u64,
    targets: Vec<TargetModel>,
    findings: merge::Findings,
}

impl Model {
    /// A model whose rules fire at these thresholds.
    pub fn with_thresholds(thresholds: Thresholds) -> Self {
        Model { thresholds: Arc::new(thresholds), ..Model::default() }
    }

    /// Processes the next snapshot.
    pub fn advance(&mut self, snapshot: &Snapshot) {
        self.unix_ns = snapshot.unix_ns;
        let mut previous = std::mem::take(&mut self.targets);
        for next in &snapshot.targets {
            let at = previous.iter().position(|model| model.target().id == next.id);
            let next = Arc::clone(next);
            self.targets.push(match at.map(|at| previous.swap_remove(at)) {
                None => TargetModel::new(next, &self.thresholds),
                Some(model) if model.target().epoch != next.epoch => model.restart(next),
                // A snapshot may repeat the latest sample of a target.
                Some(model) if model.target().taken_ns == next.taken_ns => model,
                Some(mut model) => {
                    model.advance(next);
                    model
                }
            });
        }
        self.findings = merge::Findings::of(&self.targets);
    }

    /// When the latest snapshot was assembled, in nanoseconds since the Unix epoch; 0 before the
    /// first one.
    pub fn unix_ns(&self) -> u64 {
        self.unix_ns
    }

    /// The latest samples of all targets, without the time in which their processes were stopped.
    pub fn snapshot(&self) -> Snapshot {
        let targets = self.targets.iter().map(|model| Arc::clone(model.target())).collect();
        Snapshot { unix_ns: self.unix_ns, targets }
    }

    /// The targets, in the order of the snapshot; none before the first one.
    pub fn targets(&self) -> &[TargetModel] {
        &self.targets
    }

    /// The target with this id.
    pub fn target(&self, id: TargetId) -> Option<&TargetModel> {
        self.targets.iter().find(|model| model.target().id == id)
    }

    /// The latest samples of the targets that run in other processes.
    pub fn remote_targets(&self) -> impl Iterator<Item = &Target> + Clone {
        let targets = self.targets.iter().map(|model| &**model.target());
        targets.filter(|target| target.connection.is_remote())
    }

    /// The target of a task, and the task.
    pub fn task(&self, key: TaskKey) -> Option<(&TargetModel, &TaskStats)> {
        let model = self.target(key.target).filter(|model| model.target().epoch == key.epoch)?;
        Some((model, model.target().task(key.id)?))
    }

    /// A copy whose rates cover the time since `first`, an earlier snapshot. Rates of a target do
    /// not change if that time is too short for a rate or spans two epochs.
    pub fn with_rates_since(&self, first: &Snapshot) -> Model {
        let mut model = self.clone();
        for target in &mut model.targets {
            let id = target.target().id;
            if let Some(first) = first.targets.iter().find(|first| first.id == id) {
                target.set_rates_since(first);
            }
        }
        model
    }

    /// The thresholds at which the rules fire.
    pub fn thresholds(&self) -> &Thresholds {
        &self.thresholds
    }
}

#[cfg(test)]
impl Model {
    /// The only target.
    pub(crate) fn only(&self) -> &TargetModel {
        let [only] = &self.targets[..] else { panic!("{} targets", self.targets.len()) };
        only
    }
}
