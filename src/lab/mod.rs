//! The runtime under test: workloads of real work on a Tokio runtime of its own, and the
//! hog that spoils it.

mod command;

pub use command::Command;
