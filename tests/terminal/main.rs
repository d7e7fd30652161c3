//! The program in pseudo-terminals.
//!
//! Every test starts the program in its own process and waits for a condition, never for a fixed
//! time.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod abort;
mod console;
mod dashboard;
mod editor;
mod input;
mod signals;
#[path = "../support/mod.rs"]
mod support;
