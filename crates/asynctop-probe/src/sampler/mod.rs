//! Samples the tasks and the Tokio runtime of this process into snapshots.
//!
//! Reads the accounting, `Handle::metrics()` and, with the feature `watchdog`, the records of a
//! watchdog. Depends on `accounting`, `watch` and `asynctop-snapshot`. Never waits for the runtime.
//!
//! ```text
//! local.rs            the sampler: a snapshot of everything
//!   sampled_runtime.rs the runtime that is sampled
//!   runtime.rs         statistics of the runtime
//!   workers.rs         statistics of its workers
//!   timeline.rs        the polls of each worker, on subscription
//!   meta.rs            metadata of tasks
//!   distributions.rs   histograms of tasks and groups, on subscription
//!   watchdog.rs        long polls, stacks and the machine
//!   no_watchdog.rs     replaces it without the feature `watchdog`
//! ```

mod distributions;
mod local;
mod meta;
mod runtime;
mod sampled_runtime;
mod timeline;
#[cfg(feature = "watchdog")]
mod watchdog;
#[cfg(not(feature = "watchdog"))]
#[path = "no_watchdog.rs"]
mod watchdog;
mod workers;

pub use local::LocalSampler;
pub use sampled_runtime::{SampledRuntime, WorkerThreads};
