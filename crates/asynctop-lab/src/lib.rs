//! The lab of asynctop: real workloads on a Tokio runtime of its own, and the hog that blocks its
//! workers.
//!
//! [`Lab`] runs a [`Scenario`] and executes [`LabCommand`]s; [`LabSampler`] takes snapshots of it.
//! Their methods never wait for the runtime under test, even if a hog blocks every worker.
//!
//! | module | contents | may depend on |
//! |---|---|---|
//! | [`document`] | reads TOML files key by key, with errors that name the line | |
//! | [`console`] | serves the tasks of this process to tokio-console (feature `console`) | |
//! | [`compare`] | a benchmark of thread-per-connection against async | |
//! | `hog` | the kinds of hogs and their options | |
//! | `spawner`, `metrics`, `counter`, `mode`, `failure` | the interface between lab and workload | |
//! | `workload` | one file per kind of workload | `hog`, `spawner` and its neighbors |
//! | `scenario` | scenario files, including the built-in ones | `document`, `hog`, `workload` |
//! | `bounds`, `limits`, `lock` | maximum sizes, limits of the system, and a mutex helper | |
//! | `options`, `runtime`, `state` | the state of a running lab | the above |
//! | `supervisor`, `instances`, `control` | a running lab | the above |
//! | `sampler` | snapshots of a lab | `control` |
//!
//! The crate depends on Tokio, `asynctop-probe` and `asynctop-snapshot`, not on any screen.
//!
//! ```
//! use asynctop_lab::{Lab, LabCommand, LabOptions, LabSampler, Scenario};
//!
//! let lab = Lab::start(LabOptions::new(Scenario::built_in("mixed")?))?;
//! println!("{}", lab.execute(LabCommand::ToggleHog));
//! let mut sampler = LabSampler::new(&lab);
//! let target = sampler.sample(&Default::default());
//! assert!(target.lab.is_some_and(|lab| lab.hog.on_since_ns.is_some()));
//! lab.shutdown();
//! # Ok::<(), asynctop_lab::LabError>(())
//! ```

mod bounds;
pub mod compare;
pub mod console;
mod control;
mod counter;
pub mod document;
mod error;
mod failure;
mod hog;
mod instances;
mod limits;
mod lock;
mod metrics;
mod mode;
mod options;
mod runtime;
mod sampler;
mod scenario;
mod spawner;
mod state;
mod supervisor;
mod workload;

pub use asynctop_snapshot::LabCommand;
pub use control::Lab;
pub use error::LabError;
pub use hog::{HogInfo, HogKind, HogOptions};
pub use limits::LimitTooLow;
pub use options::LabOptions;
pub use runtime::is_lab_thread;
pub use sampler::LabSampler;
pub use scenario::{BUILT_IN_SCENARIOS, BuiltInScenario, Scenario, WorkloadSpec};
pub use workload::{
    Param, ParamType, ParamValue, Params, WORKLOAD_KINDS, WorkloadKind, run_customers,
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
