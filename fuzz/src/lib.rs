//! The functions of the fuzz targets. A violated property is a panic.
//!
//! Each takes arbitrary bytes and returns how much was accepted, so that a run can show that it gets
//! beyond the first check. `tests/fuzz.rs` includes this file and runs every function on generated
//! input.

mod attach;
mod bytes;
mod documents;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod memory;
mod program;
mod update;

pub use attach::attach;
pub use documents::{config, scenario};
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub use memory::memory;
pub use program::{arguments, terminal_input, text};

/// Asserts that an error message is one sentence that can be printed.
fn assert_is_sentence(message: &str) {
    assert!(!message.is_empty() && message.len() < 4_000, "{message:?}");
    assert!(!message.contains(asynctop::snapshot::text::is_control), "{message:?}");
}
