//! The program without a screen: reports, errors, and printed information.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod errors;
mod print;
mod report;
mod stopped;
#[path = "../support/mod.rs"]
mod support;
