//! The runtime and its workers.

use std::sync::Arc;

use super::PollKind;

/// How a Tokio runtime schedules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Flavor {
    /// All tasks on one thread.
    CurrentThread,
    /// A pool of workers that steal from each other.
    MultiThread,
}

impl Flavor {
    /// Tokio's name for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Flavor::CurrentThread => "current-thread",
            Flavor::MultiThread => "multi-thread",
        }
    }
}

/// Figures of the runtime as a whole.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RuntimeStats {
    /// How it schedules; `None` where that is unavailable.
    pub flavor: Option<Flavor>,
    /// How long it has run; of a program that is watched from outside, how long the
    /// oldest task that is known has lived.
    pub uptime_ns: u64,
    /// Living tasks by Tokio's own count: more than the snapshot has, if some are not
    /// measured.
    pub alive_tasks: u64,
    /// Living tasks that the probe measures.
    pub measured_tasks: u64,
    /// Tasks in the global (injection) queue.
    pub global_queue: u64,
    /// Threads of the blocking pool.
    pub blocking_threads: u64,
    /// Those of them that have nothing to do.
    pub idle_blocking_threads: u64,
    /// Closures that wait for a thread of the blocking pool.
    pub blocking_queue: u64,
    /// Polls that ended because the task's budget was used up.
    pub budget_forced_yields: u64,
    /// Tasks scheduled from outside of the runtime.
    pub remote_schedules: u64,
}

/// Figures of one worker. Totals count since the runtime began.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct WorkerStats {
    /// Tokio's number of it.
    pub index: usize,
    /// Its thread's name.
    pub thread: Arc<str>,
    /// The poll that it is in right now.
    pub current: Option<CurrentPoll>,
    /// Time inside polls of measured tasks, the running one included.
    pub poll_ns: u64,
    /// Time not parked, a running poll of a measured task included. A poll of another task is added
    /// when it has ended.
    pub busy_ns: u64,
    /// CPU time of its thread, in nanoseconds; `None` if it is not known.
    pub cpu_ns: Option<u64>,
    /// Time that its thread was runnable without a CPU, in nanoseconds, inside and outside of
    /// polls; `None` if it is not known.
    pub run_delay_ns: Option<u64>,
    /// Polls of measured tasks.
    pub polls: u64,
    /// How often it parked.
    pub parks: u64,
    /// Tasks that it took from other workers' queues.
    pub steals: u64,
    /// Tasks that it moved to the global queue because its own was full.
    pub overflows: u64,
    /// Tasks in its local queue.
    pub local_queue: u64,
}

/// A poll, or the drop of a future, that has begun and not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CurrentPoll {
    /// The task's key.
    pub key: u64,
    /// When it began, on the source's clock.
    pub since_ns: u64,
    /// Whether it is a poll.
    pub kind: PollKind,
}
