//! The runtime under test: real workloads on a Tokio runtime of its own, and the hog that blocks
//! its workers.
//!
//! Depends on Tokio and the probe, and knows nothing of screens; a [`LabSampler`] takes snapshots of
//! it. No function of this module waits for the runtime under test: all of them return at once even
//! if a hog blocks every worker.

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
mod sampler;
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
pub use sampler::LabSampler;
pub use scenario::{BUILT_IN, BuiltIn, Scenario, ScenarioError, WorkloadSpec, builtin, find};
pub use workload::{Allows, KINDS, Kind, Param, Params, Value, crowd, kind};
