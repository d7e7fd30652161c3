//! `top` for async Rust: see every task of a Tokio runtime, how often it is polled, how its
//! life splits into busy, scheduled and idle time, and which one holds a worker.
//!
//! One direction leads through the house, and no room knows the next one:
//!
//! | room | what lives there |
//! |---|---|
//! | [`probe`] | measuring: a cell for each task, threads, wakers, the clock |
//! | [`watch`] | the watchdog: who holds a thread without yielding, at which line, and why |
//! | `testing` | tests that fail when something in them holds a worker (feature `watch`) |
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
//! Without the feature `dashboard` only the probe and the model are there, which is what
//! a program needs that wants to be measured:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! asynctop::spawn_named("greeter", async { asynctop::stage("greeting"); }).await.unwrap();
//!
//! let registry = asynctop::probe::Registry::global();
//! registry.scan(registry.now(), |task| {
//!     println!("{} was polled {} times", task.name(), task.reading.polls);
//! });
//! # }
//! ```

mod lock;
pub mod model;
pub mod probe;
#[cfg(feature = "watch")]
pub mod testing;
mod text;
#[cfg(feature = "watch")]
pub mod watch;

#[cfg(feature = "dashboard")]
pub mod app;
#[cfg(feature = "dashboard")]
pub mod cli;
#[cfg(feature = "dashboard")]
pub mod compare;
#[cfg(feature = "dashboard")]
pub mod comparison;
#[cfg(feature = "dashboard")]
pub mod config;
#[cfg(feature = "dashboard")]
pub mod console;
#[cfg(feature = "dashboard")]
pub mod dashboard;
#[cfg(feature = "dashboard")]
mod document;
#[cfg(feature = "dashboard")]
pub mod gate;
#[cfg(feature = "dashboard")]
pub mod headless;
#[cfg(feature = "dashboard")]
pub mod input;
#[cfg(feature = "inspect")]
pub mod inspect;
#[cfg(feature = "dashboard")]
pub mod lab;
#[cfg(feature = "dashboard")]
mod limits;
#[cfg(feature = "dashboard")]
pub mod report;
#[cfg(feature = "dashboard")]
pub mod signals;
#[cfg(feature = "dashboard")]
pub mod source;
#[cfg(feature = "dashboard")]
pub mod term;
#[cfg(feature = "dashboard")]
pub mod view;

pub use asynctop_snapshot as snapshot;
pub use probe::{instrument, spawn, spawn_named, stage};
pub use snapshot::Histogram;
