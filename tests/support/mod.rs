//! Test helpers. Each test binary compiles this module and uses a part of it.

#![allow(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    reason = "each test binary uses a part; a test may fail"
)]

mod folder;
mod own_process;
mod program;
pub mod pty;
mod report;
mod wait;

pub use folder::Folder;
pub use own_process::{in_own_process, own_process};
pub use program::{NO_CONFIG, error_of, program, run, stdout};
pub use report::only_target;
pub use wait::{TIMEOUT, wait_for, wait_until};
