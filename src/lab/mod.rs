//! The runtime under test: workloads of real work on a Tokio runtime of its own, and the
//! hog that spoils it.
//!
//! This room knows Tokio and the probe. It knows nothing of screens; whoever wants to see
//! it asks a [`LiveSource`](crate::source::LiveSource). No call into it ever waits for the
//! runtime under test: a hog may hold every worker, and all of them still return at once.

mod command;
mod control;
mod counts;
mod crew;
mod error;
mod failure;
mod gauge;
mod hog;
mod mode;
mod options;
mod runtime;
mod scenario;
mod shared;
mod spawner;
mod workload;

pub use command::Command;
pub use control::Lab;
pub use error::LabError;
pub use hog::{About, HOLD_STEPS, HogKind};
pub use options::{
    HogOptions, LabOptions, MAX_BLOCKING_THREADS, MAX_HOGS, MAX_TASKS, MAX_UNITS, MAX_WORKERS,
};
pub use runtime::is_lab_thread;
pub use scenario::{BUILT_IN, BuiltIn, Scenario, ScenarioError, WorkloadSpec, builtin, find};
pub(crate) use shared::{Epoch, Shared};
pub use workload::{Allows, KINDS, Kind, Param, Params, Value, crowd, kind};
