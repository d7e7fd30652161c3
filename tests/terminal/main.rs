//! The program in real pseudo-terminals: keys go in, a screen comes out.
//!
//! Every test starts the program in a process of its own and waits for what it expects.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod abort;
mod console;
mod dashboard;
mod input;
mod signals;
#[path = "../support/mod.rs"]
mod support;
