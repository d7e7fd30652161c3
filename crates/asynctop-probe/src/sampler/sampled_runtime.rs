//! The runtime that is sampled, and the threads of its workers.

use std::{
    sync::{Arc, Mutex},
    thread::{self, ThreadId},
};

use asynctop_snapshot::Flavor;
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::{
    accounting::{Registry, ThreadReading},
    lock::lock,
};

/// A Tokio runtime that a [`LocalSampler`](crate::LocalSampler) samples.
///
/// A program that replaces its runtime passes the new one to
/// [`LocalSampler::switch_to`](crate::LocalSampler::switch_to).
#[derive(Clone, Debug)]
pub struct SampledRuntime {
    /// Counts the runtimes that are sampled one after the other. Statistics of different epochs are
    /// not comparable.
    pub epoch: u32,
    /// The runtime.
    pub handle: Handle,
    /// Sample only tasks that were measured with this runtime number: see
    /// [`Registry::instrument_on`]. `None` samples all tasks of the registry.
    pub number: Option<u32>,
    /// When the runtime started, in nanoseconds on the probe's clock.
    pub started_ns: u64,
    /// [`Registry::threads`] at that time. Later threads reuse the accounting of ended ones, whose
    /// totals do not belong to the new runtime.
    pub threads_at_start: Arc<[ThreadReading]>,
    /// The threads of its workers.
    pub worker_threads: Arc<WorkerThreads>,
}

impl SampledRuntime {
    /// A runtime that all tasks of `registry` run on. Its start is now: Tokio does not report when a
    /// runtime started.
    pub fn new(registry: &'static Registry, handle: &Handle) -> Self {
        let now = registry.now();
        SampledRuntime {
            epoch: 1,
            handle: handle.clone(),
            number: None,
            started_ns: now,
            threads_at_start: registry.threads(now).into(),
            worker_threads: Arc::default(),
        }
    }

    /// The flavor of the runtime.
    pub fn flavor(&self) -> Flavor {
        match self.handle.runtime_flavor() {
            RuntimeFlavor::CurrentThread => Flavor::CurrentThread,
            _ => Flavor::MultiThread,
        }
    }
}

/// The worker threads of a runtime, as its program registers them.
///
/// Registering is optional. It provides the names of workers that have not polled a measured task
/// yet, and without `--cfg tokio_unstable` also their order, because Tokio does not report which
/// thread is which worker.
#[derive(Debug, Default)]
pub struct WorkerThreads(Mutex<Vec<WorkerThread>>);

#[derive(Debug)]
struct WorkerThread {
    index: usize,
    id: ThreadId,
    name: Arc<str>,
}

impl WorkerThreads {
    /// Registers the current thread as the worker with this index. Call it from
    /// [`on_thread_start`](tokio::runtime::Builder::on_thread_start).
    pub fn register(&self, index: usize) {
        let thread = thread::current();
        let name = thread.name().unwrap_or_default().into();
        let mut threads = lock(&self.0);
        threads.push(WorkerThread { index, id: thread.id(), name });
        threads.sort_unstable_by_key(|thread| thread.index);
    }

    /// The threads registered so far, by index.
    #[cfg(not(tokio_unstable))]
    pub(super) fn ids(&self) -> Vec<ThreadId> {
        lock(&self.0).iter().map(|thread| thread.id).collect()
    }

    /// The name of a registered thread.
    pub(super) fn name(&self, id: ThreadId) -> Option<Arc<str>> {
        let threads = lock(&self.0);
        threads.iter().find(|thread| thread.id == id).map(|thread| Arc::clone(&thread.name))
    }
}
