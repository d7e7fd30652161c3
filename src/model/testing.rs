//! Hand-made snapshots for tests.

use std::sync::Arc;

use crate::{
    snapshot::{
        Accuracy, AsyncOpStats, Description, FieldId, Flavor, HogChoice, HogStats, LabStats,
        Lesson, ResourceStats, RuntimeStats, State, Target, TaskMeta, TaskStats, WorkerStats,
        WorkloadStats, group_name,
    },
    text::sanitize,
};

/// An idle task. Its name is sanitized, as sources do.
pub(crate) fn task(id: u64, name: &str) -> TaskStats {
    let name = sanitize(name);
    TaskStats {
        key: id,
        meta: Arc::new(TaskMeta {
            id,
            name: (*name).into(),
            group: group_name(&name).into(),
            location: "src/main.rs:7".into(),
            future_size: 64,
            ..TaskMeta::default()
        }),
        state: State::Idle,
        since_ns: 0,
        known_ns: u64::MAX,
        stopped_ns: 0,
        lifetime_ns: 0,
        busy_ns: 0,
        scheduled_ns: 0,
        idle_ns: 0,
        polls: 0,
        wakes: 0,
        self_wakes: 0,
        max_poll_ns: 0,
        max_delay_ns: 0,
        live_wakers: Some(1),
        stage: None,
    }
}

/// An idle worker.
pub(crate) fn worker(index: usize) -> WorkerStats {
    WorkerStats {
        index,
        thread: Some(format!("w{index}").into()),
        current: None,
        poll_ns: 0,
        busy_ns: 0,
        cpu_ns: None,
        run_delay_ns: None,
        polls: 0,
        parks: 0,
        steals: 0,
        overflows: 0,
        local_queue: 0,
    }
}

/// The description of a source without a watchdog and without resources.
pub(crate) fn description(name: &str) -> Description {
    let description =
        Description::new(name).with_missing(FieldId::LiveWakers, "it has several wakers");
    description.without([FieldId::LongPolls, FieldId::Resources], "not in this test")
}

/// The fields that require a build with `tokio_unstable`.
pub(crate) const UNSTABLE: [FieldId; 12] = [
    FieldId::AliveTasks,
    FieldId::InjectionQueue,
    FieldId::BlockingThreads,
    FieldId::IdleBlockingThreads,
    FieldId::BlockingQueue,
    FieldId::BudgetForcedYields,
    FieldId::RemoteSchedules,
    FieldId::WorkerBusyTime,
    FieldId::Parks,
    FieldId::Steals,
    FieldId::Overflows,
    FieldId::LocalQueue,
];

/// The description of a source with a watchdog.
pub(crate) fn with_watchdog() -> Arc<Description> {
    description("test").with(FieldId::LongPolls, Accuracy::Exact).into()
}

/// The description of a source with resources.
pub(crate) fn with_resources() -> Arc<Description> {
    description("test").with(FieldId::Resources, Accuracy::Exact).into()
}

/// A snapshot with these tasks and one worker.
pub(crate) fn snapshot(taken_ns: u64, tasks: impl IntoIterator<Item = TaskStats>) -> Target {
    let tasks: Vec<_> = tasks.into_iter().collect();
    Target {
        runtime: RuntimeStats {
            flavor: Some(Flavor::CurrentThread),
            uptime_ns: taken_ns,
            measured_tasks: tasks.len() as u64,
            ..RuntimeStats::default()
        },
        workers: vec![worker(0)],
        tasks,
        ..Target::empty(description("test").into(), taken_ns)
    }
}

/// A lab with these workloads: (name, count, unit, done).
pub(crate) fn lab(
    workloads: impl IntoIterator<Item = (&'static str, usize, Option<&'static str>, u64)>,
) -> LabStats {
    LabStats {
        scenario: "test".into(),
        lesson: Arc::new(Lesson { attempt: "Press b.".into(), ..Lesson::default() }),
        workloads: workloads
            .into_iter()
            .map(|(name, count, unit, done)| WorkloadStats {
                name: name.into(),
                groups: vec![name.into()],
                count,
                cancelled: 0,
                started: None,
                paused: None,
                unit: unit.map(Into::into),
                done,
                mode: None,
                modes: Vec::new(),
                failure: None,
                metrics: Vec::new(),
            })
            .collect(),
        hog: hog("spin"),
        console: None,
    }
}

/// A resource that no task holds.
pub(crate) fn resource(key: u64, type_name: &str) -> ResourceStats {
    ResourceStats {
        key,
        id: key,
        type_name: type_name.into(),
        kind: "Sync".into(),
        location: "src/main.rs:3".into(),
        state: "".into(),
        parent: None,
        is_internal: false,
        age_ns: 5_000_000_000,
        is_dropped: false,
        is_taken: Some(false),
        held_ns: None,
        is_guard_owned: false,
        holder: None,
        reports_waits: true,
    }
}

/// An operation in which a task waits for a resource.
pub(crate) fn async_op(key: u64, resource: u64, task: u64) -> AsyncOpStats {
    AsyncOpStats {
        key,
        id: key,
        source: "Mutex::lock".into(),
        resource: Some(resource),
        parent: None,
        task: Some(task),
        state: "".into(),
        polls: 1,
        busy_ns: 900,
        age_ns: 2_000_000_000,
        is_dropped: false,
        is_ready: Some(false),
        is_granted: false,
    }
}

/// A hog of this kind, off.
pub(crate) fn hog(kind: &'static str) -> HogStats {
    HogStats {
        kind: kind.into(),
        kinds: [("spin", false), ("lock", false), ("yield", true), ("block-in-place", true)]
            .map(|(name, is_fix)| HogChoice {
                name: name.into(),
                is_fix,
                unavailable: (name == "block-in-place")
                    .then(|| "needs the multi-thread runtime".into()),
            })
            .into(),
        is_fix: kind == "yield",
        effect: "Blocks the worker.".into(),
        advice: "Yield.".into(),
        count: 1,
        hold_ns: None,
        on_since_ns: None,
        restart_pending: false,
        failure: None,
        unit: Some("ms computed".into()),
        done: 0,
    }
}
