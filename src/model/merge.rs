//! Merges the rows of all targets into one table each.

use std::{cmp::Reverse, sync::Arc};

use super::{
    Finding, FindingId, GroupRow, LongPollEntry, Model, Offender, OffenderId, Query, ResourceRow,
    RuleId, TargetModel, TaskRates, findings, group, query, resources,
};
use crate::snapshot::TaskStats;

/// A row of the task table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskRow {
    /// The position of the target among those of the model.
    pub target: u32,
    /// The position of the task in the target.
    pub task: u32,
}

/// A row of the merged impact table.
#[derive(Clone, Copy, Debug)]
pub struct OffenderRow<'a> {
    /// The target.
    pub target: &'a TargetModel,
    /// The group, and the impact of its long polls.
    pub offender: &'a Offender,
}

impl OffenderRow<'_> {
    /// The identity, which is the same in all snapshots.
    pub fn id(&self) -> OffenderId {
        self.offender.id(self.target.target().id)
    }

    /// The long polls, latest first.
    pub fn polls(&self) -> impl Iterator<Item = &LongPollEntry> {
        self.target.impact_table().entries().filter(|entry| self.offender.contains(entry))
    }

    /// The suggested fix.
    pub fn fix(&self) -> &'static str {
        let polls = self.polls().map(|entry| &*entry.evidence);
        findings::fix_for(Some(&self.offender.evidence), polls, RuleId::LongPoll.rule())
    }
}

/// The findings of all targets.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings {
    /// Active ones, worst first, then resolved ones, latest first.
    listed: Vec<Arc<Finding>>,
    active: usize,
    covered: Vec<Arc<Finding>>,
}

impl Findings {
    pub(super) fn of(targets: &[TargetModel]) -> Self {
        let merged = |of: fn(&TargetModel) -> &[Arc<Finding>]| {
            let mut all: Vec<_> = targets.iter().flat_map(of).cloned().collect();
            if targets.len() > 1 {
                all.sort_by(|a, b| findings::order(a, b));
            }
            all
        };
        let listed = merged(TargetModel::all_findings);
        let active = listed.partition_point(|finding| finding.active);
        Findings { listed, active, covered: merged(TargetModel::covered_findings) }
    }
}

impl Model {
    /// The tasks that pass the query's filter, in its order.
    pub fn tasks(&self, query: &Query) -> Vec<TaskRow> {
        query::select(self.targets(), query)
    }

    /// The target and the task of a row, with the rates of the task.
    pub fn task_of_row(&self, row: TaskRow) -> Option<(&TargetModel, &TaskStats, TaskRates)> {
        let model = self.targets().get(row.target as usize)?;
        let task = model.target().tasks.get(row.task as usize)?;
        Some((model, task, model.rates(row.task as usize)))
    }

    /// The groups of tasks that pass the query's filter, in its order.
    pub fn groups(&self, query: &Query) -> Vec<GroupRow> {
        group::select(self.targets(), query)
    }

    /// The resources that pass the query's filter, in its order.
    pub fn resources(&self, query: &Query) -> Vec<ResourceRow> {
        resources::select(self.targets(), query)
    }

