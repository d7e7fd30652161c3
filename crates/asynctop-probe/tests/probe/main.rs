//! Tests of the probe on real Tokio runtimes.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod accounting;
mod sampler;
mod support;
#[cfg(feature = "watchdog")]
mod watch;
