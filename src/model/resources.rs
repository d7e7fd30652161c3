//! The list of resources, with the tasks that wait for them.

use std::{cmp::Reverse, collections::HashSet};

use super::{Query, TargetModel, fields};
use crate::snapshot::{AsyncOpStats, ResourceKey, ResourceStats, Resources, Target};

/// A resource, with the tasks that wait for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceRow {
    /// The resource.
    pub key: ResourceKey,
    /// Its position in the sample.
    pub(super) at: usize,
    /// Keys of the tasks that wait for it or for a part of it.
    pub waiters: Vec<u64>,
    /// The longest time that one of them has waited, in nanoseconds.
    pub longest_ns: u64,
}

/// The resources of a target, without those that are part of another one: a task that waits for a
/// part waits for the whole.
fn rows(target: &Target) -> Vec<ResourceRow> {
    let Some(resources) = target.resources.as_deref() else { return Vec::new() };
    let all = &resources.resources;
    let row = |(at, resource): (usize, &ResourceStats)| ResourceRow {
        key: target.resource_key(resource.key),
        at,
        waiters: Vec::new(),
        longest_ns: 0,
    };
    let mut rows: Vec<ResourceRow> = all.iter().enumerate().map(row).collect();
    let mut seen = HashSet::new();
    for Wait { resource, task, age_ns, .. } in waits(resources) {
        let Some(row) = rows.get_mut(resource) else { continue };
        if seen.insert((resource, task)) {
            row.waiters.push(task);
        }
        row.longest_ns = row.longest_ns.max(age_ns);
    }
    rows.retain(|row| !(all[row.at].is_internal && all[row.at].parent.is_some()));
    rows
}

impl TargetModel {
    /// The resources for which tasks wait, those with most waiting tasks first.
    pub fn contended_resources(&self) -> Vec<ResourceRow> {
        let mut rows = rows(self.target());
        rows.retain(|row| !row.waiters.is_empty());
        rows.sort_by_key(|row| Reverse((row.waiters.len(), row.longest_ns)));
        rows
    }
}

/// The resources of all targets that the query asks for, in its order; ties in the order of their
/// keys.
pub(super) fn select(targets: &[TargetModel], query: &Query) -> Vec<ResourceRow> {
    let selected = targets.iter().flat_map(|target| {
        let matcher = query.filter.of::<ResourceRow>(target);
        let rows = rows(target.target()).into_iter();
        rows.filter(move |row| matcher.passes(target, row)).map(move |row| (target, row))
    });
    fields::select(selected.collect(), query.sort, query.descending)
}

/// A task that waits for a resource in one operation.
#[derive(Debug)]
pub(super) struct Wait {
    /// The index of the resource; of a part, that of the whole.
    pub resource: usize,
    /// The key of the task.
    pub task: u64,
    /// How long it has waited, in nanoseconds.
    pub age_ns: u64,
    /// Whether the latest poll of the operation is known to have returned `Pending`.
    pub is_pending: bool,
}

/// The tasks that wait for resources.
pub(super) fn waits(resources: &Resources) -> impl Iterator<Item = Wait> {
    operations(resources, AsyncOpStats::is_waiting)
}

/// The tasks with a future that was given what it had requested, and was probably not polled since.
pub(super) fn grants(resources: &Resources) -> impl Iterator<Item = Wait> {
    operations(resources, |op| op.is_granted)
}

fn operations(
    resources: &Resources,
    select: fn(&AsyncOpStats) -> bool,
) -> impl Iterator<Item = Wait> {
    resources.async_ops.iter().filter(move |op| select(op)).filter_map(|op| {
        let resource = whole(&resources.resources, op.resource?)?;
        let is_pending = op.is_ready == Some(false);
        Some(Wait { resource, task: op.task?, age_ns: op.age_ns, is_pending })
    })
}

/// The index of the resource that this one is a part of, or else its own. The depth is limited: a
/// program may report a resource as a part of itself.
fn whole(all: &[ResourceStats], resource: u64) -> Option<usize> {
    let index = |key| all.binary_search_by_key(&key, |resource| resource.key).ok();
    let mut at = index(resource)?;
    for _ in 0..4 {
        let parent = all[at].parent.filter(|_| all[at].is_internal);
        let Some(parent) = parent.and_then(index) else { break };
        at = parent;
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        Filter, Model,
        testing::{async_op, resource, snapshot, task},
    };

    fn listed(resources: &Resources, filter: &str) -> Vec<(u64, Vec<u64>)> {
        let mut model = Model::default();
        let resources = Some(resources.clone().into());
        model.advance(&Target { resources, ..snapshot(1, []) }.into());
        let filter = Filter::new(filter);
        let rows = model.resources(&Query { filter, ..Query::of_resources() }).into_iter();
        rows.map(|row| (row.key.id, row.waiters)).collect()
    }

    #[test]
    fn task_that_waits_for_a_part_waits_for_the_whole() {
        let mut part = resource(2, "Semaphore");
        (part.parent, part.is_internal) = (Some(1), true);
        let resources = Resources {
            resources: vec![resource(1, "Mutex"), part, resource(3, "Sleep")],
            async_ops: vec![async_op(1, 1, 70), async_op(2, 2, 70), async_op(3, 2, 71)],
        };
        assert_eq!(listed(&resources, ""), [(1, vec![70, 71]), (3, vec![])]);
        assert_eq!(listed(&resources, "sleep"), [(3, vec![])]);
    }

    #[test]
    fn unknown_values_come_last_in_both_orders() {
        // Unknown values between known ones, in more rows than are sorted by insertion.
        let resources = (0..40).map(|key| {
            let is_known = key % 3 != 1;
            let mut resource = resource(key, "Mutex");
            resource.holder = is_known.then_some(key % 7);
            resource.reports_waits = is_known;
            resource
        });
        let resources = Resources { resources: resources.collect(), async_ops: Vec::new() };
        let mut model = Model::default();
        let resources = Some(resources.into());
        let tasks = (0..7).map(|key| task(key, &format!("holder-{}", 9 - key)));
        model.advance(&Target { resources, ..snapshot(1, tasks) }.into());
        for sort in ["holder", "waiters"] {
            for descending in [false, true] {
                let rows = model.resources(&Query { sort, descending, ..Query::of_resources() });
                let is_known: Vec<_> = rows.iter().map(|row| row.key.id % 3 != 1).collect();
                assert!(is_known.is_sorted_by(|one, next| one >= next), "{sort} {is_known:?}");
            }
        }
    }

    #[test]
    fn completed_and_dropped_operations_do_not_wait() {
        let mut completed = async_op(1, 1, 70);
        completed.is_ready = Some(true);
        let mut dropped = async_op(2, 1, 71);
        dropped.is_dropped = true;
        let resources = Resources {
            resources: vec![resource(1, "Mutex")],
            async_ops: vec![completed, dropped],
        };
        assert_eq!(listed(&resources, ""), [(1, vec![])]);
    }

    #[test]
    fn resources_that_are_parts_of_each_other_are_not_listed() {
        let (mut one, mut two) = (resource(1, "A"), resource(2, "B"));
        (one.parent, one.is_internal) = (Some(2), true);
        (two.parent, two.is_internal) = (Some(1), true);
        let resources =
            Resources { resources: vec![one, two], async_ops: vec![async_op(1, 1, 70)] };
        assert!(listed(&resources, "").is_empty());
    }
}
