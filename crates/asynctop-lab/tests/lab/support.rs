//! Test helpers of all crates.

#![allow(dead_code, unused_imports, clippy::unwrap_used, reason = "tests use a part of them")]

#[path = "../../../../tests/support/wait.rs"]
mod wait;

pub use wait::{TIMEOUT, wait_until};
