//! The state that the watchdog's thread and its handles share.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::Thread,
};

use super::{
    StackSample, Stop, WatchOptions,
    await_points::AwaitPoints,
    canary::Canary,
    options::{long_poll_ns, nanos},
    poll_log::PollLog,
};
use crate::lock::lock;

/// How long samples of busy threads are kept.
const STACK_SAMPLES_KEPT_NS: u64 = 10_000_000_000;
/// Maximum number of samples that are kept.
const MAX_STACK_SAMPLES: usize = 256;

pub(super) struct WatchState {
    log: Mutex<PollLog>,
    /// The latest intervals in which the whole process was stopped.
    stops: Mutex<Vec<Stop>>,
    /// When the watchdog intends to wake up next.
    pub next_sample_due: AtomicU64,
    /// Stacks of busy threads, oldest first.
    stack_samples: Mutex<Vec<Arc<StackSample>>>,
    await_points: Mutex<AwaitPoints>,
    /// The latest canary.
    pub canary: Mutex<Option<Arc<Canary>>>,
    /// The watchdog's thread.
    pub thread: OnceLock<Thread>,
    pub no_stacks: Mutex<Option<Arc<str>>>,
    pub stop_requested: AtomicBool,
    // The counters of `WatchStats`.
    pub samples_taken: AtomicU64,
    pub long_polls: AtomicU64,
    pub requested: AtomicU64,
    pub captured: AtomicU64,
    pub discarded: AtomicU64,
    pub signals: AtomicU64,
    pub interrupted_calls: AtomicU64,
    pub cpu_ns: AtomicU64,
}

impl WatchState {
    pub(super) fn new(options: &WatchOptions) -> Self {
        let blocking_poll_ns = nanos(options.blocking_poll);
        WatchState {
            log: Mutex::new(PollLog::new(options.history, long_poll_ns(options), blocking_poll_ns)),
            stops: Mutex::default(),
            next_sample_due: AtomicU64::new(u64::MAX),
            stack_samples: Mutex::default(),
            await_points: Mutex::default(),
            canary: Mutex::default(),
            thread: OnceLock::new(),
            no_stacks: Mutex::new(None),
            stop_requested: AtomicBool::new(false),
            samples_taken: AtomicU64::new(0),
            long_polls: AtomicU64::new(0),
            requested: AtomicU64::new(0),
            captured: AtomicU64::new(0),
            discarded: AtomicU64::new(0),
            signals: AtomicU64::new(0),
            interrupted_calls: AtomicU64::new(0),
            cpu_ns: AtomicU64::new(0),
        }
    }

    /// The reason why stacks cannot be captured, if so.
    pub(super) fn no_stacks(&self) -> Option<Arc<str>> {
        lock(&self.no_stacks).clone()
    }

    pub(super) fn canary(&self) -> Option<Arc<Canary>> {
        lock(&self.canary).clone()
    }

    pub(super) fn log(&self) -> MutexGuard<'_, PollLog> {
        lock(&self.log)
    }

    pub(super) fn stops(&self) -> MutexGuard<'_, Vec<Stop>> {
        lock(&self.stops)
    }

    pub(super) fn stack_samples(&self) -> MutexGuard<'_, Vec<Arc<StackSample>>> {
        lock(&self.stack_samples)
    }

    /// Adds samples of busy threads and removes those that are too old at `now`.
    pub(super) fn add_samples(&self, new: impl Iterator<Item = Arc<StackSample>>, now: u64) {
        let mut samples = self.stack_samples();
        samples.extend(new);
        samples.retain(|sample| is_recent(sample, now));
        let excess = samples.len().saturating_sub(MAX_STACK_SAMPLES);
        samples.drain(..excess);
    }

    pub(super) fn await_points(&self) -> MutexGuard<'_, AwaitPoints> {
        lock(&self.await_points)
    }
}

impl std::fmt::Debug for WatchState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WatchState").field("samples", &self.samples_taken).finish_non_exhaustive()
    }
}

pub(super) fn increment(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

pub(super) fn is_recent(sample: &StackSample, now: u64) -> bool {
    now.saturating_sub(sample.taken_ns) <= STACK_SAMPLES_KEPT_NS
}
