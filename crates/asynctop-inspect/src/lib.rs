//! Reads the tasks of a running Tokio program from outside, by its process id.
//!
//! The program needs no preparation: no rebuild, no `tokio_unstable`, no debug information. It
//! is never signaled or written to; its memory is read with `process_vm_readv`. Its threads are
//! stopped only if [`Options::stop_running`] allows that, for the stacks of running threads.
//!
//! ```no_run
//! use asynctop_inspect::{Options, Process};
//!
//! let mut process = Process::open(1234)?;
//! let inspection = process.inspect(&Options::default())?;
//! for task in &inspection.tasks {
//!     println!("task {} [{}]", task.id, task.state);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Tokio's data structures are found by their shape (see [`tokio`]), because their layout
//! differs from version to version and from build to build. Everything found is checked against
//! a second source; data that fails its check is left out, with the reason in
//! [`Inspection::checks`].
//!
//! Modules are layered: each one may use only those listed above it.
//!
//! | module | contents |
//! |---|---|
//! | `sys`, [`memory`] | reading another process's memory, behind a trait |
//! | `process` | identity, rights, mappings, ELF files, threads |
//! | [`tokio`] | Tokio's structures by shape: vtables, runtimes, lists, tasks, workers |
//! | `names` | future types, source locations, stacks |
//! | `inspect` | one inspection: all of the above, with its checks |
//! | [`sampler`] | shares of time and long polls, from samples |
//! | [`ps`], [`report`] | the Tokio programs of this machine; an inspection as text |
//!
//! Only Linux on x86_64 is supported. On Linux on aarch64 the crate compiles, but opening a process
//! returns [`OpenError::Unsupported`].

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
compile_error!("asynctop-inspect supports Linux on x86_64; on Linux on aarch64 it only compiles");

mod error;
mod inspect;
pub mod memory;
mod names;
mod process;
pub mod ps;
pub mod report;
pub mod sampler;
mod sys;
pub mod tokio;

pub use error::{InspectError, OpenError};

pub use inspect::{
    Check, CodeLocation, Flavor, Frame, Inspection, Options, PoolInfo, Process, QueueLengths,
    RuntimeInfo, Stopped, TaskInfo, TaskKind, TaskQueue, ThreadInfo, TokioCopy, TypeNames,
    WorkerInfo,
};
pub(crate) use inspect::{Contexts, CurrentWord, Stack, Stop};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
