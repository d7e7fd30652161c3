//! Per-task accounting: how often a task is polled and woken, and how its lifetime divides into busy,
//! scheduled and idle time.
//!
//! Contains tasks, polls, wakes, threads and the clock. Depends on the data types of
//! `asynctop-snapshot` and on no other module of this crate. Readers use the [`Registry`].

mod cell;
mod clock;
mod distribution;
mod identity;
mod instrument;
mod ledger;
mod reading;
mod recorder;
mod recording;
mod refs;
mod registry;
mod ring;
mod sync;
mod table;
mod thread;
#[cfg(feature = "watchdog")]
mod trace;
mod view;
mod waker;
mod word;

#[cfg(all(test, asynctop_loom))]
mod ledger_loom;
#[cfg(all(test, not(asynctop_loom)))]
mod ledger_tests;
#[cfg(all(test, not(asynctop_loom)))]
pub(crate) mod on_drop;
#[cfg(all(test, asynctop_loom))]
mod refs_loom;
#[cfg(all(test, asynctop_loom))]
mod ring_loom;
#[cfg(all(test, not(asynctop_loom)))]
mod ring_tests;

use std::{future::Future, panic::Location};

pub use asynctop_snapshot::{PollKind, State};
pub use instrument::Instrumented;
pub use reading::Reading;
pub(crate) use recording::{Recording, SpanBatch, ThreadSpans};
pub use registry::Registry;
pub use table::TaskTable;
#[cfg(feature = "watchdog")]
pub(crate) use thread::CurrentPolls;
#[cfg(all(
    feature = "watchdog",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub(crate) use thread::SignalStack;
#[cfg(feature = "watchdog")]
pub(crate) use thread::ThreadSlot;
pub use thread::{CurrentPoll, ThreadReading};
use tokio::task::JoinHandle;
#[cfg(feature = "watchdog")]
#[allow(unused_imports, reason = "used only with tokio_unstable")]
pub(crate) use trace::set_tracer;
pub use view::TaskView;

/// Spawns `future` on the current Tokio runtime and measures it, under the name of the function
/// that created the future.
///
/// # Panics
/// Outside a Tokio runtime, as `tokio::spawn` does.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// async fn answer() -> u32 { 42 }
/// assert_eq!(asynctop_probe::spawn(answer()).await.unwrap(), 42);
/// # }
/// ```
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let name = identity::Name::Static(function_name::<F>());
    let registry = Registry::global();
    let cell = registry.open(name, Location::caller(), size_of::<F>(), (true, 0));
    tokio::spawn(Instrumented::new(registry, cell, true, future))
}

/// Like [`spawn`], under this name. Control characters in it are replaced.
///
/// # Panics
/// Outside a Tokio runtime.
#[track_caller]
pub fn spawn_named<F>(name: &str, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(Registry::global().instrument_task(name, future))
}

/// Measures a future that is spawned as a task by other means than [`spawn`]: in a `JoinSet`, in a
/// `LocalSet`, by `Handle::spawn`, on another executor.
///
/// ```
/// use asynctop_probe::instrument_task;
/// use tokio::{runtime::Handle, task::JoinSet};
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut jobs = JoinSet::new();
/// jobs.spawn(instrument_task("job", async { 1 }));
/// assert_eq!(jobs.join_next().await.unwrap().unwrap(), 1);
///
/// let task = Handle::current().spawn(instrument_task("by a handle", async { 2 }));
/// assert_eq!(task.await.unwrap(), 2);
///
/// let local = tokio::task::LocalSet::new();
/// let task = local.spawn_local(instrument_task("local", async { 3 }));
/// local.await;
/// assert_eq!(task.await.unwrap(), 3);
/// # }
/// ```
#[track_caller]
pub fn instrument_task<F: Future>(name: &str, future: F) -> Instrumented<F> {
    Registry::global().instrument_task(name, future)
}

/// Measures a future that is polled as a part of a task: it is awaited, or joined with others. The
/// [`Registry`] lists it like a task, with its own statistics.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let reply = asynctop_probe::instrument("query", async { "row" }).await;
/// assert_eq!(reply, "row");
/// # }
/// ```
#[track_caller]
pub fn instrument<F: Future>(name: &str, future: F) -> Instrumented<F> {
    Registry::global().instrument(name, future)
}

/// Sets the stage of the current task: a description of what it is doing, valid until the next call.
/// Has no effect outside a poll of a measured task.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// asynctop_probe::instrument("request", async {
///     asynctop_probe::stage("waiting for the database");
///     tokio::task::yield_now().await;
/// })
/// .await;
/// # }
/// ```
pub fn stage(stage: &'static str) {
    if let Some(cell) = thread::current_task() {
        cell.set_stage(stage);
    }
}

/// The name of the function that created a future, from the name of the future's type.
fn function_name<F>() -> &'static str {
    let full = std::any::type_name::<F>();
    let path = full.split('<').next().unwrap_or(full);
    let path = path.trim_end_matches("::{{closure}}");
    path.rsplit("::").next().filter(|name| !name.is_empty()).unwrap_or("task")
}
