//! The program without a screen: its reports, its errors and what it prints.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod errors;
mod print;
mod report;
mod stopped;
#[path = "../support/mod.rs"]
mod support;