    /// The impact table of all targets: the long polls of the last minute, largest impact first.
    pub fn offenders(&self) -> Vec<OffenderRow<'_>> {
        let of = |target| {
            TargetModel::impact_table(target)
                .offenders()
                .iter()
                .map(move |offender| OffenderRow { target, offender })
        };
        let mut all: Vec<_> = self.targets().iter().flat_map(of).collect();
        all.sort_by_key(|row| Reverse(row.offender.rank()));
        all
    }

    /// The row of the impact table with this identity.
    pub fn offender(&self, id: &OffenderId) -> Option<OffenderRow<'_>> {
        let target = self.target(id.target)?;
        let mut offenders = target.impact_table().offenders().iter();
        let offender = offenders.find(|offender| offender.id(id.target) == *id)?;
        Some(OffenderRow { target, offender })
    }

    /// Active findings, worst first.
    pub fn findings(&self) -> &[Arc<Finding>] {
        &self.findings.listed[..self.findings.active]
    }

    /// Active findings, worst first, then resolved ones, latest first.
    pub fn all_findings(&self) -> &[Arc<Finding>] {
        &self.findings.listed
    }

    /// Findings covered by one of [`all_findings`](Self::all_findings), which reports the same
    /// polls in more detail.
    pub fn covered_findings(&self) -> &[Arc<Finding>] {
        &self.findings.covered
    }

    /// The active or resolved finding with this identity.
    pub fn finding(&self, id: &FindingId) -> Option<&Arc<Finding>> {
        self.all_findings().iter().chain(self.covered_findings()).find(|finding| finding.is(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::testing::{description, snapshot, task},
        snapshot::{Connection, Snapshot, State, Target, TargetId, TaskStats},
    };

    const S: u64 = 1_000_000_000;

    fn target(id: u32, taken_ns: u64, tasks: impl IntoIterator<Item = TaskStats>) -> Target {
        Target {
            id: TargetId(id),
            description: description(&format!("app-{id}")).into(),
            ..snapshot(taken_ns, tasks)
        }
    }

    fn advance<const N: usize>(model: &mut Model, targets: [Target; N]) {
        model.advance(&Snapshot { unix_ns: 1, targets: targets.map(Arc::new).into() });
    }

    /// An idle task without wakers.
    fn lost(id: u64) -> TaskStats {
        TaskStats { live_wakers: Some(0), state: State::Idle, ..task(id, "conn-1") }
    }

    #[test]
    fn equal_tasks_of_two_targets_are_two_tasks_and_two_findings() {
        let mut model = Model::default();
        advance(&mut model, [target(0, 3 * S, [lost(1)]), target(1, 3 * S, [lost(1)])]);
        let rows = model.tasks(&Query { sort: "target", descending: true, ..Query::default() });
        let names: Vec<_> = rows
            .iter()
            .filter_map(|row| model.task_of_row(*row))
            .map(|(target, task, _)| (&**target.name(), target.target().task_key(task.key)))
            .collect();
        assert_eq!(names.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["app-1", "app-0"]);
        assert_ne!(names[0].1, names[1].1);
        let [one, other] = model.findings() else { panic!("{:?}", model.findings()) };
        assert_ne!(one.id(), other.id());
        assert_eq!(model.groups(&Query::default()).len(), 2);
    }

    #[test]
    fn tasks_of_an_epoch_are_not_found_in_the_next_one() {
        let mut model = Model::default();
        advance(&mut model, [target(0, S, [task(1, "a")])]);
        let key = model.only().target().task_key(1);
        assert!(model.task(key).is_some());
        advance(&mut model, [Target { epoch: 2, ..target(0, 2 * S, [task(1, "b")]) }]);
        assert!(model.task(key).is_none());
    }

    #[test]
    fn targets_are_added_and_removed() {
        let mut model = Model::default();
        let ids = |model: &Model| -> Vec<u32> {
            model.targets().iter().map(|model| model.target().id.0).collect()
        };
        advance(&mut model, [target(0, S, []), target(1, S, [])]);
        advance(&mut model, [target(1, 2 * S, []), target(2, 2 * S, [])]);
        assert_eq!(ids(&model), [1, 2]);
        assert_eq!(model.target(TargetId(1)).and_then(TargetModel::rates_span_ns), Some(S));
        assert_eq!(model.target(TargetId(2)).and_then(TargetModel::rates_span_ns), None);
    }

    fn polled(polls: u64) -> TaskStats {
        TaskStats { polls, ..task(1, "t") }
    }

    #[test]
    fn rates_hold_from_one_update_to_the_next() {
        let mut model = Model::default();
        let mut seen = Vec::new();
        for quarter in 0..12u64 {
            // The first target sends an update each second, the other one half a second later.
            let (first, second) = (quarter / 4, (quarter + 2) / 4);
            let taken_ns = 10 * S + quarter * S / 4;
            let mut targets = [
                target(0, taken_ns, [polled(100 * first)]),
                target(1, taken_ns, [polled(60 * second)]),
            ];
            targets[0].known_until_ns = (10 + first) * S;
            targets[1].known_until_ns = (10 + second) * S - S / 2;
            advance(&mut model, targets);
            seen.push([0, 1].map(|at: usize| model.targets()[at].rates(0).polls));
        }
        assert!(seen[4..].iter().all(|rates| *rates == [100.0, 60.0]), "{seen:?}");
    }

    #[test]
    fn rates_without_a_connection_are_unknown() {
        let mut model = Model::default();
        let mut seen = Vec::new();
        for second in 0..6u64 {
            let mut now = target(0, (10 + second) * S, [polled(100 * second)]);
            if second == 3 {
                now.connection = Connection::Stale { since_ns: 12 * S };
            }
            advance(&mut model, [now]);
            let rates = model.only().rates(0);
            seen.push((rates.unknown, rates.polls));
        }
        assert_eq!(seen[2..], [(false, 100.0), (true, 0.0), (false, 100.0), (false, 100.0)]);
    }
}
