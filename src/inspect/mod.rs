//! `ps` and `dump`: the tasks of running programs without code changes, as text.
//!
//! The programs are only read, never stopped, signaled or written to. This module may use the
//! crate asynctop-inspect and nothing else of the program.

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod linux;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub use linux::{dump, list};

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
mod unsupported;
#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
pub use unsupported::{dump, list};
