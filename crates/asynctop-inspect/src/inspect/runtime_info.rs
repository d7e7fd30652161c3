//! Runtimes as part of an inspection.

use super::TaskKind;

/// The kind of a scheduler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Flavor {
    /// Several worker threads.
    MultiThread,
    /// A single thread, the one in `block_on`.
    CurrentThread,
    /// A `LocalSet`.
    LocalSet,
    /// Not known in this version of Tokio.
    Unknown,
}

impl Flavor {
    /// The kind of the tasks that it schedules.
    pub(super) fn task_kind(self) -> TaskKind {
        match self {
            Flavor::LocalSet => TaskKind::Local,
            _ => TaskKind::Task,
        }
    }
}

impl std::fmt::Display for Flavor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Flavor::MultiThread => "multi-thread",
            Flavor::CurrentThread => "current-thread",
            Flavor::LocalSet => "local set",
            Flavor::Unknown => "flavor unknown",
        })
    }
}

/// A runtime or local set.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct RuntimeInfo {
    /// Address of the scheduler's handle; the identity of the runtime.
    pub handle: u64,
    /// Kind of scheduler.
    pub flavor: Flavor,
    /// The runtime's own number of tasks that have not ended (`num_alive_tasks`); `None` before
    /// Tokio 1.35 and for local sets.
    pub alive: Option<u64>,
    /// The reason why its tasks are not listed.
    pub unavailable: Option<String>,
    /// Its workers' own counters; empty with [`RuntimeInfo::no_workers`] set if they are unknown.
    pub workers: Vec<WorkerInfo>,
    /// The reason why the workers' counters are not known.
    pub no_workers: Option<String>,
    /// The number of tasks in its queues.
    pub queues: Option<QueueLengths>,
    /// The reason why its queues are not known.
    pub no_queues: Option<String>,
    /// Its blocking pool.
    pub pool: Option<PoolInfo>,
    /// The reason why its blocking pool is not known.
    pub no_pool: Option<String>,
}

impl RuntimeInfo {
    pub(super) fn new(handle: u64, flavor: Flavor) -> RuntimeInfo {
        let is_local_set = flavor == Flavor::LocalSet;
        RuntimeInfo {
            handle,
            flavor,
            alive: None,
            unavailable: None,
            workers: Vec::new(),
            no_workers: is_local_set.then(|| "a local set has no workers".into()),
            queues: None,
            no_queues: None,
            pool: None,
            no_pool: None,
        }
    }
}

/// The blocking pool of a runtime. Its workers, which run on threads of the pool, do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PoolInfo {
    /// Maximum number of threads (`max_blocking_threads`).
    pub limit: u64,
    /// Number of threads.
    pub threads: u64,
    /// Threads that wait for a closure.
    pub idle: u64,
    /// Closures that wait for a thread.
    pub queued: u64,
}

/// The number of tasks in each queue of a multi-thread runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct QueueLengths {
    /// By worker; the LIFO slots are not included.
    pub local: Vec<usize>,
    /// In the injection queue, which all workers share. `None` if it was not found, and tasks may
    /// be in it.
    pub injection: Option<usize>,
}

/// A worker's own counters.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct WorkerInfo {
    /// The kernel's id of its thread, if it could be found.
    pub tid: Option<u32>,
    /// Time not parked since the worker started, in nanoseconds; up to its latest park.
    pub busy_ns: u64,
    /// Number of parks.
    pub parks: u64,
    /// Whether it is parked now.
    pub is_parked: bool,
}
