//! Statistics of the runtime as a whole, from Tokio's own metrics.

use asynctop_snapshot::{Description, FieldId, RuntimeStats};
use tokio::runtime::RuntimeMetrics;

use super::sampled_runtime::SampledRuntime;

/// States which values are unavailable without Tokio's unstable counters.
pub(super) fn describe(description: Description) -> Description {
    if cfg!(tokio_unstable) {
        return description;
    }
    let unstable = [
        FieldId::BlockingThreads,
        FieldId::IdleBlockingThreads,
        FieldId::BlockingQueue,
        FieldId::BudgetForcedYields,
        FieldId::RemoteSchedules,
        FieldId::Steals,
        FieldId::Overflows,
        FieldId::LocalQueue,
    ];
    description.without(unstable, "requires a build with tokio_unstable")
}

/// The statistics of `runtime` at `now`. The probe measures `measured_tasks` of its alive tasks.
pub(super) fn read(
    runtime: &SampledRuntime,
    metrics: &RuntimeMetrics,
    now: u64,
    measured_tasks: usize,
) -> RuntimeStats {
    let stats = RuntimeStats {
        flavor: Some(runtime.flavor()),
        uptime_ns: now.saturating_sub(runtime.started_ns),
        alive_tasks: metrics.num_alive_tasks() as u64,
        measured_tasks: measured_tasks as u64,
        injection_queue: metrics.global_queue_depth() as u64,
        blocking_threads: 0,
        idle_blocking_threads: 0,
        blocking_queue: 0,
        budget_forced_yields: 0,
        remote_schedules: 0,
    };
    #[cfg(tokio_unstable)]
    let stats = RuntimeStats {
        blocking_threads: metrics.num_blocking_threads() as u64,
        idle_blocking_threads: metrics.num_idle_blocking_threads() as u64,
        blocking_queue: metrics.blocking_queue_depth() as u64,
        budget_forced_yields: metrics.budget_forced_yield_count(),
        remote_schedules: metrics.remote_schedule_count(),
        ..stats
    };
    stats
}
