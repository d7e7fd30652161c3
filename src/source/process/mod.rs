//! Any Tokio program of this machine, watched by its process ID.
//!
//! The program is only read: it is not written to or signaled. A thread that computes in a long
//! poll is stopped once, for some 10 µs, unless `no_stop` is set. asynctop-inspect samples it in
//! the background; a `RuntimeSource` adds up the samples of one runtime. A program with several
//! runtimes is several targets, because the tasks of one never delay those of another. A runtime that
//! starts later becomes a target when it is found, or replaces one that has been shut down.
//!
//! Depends on asynctop-inspect and asynctop-stack, on the probe for the CPU time of the machine, and on
//! `launch` for commands. `description` lists the fields and their accuracy.

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod description;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod key;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod long_polls;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod names;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod observed;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod open;
mod program;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod source;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod tally;
#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
mod unsupported;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod workers;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub use open::{ProcessError, find, launched, open};
pub use program::{Program, ProgramError, ReadOptions};
#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
pub use unsupported::{ProcessError, find, launched, open};
