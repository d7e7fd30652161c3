//! Commands about the instances of a workload. Each function returns a sentence for the user.

use std::sync::atomic::Ordering::Relaxed;

use super::{
    bounds::{MAX_INSTANCES, MAX_TASKS},
    state::{LabState, WorkloadState},
    supervisor::WorkloadSupervisor,
};

pub(super) const NO_SUCH_WORKLOAD: &str = "there is no such workload";

/// Adds an instance.
pub(super) fn add(state: &LabState, supervisor: &WorkloadSupervisor, position: usize) -> String {
    change(state, supervisor, position, |workload, count| {
        let name = &workload.spec.name;
        if count >= MAX_INSTANCES {
            return Err(format!("{name}: {count} is the maximum"));
        }
        if max_tasks(state) >= MAX_TASKS {
            return Err(format!(
                "{name}: still {count}, the lab has reached its maximum of {MAX_TASKS} tasks"
            ));
        }
        Ok(count + 1)
    })
}

/// Removes an instance.
pub(super) fn remove(state: &LabState, supervisor: &WorkloadSupervisor, position: usize) -> String {
    change(state, supervisor, position, |workload, count| {
        count.checked_sub(1).ok_or_else(|| format!("{} is already at 0", workload.spec.name))
    })
}

fn change(
    state: &LabState,
    supervisor: &WorkloadSupervisor,
    position: usize,
    new_count: impl FnOnce(&WorkloadState, usize) -> Result<usize, String>,
) -> String {
    let Some(workload) = state.workloads.get(position) else { return NO_SUCH_WORKLOAD.into() };
    let name = &workload.spec.name;
    if let Some(count) = workload.paused_count() {
        return format!("{name} is paused at {count}: resume it with p first");
    }
    match new_count(workload, workload.target_count.load(Relaxed)) {
        Ok(count) => {
            workload.target_count.store(count, Relaxed);
            supervisor.notify();
            format!("{name}: {count}")
        }
        Err(sentence) => sentence,
    }
}

/// Stops all instances and remembers their number, or starts the same number again. A pause has to
/// stop them: a runnable task cannot be suspended.
pub(super) fn pause(state: &LabState, supervisor: &WorkloadSupervisor, position: usize) -> String {
    let Some(workload) = state.workloads.get(position) else { return NO_SUCH_WORKLOAD.into() };
    let (name, count) = (&workload.spec.name, workload.target_count.load(Relaxed));
    let sentence = match workload.paused_count() {
        Some(count) => {
            workload.failure.take();
            workload.paused.store(0, Relaxed);
            workload.target_count.store(count, Relaxed);
            format!("{name} resumed: {count} start again")
        }
        None if count == 0 => return format!("{name} is at 0: nothing to pause"),
        None => {
            workload.paused.store(count, Relaxed);
            workload.target_count.store(0, Relaxed);
            format!("{name} paused: its tasks end, p starts {count} again")
        }
    };
    supervisor.notify();
    sentence
}

/// Stops all instances and starts the same number again, including those that had failed.
pub(super) fn restart(
    state: &LabState,
    supervisor: &WorkloadSupervisor,
    position: usize,
) -> String {
    let Some(workload) = state.workloads.get(position) else { return NO_SUCH_WORKLOAD.into() };
    let (name, count) = (&workload.spec.name, workload.target_count.load(Relaxed));
    if let Some(count) = workload.paused_count() {
        return format!("{name} is paused: p starts {count} again");
    }
    workload.failure.take();
    workload.restarts.fetch_add(1, Relaxed);
    supervisor.notify();
    format!("{name} restarted: its tasks end, {count} start again")
}

/// The maximum number of tasks at the current counts, including paused workloads.
fn max_tasks(state: &LabState) -> usize {
    let tasks = |workload: &WorkloadState| {
        let count = workload.paused_count();
        workload.spec.max_tasks(count.unwrap_or_else(|| workload.target_count.load(Relaxed)))
    };
    state.workloads.iter().map(tasks).sum()
}
