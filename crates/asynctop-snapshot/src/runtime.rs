//! Statistics of the runtime and its workers.

use std::sync::Arc;

use super::PollKind;

/// The flavor of a Tokio runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Flavor {
    /// All tasks on one thread.
    CurrentThread,
    /// A pool of workers that steal tasks from each other.
    MultiThread,
}

impl Flavor {
    /// The name in Tokio's documentation.
    pub fn as_str(self) -> &'static str {
        match self {
            Flavor::CurrentThread => "current-thread",
            Flavor::MultiThread => "multi-thread",
        }
    }
}

/// Statistics of the runtime as a whole.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RuntimeStats {
    /// The flavor; `None` where it is unavailable.
    pub flavor: Option<Flavor>,
    /// How long it has run, in nanoseconds. For a target in another process, the lifetime of its
    /// oldest known task.
    pub uptime_ns: u64,
    /// Alive tasks, as counted by Tokio: more than the snapshot has, if some are not measured.
    pub alive_tasks: u64,
    /// Alive tasks that the probe measures.
    pub measured_tasks: u64,
    /// Tasks in the injection queue, which Tokio also calls the global queue.
    pub injection_queue: u64,
    /// Threads of the blocking pool.
    pub blocking_threads: u64,
    /// Idle threads of the blocking pool.
    pub idle_blocking_threads: u64,
    /// Closures waiting for a thread of the blocking pool.
    pub blocking_queue: u64,
    /// Polls that ended because the task used up its budget.
    pub budget_forced_yields: u64,
    /// Tasks scheduled from outside the runtime.
    pub remote_schedules: u64,
}

/// Statistics of one worker. Totals count since the runtime started. Times are in nanoseconds.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct WorkerStats {
    /// Its index in Tokio.
    pub index: usize,
    /// The name of its thread; `None` if it is not known which thread that is.
    pub thread: Option<Arc<str>>,
    /// The poll that is running.
    pub current: Option<CurrentPoll>,
    /// Time inside polls of measured tasks, including the running one.
    pub poll_ns: u64,
    /// Time not parked, including a running poll of a measured task. A poll of another task is added
    /// when it ends.
    pub busy_ns: u64,
    /// CPU time of its thread; `None` if it is not known.
    pub cpu_ns: Option<u64>,
    /// Run-queue delay of its thread, inside and outside of polls; `None` if it is not known.
    pub run_delay_ns: Option<u64>,
    /// The number of polls of measured tasks.
    pub polls: u64,
    /// The number of times that it parked.
    pub parks: u64,
    /// Tasks stolen from other workers' queues.
    pub steals: u64,
    /// Tasks moved to the injection queue because the local queue was full.
    pub overflows: u64,
    /// Tasks in its local queue.
    pub local_queue: u64,
}

/// A running poll, or a running drop of a future.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CurrentPoll {
    /// The key of the task.
    pub key: u64,
    /// When it began, on the target's clock.
    pub since_ns: u64,
    /// Whether it is a poll or a drop.
    pub kind: PollKind,
}
