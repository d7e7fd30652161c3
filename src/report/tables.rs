//! The tables of a target. Unavailable values are null.

use super::row::{Row, Value, list, row, unavailable};
use crate::{
    model::{GroupColumn, GroupRow, TargetModel, TaskRates, WorkerRow},
    snapshot::{Description, FieldId, Flavor, Resources, Target, TaskStats},
};

row! { TASK = fn task(task: &'a TaskStats, rates: TaskRates, now_ns: u64) {
    id: task.meta.id,
    key: task.key,
    name: &task.meta.name,
    group: &task.meta.group,
    location: &task.meta.location,
    state: task.state.as_str(),
    state_ns: task.time_in_state_ns(now_ns),
    stage: task.stage.as_deref(),
    polls: task.polls,
    wakes: task.wakes,
    self_wakes: task.self_wakes,
    live_wakers: task.live_wakers,
    lifetime_ns: task.lifetime_ns,
    busy_ns: task.busy_ns,
    scheduled_ns: task.scheduled_ns,
    idle_ns: task.idle_ns,
    max_poll_ns: task.max_poll_ns,
    max_delay_ns: task.max_delay_ns,
    polls_per_second: (!rates.unknown).then_some(rates.polls),
    busy_share: (!rates.unknown).then_some(rates.busy),
    future_bytes: Some(task.meta.future_size).filter(|size| *size > 0),
    kind: task.meta.kind.as_str(),
}}

/// The tasks, as an iterator because there may be a million of them.
pub(super) fn tasks(model: &TargetModel) -> impl Iterator<Item = Row<'_>> {
    let target = model.target();
    let hidden = unavailable(&["tasks"], &target.description);
    let tasks = target.tasks.iter().enumerate();
    tasks.map(move |(i, stats)| task(stats, model.rates(i), target.taken_ns).without(&hidden))
}

/// The groups by name. A sum is unavailable if the values of the tasks are.
pub(super) fn groups(model: &TargetModel) -> impl Iterator<Item = Row<'static>> {
    let hidden = unavailable(&["groups", "tasks"], &model.target().description);
    model.groups(GroupColumn::Name, false).into_iter().map(move |row| group(&row).without(&hidden))
}

fn group(group: &GroupRow) -> Row<'static> {
    row! {
        name: group.name.to_string(),
        location: group.location.to_string(),
        tasks: group.tasks,
        ended: group.ended,
        runnable: group.runnable,
        polling: group.polling,
        polls: group.polls,
        polls_per_second: (!group.unknown).then_some(group.poll_rate),
        busy_share: (!group.unknown).then_some(group.busy_share),
        busy_ns: group.busy_ns,
        scheduled_ns: group.scheduled_ns,
        idle_ns: group.idle_ns,
        max_poll_ns: group.max_poll_ns,
        poll_p99_ns: group.poll_p99_ns,
        delay_p99_ns: group.delay_p99_ns,
        wakes: group.wakes,
    }
}

/// The workers, in Tokio's order.
pub(super) fn workers(model: &TargetModel) -> impl Iterator<Item = Row<'_>> {
    let description = &*model.target().description;
    let hidden = unavailable(&["workers"], description);
    model.workers().iter().map(move |row| worker(row, description).without(&hidden))
}

fn worker<'a>(worker: &'a WorkerRow, description: &Description) -> Row<'a> {
    let stats = &worker.stats;
    let current = stats.current.as_ref().zip(worker.current.as_ref());
    row! {
        index: stats.index,
        thread: &stats.thread,
        current: current.map(|(poll, (name, elapsed_ns))| row! {
            task: poll.key,
            name: name,
            kind: poll.kind.as_str(),
            elapsed_ns: *elapsed_ns,
        }),
        busy_share: worker.busy,
        polls_per_second: description.get(FieldId::WorkerPolls, worker.polls).ok(),
        poll_ns: stats.poll_ns,
        busy_ns: stats.busy_ns,
        polls: stats.polls,
        parks: stats.parks,
        steals: stats.steals,
        overflows: stats.overflows,
        local_queue: stats.local_queue,
    }
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

/// The resources that tasks wait for.
pub(super) fn resources(resources: &Resources) -> Value<'_> {
    list(resources.resources.iter().map(|resource| {
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
        }
    }))
}

/// The async operations of tasks on resources.
pub(super) fn async_ops(resources: &Resources) -> Value<'_> {
    list(resources.async_ops.iter().map(|op| {
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
        }
    }))
}
