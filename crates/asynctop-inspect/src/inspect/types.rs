//! The options and the data of an inspection. Runtimes are in `runtime_info`.

use std::{sync::Arc, time::Duration};

use crate::{inspect::RuntimeInfo, tokio::task::StateKind};

pub use crate::{
    names::{future::TypeNames, location::CodeLocation},
    process::stop::Stopped,
};

/// The parts to read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Scan the heap, too. Finds blocking tasks, local sets, completed tasks whose handle is kept and
    /// runtimes that no thread is in, which are in no list, and checks the lists. Takes about 1 ms
    /// per 2 MB of the program's memory.
    pub scan: bool,
    /// Read the stacks of blocked threads. No thread is stopped.
    pub stacks: bool,
    /// Read the stacks of threads that run inside a poll, too. Each of these threads is stopped with
    /// `ptrace` for some 10 µs; [`ThreadInfo::stopped`] has the time.
    pub stop_running: bool,
    /// Find the future types and source locations of the tasks. The program's code is examined, once
    /// per type.
    pub names: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options { scan: true, stacks: true, stop_running: false, names: true }
    }
}

impl Options {
    /// Reads only the runtimes' lists of tasks. The time depends only on the number of tasks.
    pub fn lists_only() -> Self {
        Options { scan: false, stacks: false, ..Options::default() }
    }

    /// Like [`Options::lists_only`], but without names: ids and states.
    pub fn states_only() -> Self {
        Options { names: false, ..Options::lists_only() }
    }
}

/// A running program at one moment.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Inspection {
    /// Process id.
    pub pid: u32,
    /// Name of the program.
    pub command: String,
    /// Whether all its threads are stopped, as by SIGSTOP.
    pub is_stopped: bool,
    /// The copies of Tokio in it: usually one.
    pub tokio: Vec<TokioCopy>,
    /// Runtimes and local sets.
    pub runtimes: Vec<RuntimeInfo>,
    /// All tasks, by runtime, kind and id.
    pub tasks: Vec<TaskInfo>,
    /// All threads.
    pub threads: Vec<ThreadInfo>,
    /// Results of the self-checks.
    pub checks: Vec<Check>,
    /// Number of reads that were repeated because the data had changed during the read.
    pub retries: u32,
    /// Duration of the inspection.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "took_ns", serialize_with = "crate::process::stop::nanoseconds")
    )]
    pub took: Duration,
}

/// A copy of Tokio: the program's own, or one in a shared library.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct TokioCopy {
    /// The file that contains it.
    pub module: String,
    /// For example `1.54.1`; `None` if it is not known.
    pub version: Option<String>,
    /// Built with `tokio_unstable`.
    pub is_unstable: bool,
    /// Future types that are spawned.
    pub task_types: usize,
    /// The file has symbols, so that types have names.
    pub has_symbols: bool,
    /// The file has line tables, so that stacks have lines. Before the first inspection with names,
    /// also `true` if only the standard library in it has some.
    pub has_lines: bool,
}

impl TokioCopy {
    /// Whether its workers count their busy time, or may do so.
    pub(crate) fn may_count_busy_time(&self) -> bool {
        self.is_unstable || self.minor_version().is_none_or(|minor| minor >= 45)
    }

    /// The second number of the version: 54 of `1.54.1`.
    pub(crate) fn minor_version(&self) -> Option<u32> {
        self.version.as_deref()?.split('.').nth(1)?.parse().ok()
    }
}

/// The queue in which a scheduled task waits for its poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum TaskQueue {
    /// In the queue of a worker. Other workers steal from it.
    Local {
        /// Index of the worker.
        worker: usize,
    },
    /// In the LIFO slot of a worker, which polls it next. No other worker takes it.
    Lifo {
        /// Index of the worker.
        worker: usize,
    },
    /// In the injection queue, from which any worker takes tasks.
    Injection,
}

/// How a task was spawned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum TaskKind {
    /// On a runtime.
    Task,
    /// In a `LocalSet`.
    Local,
    /// A closure of `spawn_blocking`.
    Blocking,
    /// The loop of a worker thread, which Tokio runs as a blocking task.
    Worker,
}

/// A task.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct TaskInfo {
    /// Tokio's task id. Unique within one copy of Tokio.
    pub id: u64,
    /// Running, scheduled, idle or complete.
    pub state: StateKind,
    /// How it was spawned.
    pub kind: TaskKind,
    /// Index of its runtime.
    pub runtime: Option<usize>,
    /// The names of its future type. All tasks of one type share them.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub names: Arc<TypeNames>,
    /// The location at which it was spawned, in programs built with `tokio_unstable`.
    pub spawned_at: Option<Arc<CodeLocation>>,
    /// Lower bound of the size of its allocation in bytes: future or output, header and trailer.
    pub size: u64,
    /// Number of references to the task except those of its list and its join handle: of wakers,
    /// queues and abort handles. An idle task without them can never be woken.
    pub wakers: u64,
    /// Whether a join handle exists.
    pub has_join_handle: bool,
    /// Whether the join handle is awaited.
    pub is_awaited: bool,
    /// Whether it has been aborted.
    pub is_canceled: bool,
    /// Address of its header.
    pub address: u64,
    /// Address of its vtable: the same for all tasks of one future type.
    pub vtable: u64,
    /// The thread that is polling it now.
    pub tid: Option<u32>,
    /// The queue that it is in, if it is scheduled. `None` also if it was moved during the
    /// inspection, or the queues are not known ([`RuntimeInfo::no_queues`]).
    pub queue: Option<TaskQueue>,
}

impl TaskInfo {
    /// Whether the task is idle and no waker exists that could wake it.
    pub fn can_never_be_woken(&self) -> bool {
        let is_async = matches!(self.kind, TaskKind::Task | TaskKind::Local);
        is_async && self.state == StateKind::Idle && self.wakers == 0
    }
}

/// A thread.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ThreadInfo {
    /// The kernel's id.
    pub tid: u32,
    /// Its name.
    pub name: String,
    /// The kernel's letter: `R` on a CPU or waiting for one, `S` sleeping, …
    pub state: char,
    /// The system call that it is in.
    pub syscall: Option<String>,
    /// Index of the runtime that it is in.
    pub runtime: Option<usize>,
    /// Index of the worker that it is.
    pub worker: Option<usize>,
    /// Id of the task that it polls; `None` also if that is not known (see [`Inspection::checks`]).
    pub task: Option<u64>,
    /// The functions on its stack, innermost first.
    pub stack: Vec<Frame>,
    /// The reason why the stack is missing or incomplete.
    pub no_stack: Option<String>,
    /// The stop of the thread to read its stack; `None` if it was not stopped.
    pub stopped: Option<Stopped>,
}

/// A function on a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Frame {
    /// The function's name, or the module's with an offset.
    pub function: String,
    /// The line that it executes.
    pub location: Option<CodeLocation>,
}

/// The result of a self-check.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Check {
    /// The capability that depends on it.
    pub capability: String,
    /// Whether the check passed; otherwise the capability is disabled.
    pub passed: bool,
    /// The compared values.
    pub detail: String,
}

impl Check {
    pub(crate) fn passed(capability: &str, detail: impl Into<String>) -> Check {
        Check { capability: capability.into(), passed: true, detail: detail.into() }
    }

    pub(crate) fn failed(capability: &str, detail: impl Into<String>) -> Check {
        Check { capability: capability.into(), passed: false, detail: detail.into() }
    }
}
