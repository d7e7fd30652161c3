//! A snapshot: the state of the watched programs at one moment, as plain data.
//!
//! Sources produce snapshots; the model, the screens and the reports of asynctop read them. A
//! snapshot may come from the same process, a connection or a file: this crate does no I/O and has
//! no dependencies by default. [`text`] is the text form of its numbers.
//!
//! With the feature `serde`, every type can be serialized and deserialized; input is validated.
//!
//! Times are in nanoseconds. Totals count since the source started and only grow.

mod await_point;
mod cause;
mod command;
mod connection;
mod console;
mod cpu_times;
mod description;
mod field_id;
mod group;
mod histogram;
mod impact;
mod key;
mod lab;
mod lesson;
mod long_poll;
mod losses;
mod machine;
mod polls;
mod resources;
mod runtime;
mod stack;
mod stack_sample;
mod state;
mod subscription;
mod target;
mod task;
pub mod text;
mod time_without_cpu;

use std::sync::Arc;

pub use await_point::{AwaitPoint, AwaitState};
pub use cause::{CallKind, Cause, SystemCall};
pub use command::{Answer, Command, LabCommand, Outcome};
pub use connection::{Connection, Retry};
pub use console::ConsoleStats;
pub use cpu_times::{MachineTimes, ThreadTimes};
pub use description::{Accuracy, Description};
pub use field_id::FieldId;
pub use group::group_name;
pub use histogram::{BUCKETS, Histogram, bucket_of};
pub use impact::{DelayedTask, ImpactAccuracy, PollImpact};
pub use key::{GroupKey, ResourceKey, TargetId, TaskKey};
pub use lab::{HogChoice, HogStats, LabStats, MetricValue, WorkloadMetric, WorkloadStats};
pub use lesson::Lesson;
pub use long_poll::{LongPoll, ProfileEntry};
pub use losses::Losses;
pub use machine::MachineStats;
pub use polls::{PollSpan, PollSpans, TICK_NS, WorkerPolls};
pub use resources::{AsyncOpStats, ResourceStats, Resources};
pub use runtime::{CurrentPoll, Flavor, RuntimeStats, WorkerStats};
#[cfg(any(test, feature = "testing"))]
pub use stack::testing;
pub use stack::{CodeOffset, Frame, FrameKind, Stack};
pub use stack_sample::StackSample;
pub use state::{PollKind, State};
pub use subscription::{DistributionKey, Distributions, Subscription};
pub use target::Target;
pub use task::{TaskKind, TaskMeta, TaskStats};
pub use time_without_cpu::{Stop, TimeWithoutCpu};

/// The state of all targets at one moment.
///
/// It is complete except for [`Target::timeline`], which has the polls since the previous snapshot:
/// a reader that misses a snapshot loses nothing else.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Snapshot {
    /// When it was assembled, in nanoseconds since the Unix epoch.
    pub unix_ns: u64,
    /// The watched programs, at least one, in the order of their ids.
    pub targets: Vec<Arc<Target>>,
}
