//! A snapshot: the state of the watched programs at one moment, as plain data.
//!
//! Sources produce snapshots; the model, the screens and the reports of asynctop read them. This
//! crate performs no I/O and has no dependencies by default, so that a snapshot can come from the same
//! process, a connection or a file. [`text`] is the text form of its numbers.
//!
//! With the feature `serde`, every type can be serialized and read back; what is read is checked.
//!
//! Times are in nanoseconds. Totals count since the source started and only grow.

mod awaits;
mod cause;
mod console;
mod cost;
mod cpu_times;
mod description;
mod evidence;
mod field_id;
mod group;
mod histogram;
mod lab;
mod lesson;
mod machine;
mod polls;
mod resources;
mod runtime;
mod stack;
mod stack_sample;
mod state;
mod target;
mod task;
pub mod text;
mod time_without_cpu;

use std::sync::Arc;

pub use awaits::{AwaitPoint, Awaits};
pub use cause::{CallKind, Cause, SystemCall};
pub use console::ConsoleStats;
pub use cost::{Cost, Waited};
pub use cpu_times::{MachineTimes, ThreadTimes};
pub use description::{Accuracy, Description};
pub use evidence::{Evidence, Share};
pub use field_id::FieldId;
pub use group::group_name;
pub use histogram::{BUCKETS, Histogram, bucket_of};
pub use lab::{Gauge, GaugeValue, HogStats, LabStats, WorkloadStats};
pub use lesson::Lesson;
pub use machine::MachineStats;
pub use polls::{PollSpan, PollSpans, WorkerPolls};
pub use resources::{AsyncOpStats, ResourceStats, Resources};
pub use runtime::{CurrentPoll, Flavor, RuntimeStats, WorkerStats};
#[cfg(any(test, feature = "testing"))]
pub use stack::testing;
pub use stack::{Frame, FrameKind, Stack};
pub use stack_sample::StackSample;
pub use state::{PollKind, State};
pub use target::{Connection, Losses, TargetFigures};
pub use task::{TaskKind, TaskMeta, TaskStats};
pub use time_without_cpu::{Stop, TimeWithoutCpu};

/// One moment of a runtime.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Target {
    /// When it was taken, on the source's clock.
    pub taken_ns: u64,
    /// What holds for as long as the source runs: which values it provides, and how accurate they
    /// are.
    pub description: Arc<Description>,
    /// Counts the runtimes that this source has seen: figures of different epochs do not
    /// belong together.
    pub epoch: u64,
    /// The runtime as a whole.
    pub runtime: RuntimeStats,
    /// Its workers, in Tokio's order.
    pub workers: Vec<WorkerStats>,
    /// The polls of each worker since the previous snapshot, if [`Subscription`] requests them.
    pub timeline: Option<Vec<WorkerPolls>>,
    /// Its tasks, living ones and those that ended lately, sorted by `key`.
    pub tasks: Vec<TaskStats>,
    /// How long tasks waited for a worker, over all polls so far.
    pub delays: Histogram,
    /// The distributions that [`Subscription`] asked for.
    pub distributions: Vec<(Subject, Distributions)>,
    /// CPU supply of the watched process; `None` where it is unavailable.
    pub machine: Option<MachineStats>,
    /// What the watchdog knows of the long polls that are under way, and of those that ended since
    /// the snapshot before: where and why they are long.
    pub evidence: Vec<Arc<Evidence>>,
    /// Stacks of busy threads in the last seconds, oldest first: where the time goes that is spent
    /// in short polls.
    pub samples: Vec<Arc<StackSample>>,
    /// Where the task waits that [`Subscription`] asked, as far as that has come.
    pub await_point: Option<AwaitPoint>,
    /// The programs that are watched over a connection; empty for a runtime of this process.
    pub targets: Vec<TargetFigures>,
    /// What tasks wait for, if [`Subscription`] requests it.
    pub resources: Option<Arc<Resources>>,
    /// What only the lab knows.
    pub lab: Option<LabStats>,
}

impl Target {
    /// The time from `from_ns` to `to_ns` without the time in which the whole process was
    /// stopped.
    pub fn running_ns(&self, from_ns: u64, to_ns: u64) -> u64 {
        let stops = self.machine.as_ref().map_or(&[][..], |machine| &machine.stops);
        to_ns.saturating_sub(from_ns).saturating_sub(Stop::overlap_ns(stops, from_ns, to_ns))
    }
}

/// The parts of a snapshot that are only provided on request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Subscription {
    /// The distributions of the task with this key.
    pub task: Option<u64>,
    /// The distributions of every group.
    pub groups: bool,
    /// Resources and async operations.
    pub resources: bool,
    /// The polls of each worker, which are recorded only while requested.
    pub timeline: bool,
    /// Request the await point of this task, once for each number: key and number.
    pub awaits: Option<(u64, u64)>,
}

/// Whose distributions these are.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Subject {
    /// The task with this key.
    Task(u64),
    /// The group of tasks with this name.
    Group(Arc<str>),
}

/// How long polls and waits for a worker were.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Distributions {
    /// The duration of ended polls.
    pub poll_times: Histogram,
    /// The time from each wake to the poll that followed.
    pub delays: Histogram,
}
