//! Figures of the runtime as a whole, from tokio-metrics.

use tokio::runtime::Handle;
use tokio_metrics::{RuntimeIntervals, RuntimeMonitor};

use crate::model::{Description, FieldId, Flavor, RuntimeStats};

/// States which values a build without Tokio's unstable counters does not have.
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

/// Watches one runtime. The monitor gives what happened in each interval; here it is
/// added up again, because a snapshot holds totals.
pub(super) struct RuntimeGauge {
    intervals: RuntimeIntervals,
    #[cfg(tokio_unstable)]
    forced_yields: u64,
    #[cfg(tokio_unstable)]
    remote_schedules: u64,
}

impl RuntimeGauge {
    pub(super) fn new(runtime: &Handle) -> Self {
        #[cfg(tokio_unstable)]
        let metrics = runtime.metrics();
        RuntimeGauge {
            #[cfg(tokio_unstable)]
            forced_yields: metrics.budget_forced_yield_count(),
            #[cfg(tokio_unstable)]
            remote_schedules: metrics.remote_schedule_count(),
            intervals: RuntimeMonitor::new(runtime).intervals(),
        }
    }

    /// The runtime's figures; how many tasks are measured is the caller's to say.
    #[cfg(tokio_unstable)]
    pub(super) fn read(&mut self, flavor: Flavor, uptime_ns: u64, measured: u64) -> RuntimeStats {
        let metrics = self.intervals.next().unwrap_or_default();
        self.forced_yields += metrics.budget_forced_yield_count;
        self.remote_schedules += metrics.num_remote_schedules;
        RuntimeStats {
            flavor: Some(flavor),
            uptime_ns,
            alive_tasks: metrics.live_tasks_count as u64,
            measured_tasks: measured,
            global_queue: metrics.global_queue_depth as u64,
            blocking_threads: metrics.blocking_threads_count as u64,
            idle_blocking_threads: metrics.idle_blocking_threads_count as u64,
            blocking_queue: metrics.blocking_queue_depth as u64,
            budget_forced_yields: self.forced_yields,
            remote_schedules: self.remote_schedules,
        }
    }

    /// The runtime's figures; how many tasks are measured is the caller's to say.
    #[cfg(not(tokio_unstable))]
    pub(super) fn read(&mut self, flavor: Flavor, uptime_ns: u64, measured: u64) -> RuntimeStats {
        let metrics = self.intervals.next().unwrap_or_default();
        RuntimeStats {
            flavor: Some(flavor),
            uptime_ns,
            alive_tasks: metrics.live_tasks_count as u64,
            measured_tasks: measured,
            global_queue: metrics.global_queue_depth as u64,
            blocking_threads: 0,
            idle_blocking_threads: 0,
            blocking_queue: 0,
            budget_forced_yields: 0,
            remote_schedules: 0,
        }
    }
}
