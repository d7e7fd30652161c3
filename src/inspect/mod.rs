//! `ps` and `dump`: the tasks of running programs, once, as text or JSON.
//!
//! The programs are only read, never stopped, signaled or written to. This module may use the crate
//! asynctop-inspect, and of the program only how the source of processes finds them by name, and the
//! envelope of the JSON reports.

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod dump;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod json;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod programs;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod tasks;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub use {dump::dump, programs::list, tasks::tasks};

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
mod unsupported;
#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
pub use unsupported::{dump, list, tasks};
