//! The lab of asynctop: real workloads on a Tokio runtime of its own, and the hog that blocks its
//! workers.
//!
//! [`Lab`] runs a [`Scenario`] and executes [`Command`]s; [`LabSampler`] takes snapshots of it. No
//! method of either waits for the runtime under test: they return at once even if a hog blocks every
//! worker.
//!
//! | module | contents | may depend on |
//! |---|---|---|
//! | [`document`] | reads TOML files key by key, with errors that name the line | |
//! | [`console`] | serves the tasks of this process to tokio-console (feature `console`) | |
//! | [`compare`] | thread-per-connection against async, measured | |
//! | `hog` | the kinds of hogs and their options | |
//! | `spawner`, `gauge`, `counter`, `mode`, `failure` | what a workload is given | |
//! | `workload` | one file per kind of workload | `hog`, and what it is given |
//! | `scenario` | files that describe workloads, and those that are built in | `document`, `hog`, `workload` |
//! | `options`, `shared`, `crew`, `counts`, `control` | a running lab and its changes | the above |
//! | `sampler` | snapshots of a lab | `control` |
//!
//! It depends on Tokio, `asynctop-probe` and `asynctop-snapshot`, and knows nothing of screens.
//!
//! ```
//! use asynctop_lab::{Command, Lab, LabOptions, LabSampler, find};
//!
//! let lab = Lab::start(LabOptions::new(find("mixed")?))?;
//! println!("{}", lab.execute(Command::ToggleHog));
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
mod counts;
mod crew;
pub mod document;
mod error;
mod failure;
mod gauge;
mod hog;
mod limits;
mod lock;
mod mode;
mod options;
mod runtime;
mod sampler;
mod scenario;
mod shared;
mod spawner;
mod workload;

pub use asynctop_snapshot::LabCommand as Command;
pub use control::Lab;
pub use error::LabError;
pub use hog::{About, HogKind, HogOptions};
pub use limits::TooLow;
pub use options::LabOptions;
pub use runtime::is_lab_thread;
pub use sampler::LabSampler;
pub use scenario::{BUILT_IN, BuiltIn, Scenario, WorkloadSpec, builtin, find};
pub use workload::{Allows, KINDS, Kind, Param, Params, Value, crowd, kind};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
