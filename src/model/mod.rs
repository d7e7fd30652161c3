//! What snapshots mean: rates, order, groups, the slowdown, findings.
//!
//! Pure: snapshots go in, figures come out. No I/O, no clock (time is in the snapshots),
//! no ratatui.

mod columns;
mod finding;
mod group;
mod query;
mod rates;
mod slowdown;
mod snapshot;

use std::sync::Arc;

pub use columns::Column;
pub use finding::{Finding, Severity};
pub use group::{GroupColumn, GroupRow, group_name};
pub use query::{Filter, Query};
pub use rates::{TaskRates, WorkerRow};
pub use slowdown::{Factor, Lag, Slowdown};
pub use snapshot::{
    CurrentPoll, Distributions, Figure, Flavor, HogFigures, Interest, LabFigures, RuntimeFigures,
    Snapshot, Subject, TaskFigures, TaskMeta, WorkerFigures, WorkloadFigures,
};

/// Follows one source: takes its snapshots in, in order, and derives what they mean.
#[derive(Clone, Debug, Default)]
pub struct Model {
    snapshot: Option<Arc<Snapshot>>,
    rates: Vec<TaskRates>,
    workers: Vec<WorkerRow>,
    slowdown: Slowdown,
    lag: Lag,
    findings: Vec<Finding>,
}

impl Model {
    /// Takes in the next snapshot.
    pub fn advance(&mut self, snapshot: Arc<Snapshot>) {
        self.snapshot = Some(snapshot);
    }

    /// The latest snapshot; `None` before the first one.
    pub fn snapshot(&self) -> Option<&Arc<Snapshot>> {
        self.snapshot.as_ref()
    }

    /// The position of the task with this key in the snapshot's `tasks`.
    pub fn position(&self, key: u64) -> Option<usize> {
        self.snapshot.as_ref()?.tasks.binary_search_by_key(&key, |task| task.key).ok()
    }

    /// What happened to the task at this position since the snapshot before.
    pub fn rates(&self, position: usize) -> TaskRates {
        self.rates.get(position).copied().unwrap_or_default()
    }

    /// The positions of the tasks that pass the query's filter, in its order.
    pub fn tasks(&self, _query: &Query) -> Vec<u32> {
        Vec::new()
    }

    /// The tasks summed up by group.
    pub fn groups(&self, _sort: GroupColumn, _descending: bool, _filter: &Filter) -> Vec<GroupRow> {
        Vec::new()
    }

    /// The workers, with what happened since the snapshot before.
    pub fn workers(&self) -> &[WorkerRow] {
        &self.workers
    }

    /// How much slower the closed-loop work is than before the hog.
    pub fn slowdown(&self) -> &Slowdown {
        &self.slowdown
    }

    /// How long tasks wait for a worker, over the last second.
    pub fn lag(&self) -> &Lag {
        &self.lag
    }

    /// What is wrong right now, worst first.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
}
