//! `top` for async Rust: see every task of a Tokio runtime, how often it is polled, how its
//! life splits into busy, scheduled and idle time, and which one holds a worker.
//!
//! One direction leads through the house, and no room knows the next one:
//!
//! | room | what lives there |
//! |---|---|
//! | [`probe`] | the crate `asynctop-probe`: per-task measuring, and the watchdog [`watch`] |
//! | [`source`] | a [`Source`](source::Source) looks at the probe and at Tokio and makes snapshots |
//! | [`model`] | what snapshots mean: rates, order, groups, slowdown, findings; pure |
//! | [`signals`] | signals: one thread waits for them, all others block them |
//! | [`input`] | the bytes that a terminal sends, as events; pure |
//! | [`dashboard`] | lab, sampler and loop put together |
//! | [`app`] | the state of the dashboard: `update(state, action)`; pure |
//! | [`view`] | draws the state |
//! | [`term`] | the terminal: enter, leave, suspend, panic |
//! | [`report`] | writes the model as text or JSON |
//! | [`gate`] | which findings make a run fail: `--fail-on` |
//! | [`headless`] | a run without a screen, with a report at its end |
//! | [`lab`] | the runtime under test, its workloads and the hog |
//! | `inspect` | `ps` and `dump`: tasks of other processes (feature `inspect`) |
//! | [`compare`] | thread-per-connection against async, measured |
//! | [`cli`] | the command line |
//! | [`config`] | the user's configuration file |
//!
//! A program that wants to be measured adds the crate `asynctop-probe` and not this one.

mod lock;
pub mod model;
mod text;

pub mod app;
pub mod cli;
pub mod compare;
pub mod comparison;
pub mod config;
pub mod console;
pub mod dashboard;
mod document;
pub mod gate;
pub mod headless;
pub mod input;
#[cfg(feature = "inspect")]
pub mod inspect;
pub mod lab;
mod limits;
pub mod report;
pub mod signals;
pub mod source;
pub mod term;
pub mod view;

pub use asynctop_probe::{self as probe, instrument, spawn, spawn_named, stage, testing, watch};
pub use asynctop_snapshot as snapshot;
pub use snapshot::Histogram;
