//! `top` for async Rust: every task of a Tokio runtime, how often it is polled, its busy, scheduled
//! and idle times, and which task blocks a worker.
//!
//! Modules are layered: each one may use only those listed above it.
//!
//! | module | contents |
//! |---|---|
//! | [`snapshot`] | the crate `asynctop-snapshot`: the state of each target at one time, and its text form |
//! | [`probe`] | the crate `asynctop-probe`: per-task measurement, and the watchdog [`watch`] |
//! | [`asynctop_lab`] | the lab: a runtime under test, its workloads and the hog; `compare`; the server for tokio-console |
//! | [`model`] | statistics derived from snapshots: rates, order, groups, slowdown, findings; pure |
//! | `launch` | starts and ends the command of `asynctop run` (feature `pid`) |
//! | [`source`] | a [`Source`](source::Source) samples the lab, or a program over a connection or by its process ID; the collector assembles the samples into snapshots |
//! | [`signals`] | signals: one thread waits for them, all others block them |
//! | [`input`] | the bytes that a terminal sends, as events; pure |
//! | [`app`] | the state of the dashboard: `update(state, action)`; pure |
//! | [`screens`] | draws the state |
//! | [`report`] | writes the model as text, JSON or CSV; pure |
//! | [`term`] | the terminal: setup, restore, suspend, panics |
//! | [`dashboard`] | the collector and the event loop |
//! | [`comparison`] | the screen of `compare` |
//! | [`gate`] | the findings that fail a run: `--fail-on` |
//! | [`headless`] | a run without a screen, with a report at the end |
//! | `inspect` | `ps` and `dump`: tasks of other processes (feature `pid`) |
//! | [`cli`] | the command line |
//! | [`config`] | the user's configuration file |
//!
//! A program to be measured depends on the crate `asynctop-probe`, not on this one.

mod lock;
pub mod model;
mod private_file;
mod text;

pub mod app;
pub mod cli;
pub mod comparison;
pub mod config;
pub mod dashboard;
#[cfg(test)]
mod fixture;
pub mod gate;
pub mod headless;
pub mod input;
#[cfg(feature = "pid")]
pub mod inspect;
#[cfg(feature = "pid")]
pub mod launch;
pub mod report;
pub mod screens;
pub mod signals;
pub mod source;
pub mod term;

pub use asynctop_probe::{self as probe, watch};
pub use asynctop_snapshot as snapshot;
