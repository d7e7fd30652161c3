//! Changes how many instances a workload has: one more or fewer, none for now, or all restarted.
//! Each function returns a sentence for the user.

use std::sync::atomic::Ordering::Relaxed;

use super::{
    bounds::{MAX_TASKS, MAX_UNITS},
    crew::Foreman,
    shared::{Shared, Tally},
};

const NO_WORKLOAD: &str = "there is no such workload";

/// One more.
pub(super) fn raise(shared: &Shared, foreman: &Foreman, position: usize) -> String {
    change(shared, foreman, position, |tally, count| {
        let name = &tally.spec.name;
        if count >= MAX_UNITS {
            return Err(format!("{name}: {count} is the maximum"));
        }
        if tasks(shared) >= MAX_TASKS {
            return Err(format!(
                "{name}: still {count}, the lab has reached its maximum of {MAX_TASKS} tasks"
            ));
        }
        Ok(count + 1)
    })
}

/// One fewer.
pub(super) fn lower(shared: &Shared, foreman: &Foreman, position: usize) -> String {
    change(shared, foreman, position, |tally, count| {
        count.checked_sub(1).ok_or_else(|| format!("{} is already at 0", tally.spec.name))
    })
}

fn change(
    shared: &Shared,
    foreman: &Foreman,
    position: usize,
    to: impl FnOnce(&Tally, usize) -> Result<usize, String>,
) -> String {
    let Some(tally) = shared.tallies.get(position) else { return NO_WORKLOAD.into() };
    let name = &tally.spec.name;
    if let Some(count) = tally.paused() {
        return format!("{name} is paused at {count}: resume it with p first");
    }
    match to(tally, tally.wanted.load(Relaxed)) {
        Ok(count) => {
            tally.wanted.store(count, Relaxed);
            foreman.look();
            format!("{name}: {count}")
        }
        Err(sentence) => sentence,
    }
}

/// Ends all tasks of a workload and remembers how many there were, or starts as many
/// again. Nothing can hold a task that wants to run, so a pause is an end.
pub(super) fn pause(shared: &Shared, foreman: &Foreman, position: usize) -> String {
    let Some(tally) = shared.tallies.get(position) else { return NO_WORKLOAD.into() };
    let (name, count) = (&tally.spec.name, tally.wanted.load(Relaxed));
    let said = match tally.paused() {
        Some(count) => {
            tally.failure.begin();
            tally.paused.store(0, Relaxed);
            tally.wanted.store(count, Relaxed);
            format!("{name} resumed: {count} start again")
        }
        None if count == 0 => return format!("{name} is at 0: nothing to pause"),
        None => {
            tally.paused.store(count, Relaxed);
            tally.wanted.store(0, Relaxed);
            format!("{name} paused: its tasks end, p starts {count} again")
        }
    };
    foreman.look();
    said
}

/// Ends all of a workload and starts as many anew: also those that had failed.
pub(super) fn restart(shared: &Shared, foreman: &Foreman, position: usize) -> String {
    let Some(tally) = shared.tallies.get(position) else { return NO_WORKLOAD.into() };
    let (name, count) = (&tally.spec.name, tally.wanted.load(Relaxed));
    if let Some(count) = tally.paused() {
        return format!("{name} is paused: p starts {count} again");
    }
    tally.failure.begin();
    tally.restarts.fetch_add(1, Relaxed);
    foreman.look();
    format!("{name} restarted: its tasks end, {count} start again")
}

/// The tasks that all workloads want, those that are paused too.
fn tasks(shared: &Shared) -> usize {
    let tasks = |tally: &Tally| {
        let count = tally.paused().unwrap_or_else(|| tally.wanted.load(Relaxed));
        tally.spec.tasks(count)
    };
    shared.tallies.iter().map(tasks).sum()
}
