//! Which figures are missing, and why.

use std::collections::BTreeMap;

use crate::model::Target;

/// Why there is no slowdown.
pub(super) fn no_slowdown(snapshot: &Target) -> &'static str {
    match snapshot.lab {
        Some(_) => "no closed-loop workload, or no baseline without a hog yet",
        None => "only the lab measures completed work",
    }
}

/// Figure (as a path such as `workers.steals`) → why it is not to be had.
pub(super) type Reasons = BTreeMap<&'static str, &'static str>;

/// All that a snapshot cannot know, and why.
pub(super) fn unavailable(snapshot: &Target) -> Reasons {
    let mut reasons = Reasons::new();
    let mut note = |path, reason: Option<&'static str>| {
        if let Some(reason) = reason {
            reasons.entry(path).or_insert(reason);
        }
    };
    let runtime = &snapshot.runtime;
    for (path, figure) in [
        ("runtime.alive_tasks", runtime.alive_tasks),
        ("runtime.global_queue", runtime.global_queue),
        ("runtime.blocking_threads", runtime.blocking_threads),
        ("runtime.idle_blocking_threads", runtime.idle_blocking_threads),
        ("runtime.blocking_queue", runtime.blocking_queue),
        ("runtime.budget_forced_yields", runtime.budget_forced_yields),
        ("runtime.remote_schedules", runtime.remote_schedules),
    ] {
        note(path, figure.reason());
    }
    let flavor = runtime.flavor.reason();
    note("runtime.flavor", flavor);
    if snapshot.workers.is_empty() {
        note("runtime.workers", flavor);
        note("workers", flavor);
    }
    if !snapshot.targets.is_empty() {
        note("groups.poll_p99_ns", flavor);
        note("groups.delay_p99_ns", flavor);
    }
    if snapshot.targets.iter().any(|target| !target.link.is_live()) {
        note("tasks.polls_per_second", Some("its target is not connected"));
        note("tasks.busy_share", Some("its target is not connected"));
    }
    for worker in &snapshot.workers {
        for (path, figure) in [
            ("workers.poll_ns", worker.poll_ns),
            ("workers.busy_ns", worker.busy_ns),
            ("workers.polls", worker.polls),
            ("workers.parks", worker.parks),
            ("workers.steals", worker.steals),
            ("workers.overflows", worker.overflows),
            ("workers.local_queue", worker.local_queue),
        ] {
            note(path, figure.reason());
        }
    }
    for task in &snapshot.tasks {
        note("tasks.live_wakers", task.live_wakers.reason());
    }
    reasons
}
