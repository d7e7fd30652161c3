//! The tables of a target. Unavailable values are null.

use super::row::{Row, Value, list, row, unavailable};
use crate::{
    model::{self, Field, TargetModel, TaskRow},
    snapshot::{AsyncOpStats, FieldId, Flavor, ResourceStats, Resources, Target},
};

/// The fields of a row that documents have.
fn fields<R: model::Row>() -> impl Iterator<Item = &'static Field<R>> {
    R::fields().iter().filter(|field| field.in_reports)
}

/// The names of the fields of a task.
pub(super) fn task_names() -> impl Iterator<Item = &'static str> {
    fields::<TaskRow>().map(|field| field.name)
}

pub(super) fn values<'a, R: model::Row>(model: &'a TargetModel, row: &R) -> Row<'a> {
    let value = |field: &Field<R>| field.exact_value(model, row).into_owned().into();
    Row(fields::<R>().map(|field| (field.name, value(field))).collect())
}

/// The tasks, as an iterator because there may be a million of them.
pub(super) fn tasks(model: &TargetModel) -> impl Iterator<Item = Row<'_>> {
    let rows = (0u32..).map(|task| TaskRow { target: 0, task });
    rows.take(model.target().tasks.len()).map(|row| values(model, &row))
}

/// The groups by name. A sum is unavailable if the values of the tasks are.
pub(super) fn groups(model: &TargetModel) -> impl Iterator<Item = Row<'_>> {
    model.groups("name", false).into_iter().map(|row| values(model, &row))
}

/// The workers, in Tokio's order.
pub(super) fn workers(model: &TargetModel) -> impl Iterator<Item = Row<'_>> {
    model.workers().iter().map(|worker| {
        let mut row = values(model, worker);
        let current = worker.stats.current.as_ref().zip(worker.current.as_ref());
        let has_current = model.target().description.has(FieldId::CurrentPoll);
        let current = current.filter(|_| has_current).map(|(poll, (name, elapsed_ns))| {
            row! {
                task: poll.key,
                name: name,
                kind: poll.kind.as_str(),
                elapsed_ns: *elapsed_ns,
            }
        });
        row.0.push(("current", current.into()));
        row
    })
}

/// The fields of the runtime.
pub(super) fn runtime(target: &Target) -> Row<'static> {
    let runtime = &target.runtime;
    let row = row! {
        flavor: runtime.flavor.map(Flavor::as_str),
        workers: target.description.get(FieldId::Workers, target.workers.len()).ok(),
        uptime_ns: runtime.uptime_ns,
        alive_tasks: runtime.alive_tasks,
        measured_tasks: runtime.measured_tasks,
        injection_queue: runtime.injection_queue,
        blocking_threads: runtime.blocking_threads,
        idle_blocking_threads: runtime.idle_blocking_threads,
        blocking_queue: runtime.blocking_queue,
        budget_forced_yields: runtime.budget_forced_yields,
        remote_schedules: runtime.remote_schedules,
    };
    row.without(&unavailable(&["runtime"], &target.description))
}

/// All resources, also those for which no task waits.
pub(super) fn resources(resources: &Resources) -> Value<'_> {
    list(resources.resources.iter().map(resource))
}

pub(super) fn resource(resource: &ResourceStats) -> Row<'_> {
    row! {
        id: resource.id,
        key: resource.key,
        type_name: &resource.type_name,
        kind: &resource.kind,
        location: &resource.location,
        state: &resource.state,
        parent: resource.parent,
        internal: resource.is_internal,
        age_ns: resource.age_ns,
        dropped: resource.is_dropped,
        taken: resource.is_taken,
        holder: resource.holder,
        held_ns: resource.held_ns,
        owned_guard: resource.is_guard_owned,
        waits_reported: resource.reports_waits,
    }
}

/// The async operations of tasks on resources.
pub(super) fn async_ops(resources: &Resources) -> Value<'_> {
    list(resources.async_ops.iter().map(async_op))
}

pub(super) fn async_op(op: &AsyncOpStats) -> Row<'_> {
    row! {
        id: op.id,
        key: op.key,
        source: &op.source,
        resource: op.resource,
        parent: op.parent,
        task: op.task,
        state: &op.state,
        polls: op.polls,
        busy_ns: op.busy_ns,
        age_ns: op.age_ns,
        dropped: op.is_dropped,
        ready: op.is_ready,
        granted: op.is_granted,
    }
}
