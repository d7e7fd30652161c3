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
    log::Log,
    options::{nanos, slow_ns},
};
use crate::lock::lock;

/// What the watchdog's thread and its handles share.
pub(super) struct Shared {
    log: Mutex<Log>,
    /// The latest intervals in which the whole process was stopped.
    stops: Mutex<Vec<Stop>>,
    /// When the watchdog intends to wake up next.
    pub due: AtomicU64,
    /// Stacks of busy threads, oldest first.
    samples: Mutex<Vec<Arc<StackSample>>>,
    awaits: Mutex<AwaitPoints>,
    /// The watchdog's own.
    pub thread: OnceLock<Thread>,
    pub no_stacks: Mutex<Option<Arc<str>>>,
    pub stop: AtomicBool,
    pub looks: AtomicU64,
    pub polls: AtomicU64,
    pub asked: AtomicU64,
    pub captured: AtomicU64,
    pub missed: AtomicU64,
    pub signals: AtomicU64,
    pub interrupting: AtomicU64,
    pub cpu: AtomicU64,
}

impl Shared {
    pub(super) fn new(options: &WatchOptions) -> Self {
        Shared {
            log: Mutex::new(Log::new(options.past, slow_ns(options), nanos(options.held))),
            stops: Mutex::default(),
            due: AtomicU64::new(u64::MAX),
            samples: Mutex::default(),
            awaits: Mutex::default(),
            thread: OnceLock::new(),
            no_stacks: Mutex::new(None),
            stop: AtomicBool::new(false),
            looks: AtomicU64::new(0),
            polls: AtomicU64::new(0),
            asked: AtomicU64::new(0),
            captured: AtomicU64::new(0),
            missed: AtomicU64::new(0),
            signals: AtomicU64::new(0),
            interrupting: AtomicU64::new(0),
            cpu: AtomicU64::new(0),
        }
    }

    /// Why stacks cannot be captured, if so.
    pub(super) fn no_stacks(&self) -> Option<Arc<str>> {
        lock(&self.no_stacks).clone()
    }

    pub(super) fn log(&self) -> MutexGuard<'_, Log> {
        lock(&self.log)
    }

    pub(super) fn stops(&self) -> MutexGuard<'_, Vec<Stop>> {
        lock(&self.stops)
    }

    pub(super) fn samples(&self) -> MutexGuard<'_, Vec<Arc<StackSample>>> {
        lock(&self.samples)
    }

    /// Adds samples of busy threads at `now`, and removes the old ones.
    pub(super) fn add_samples(&self, new: impl Iterator<Item = Arc<StackSample>>, now: u64) {
        let mut samples = self.samples();
        samples.extend(new);
        samples.retain(|sample| is_recent(sample, now));
        let excess = samples.len().saturating_sub(SAMPLES);
        samples.drain(..excess);
    }

    pub(super) fn awaits(&self) -> MutexGuard<'_, AwaitPoints> {
        lock(&self.awaits)
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("looks", &self.looks).finish_non_exhaustive()
    }
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

/// How long samples of busy threads are kept.
const SAMPLES_KEPT_NS: u64 = 10_000_000_000;
/// Maximum number of samples that are kept.
const SAMPLES: usize = 256;

pub(super) fn is_recent(sample: &StackSample, now: u64) -> bool {
    now.saturating_sub(sample.taken_ns) <= SAMPLES_KEPT_NS
}
