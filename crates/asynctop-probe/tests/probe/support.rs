//! Test helpers shared by all crates.

#![allow(dead_code, unused_imports, reason = "which of them are used depends on the features")]

#[path = "../../../../tests/support/own_process.rs"]
mod own_process;
#[path = "../../../../tests/support/wait.rs"]
mod wait;

pub use own_process::{in_own_process, own_process};
pub use wait::{TIMEOUT, wait_for, wait_until};
