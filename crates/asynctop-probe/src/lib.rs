//! Measures tasks of a Tokio program exactly: their polls, their wakes, and their busy, scheduled
//! and idle time. Only tasks that are spawned or wrapped with this crate are measured.
//!
//! | entry point | use |
//! |---|---|
//! | [`spawn`], [`spawn_named`] | spawn a task and measure it |
//! | [`instrument_task`], [`instrument`] | measure a future that is spawned by other means, or a part of a task |
//! | [`stage`] | set the stage of the current task |
//! | [`Registry`] | read the statistics of the measured tasks |
//! | [`LocalSampler`] | take snapshots of the tasks, the runtime and its workers |
//! | `watch::Watchdog` | record polls that block their thread, with line and cause (feature `watchdog`) |
//! | `testing` | tests that fail when something blocks a worker (feature `watchdog`) |
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! asynctop_probe::spawn_named("greeter", async { asynctop_probe::stage("greeting"); })
//!     .await
//!     .unwrap();
//!
//! let registry = asynctop_probe::Registry::global();
//! registry.scan(registry.now(), |task| {
//!     println!("{} was polled {} times", task.name(), task.reading.polls);
//! });
//! # }
//! ```

// All modules may use `asynctop-snapshot` and `lock`, which has locks that ignore poisoning.
//
// | module | contents | may depend on |
// |---|---|---|
// | `accounting` | a cell per task, threads, wakers, the clock; re-exported here | |
// | `watch` | the watchdog: polls that block their thread, with line and cause | `accounting`, `asynctop-stack` |
// | `sampler` | samples the tasks and the runtime of this process into snapshots; re-exported here | `accounting`, `watch` |
// | `testing` | tests that fail when something blocks a worker | `accounting`, `watch` |

mod accounting;
mod lock;
mod sampler;
#[cfg(feature = "watchdog")]
pub mod testing;
#[cfg(feature = "watchdog")]
pub mod watch;

pub use accounting::{
    CurrentPoll, Instrumented, PollKind, Reading, Registry, State, TaskTable, TaskView,
    ThreadReading, instrument, instrument_task, spawn, spawn_named, stage,
};
pub use asynctop_snapshot as snapshot;
pub use sampler::{LocalSampler, SampledRuntime, WorkerThreads};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
