//! Programs that were not prepared, watched by their process ID. The program is a running lab.

#![cfg(all(feature = "pid", target_os = "linux", target_arch = "x86_64"))]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod case;
mod dump;
mod errors;
mod report;
mod run;
#[path = "../support/mod.rs"]
mod support;
mod terminal;
