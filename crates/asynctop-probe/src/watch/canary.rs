//! Notices code that is not measured and blocks the thread of a current-thread runtime.
//!
//! Tasks of plain `tokio::spawn` are not measured, so the watchdog does not see their polls. On a
//! current-thread runtime, a task of its own shows that something blocks the thread: the watchdog
//! wakes this canary, and it is polled as soon as the thread is free.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    thread::{self, ThreadId},
};

use tokio::{
    runtime::{Handle, RuntimeFlavor},
    task::AbortHandle,
};

use super::WatchHandle;
use crate::{
    accounting::{Registry, ThreadSlot},
    lock::lock,
};

/// The key of the code that is not measured, in place of a task's key.
pub(crate) const UNMEASURED: u64 = u64::MAX;

/// What the canary's task and the watchdog share.
#[derive(Debug)]
pub(super) struct Canary {
    thread: ThreadId,
    /// When the canary was woken; 0 if it was polled since.
    woken_ns: AtomicU64,
    /// When it was last polled.
    polled_ns: AtomicU64,
    has_ended: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Canary {
    fn poll(&self, registry: &Registry, context: &Context<'_>) -> Poll<()> {
        *lock(&self.waker) = Some(context.waker().clone());
        self.record_free_thread(registry.now());
        if self.has_ended.load(Relaxed) { Poll::Ready(()) } else { Poll::Pending }
    }

    fn record_free_thread(&self, now: u64) {
        self.polled_ns.store(now, Relaxed);
        self.woken_ns.store(0, Relaxed);
    }

    /// When the canary was woken, if it has not been polled since.
    pub(super) fn waits_since(&self) -> Option<u64> {
        let woken = Some(self.woken_ns.load(Relaxed)).filter(|at| *at > 0);
        woken.filter(|_| !self.has_ended.load(Relaxed))
    }

    /// When it was last polled.
    pub(super) fn polled_ns(&self) -> u64 {
        self.polled_ns.load(Relaxed)
    }

    fn wake(&self, now: u64) {
        let waker = lock(&self.waker).take();
        if let Some(waker) = waker.filter(|_| !self.has_ended.load(Relaxed)) {
            // Before the wake: the poll may come immediately.
            self.woken_ns.store(now.max(1), Relaxed);
            waker.wake();
        }
    }
}

/// Ends the canary when it is dropped.
pub(crate) struct CanaryGuard {
    registry: &'static Registry,
    canary: Arc<Canary>,
    task: AbortHandle,
}

impl CanaryGuard {
    /// Spawns a canary on the current runtime if that runs on the current thread alone.
    pub(crate) fn start(registry: &'static Registry, watchdog: &WatchHandle) -> Option<Self> {
        let runtime = Handle::try_current().ok()?;
        if runtime.runtime_flavor() != RuntimeFlavor::CurrentThread {
            return None;
        }
        let canary = Arc::new(Canary {
            thread: thread::current().id(),
            woken_ns: AtomicU64::new(0),
            polled_ns: AtomicU64::new(0),
            has_ended: AtomicBool::new(false),
            waker: Mutex::new(None),
        });
        let shared = Arc::clone(&canary);
        let task = std::future::poll_fn(move |context| shared.poll(registry, context));
        let task = runtime.spawn(task).abort_handle();
        watchdog.set_canary(Arc::clone(&canary));
        Some(CanaryGuard { registry, canary, task })
    }
}

impl Drop for CanaryGuard {
    fn drop(&mut self) {
        self.canary.has_ended.store(true, Relaxed);
        // The thread runs this code, so it is free.
        self.canary.record_free_thread(self.registry.now());
        self.task.abort();
    }
}

/// The watchdog's view of a canary.
#[derive(Debug, Default)]
pub(super) struct CanaryWatch {
    /// The measured activity of the thread at the latest sample.
    measured: (u64, u64),
    /// Since when the thread has run nothing but code that is not measured.
    since: u64,
    next_wake: u64,
}

impl CanaryWatch {
    /// Since when the thread of a slot runs code that is not measured and does not poll the canary;
    /// `None` if that is not so. `is_measured` is whether it is in a measured poll.
    pub(super) fn blocked_since(
        &mut self,
        canary: &Canary,
        slot: &ThreadSlot,
        is_measured: bool,
        now: u64,
    ) -> Option<u64> {
        if !slot.belongs_to(canary.thread) {
            return None;
        }
        let measured = slot.activity();
        if is_measured || std::mem::replace(&mut self.measured, measured) != measured {
            self.since = now;
        }
        let woken = canary.waits_since().filter(|_| !is_measured)?;
        Some(self.since.max(woken))
    }

    /// Wakes the canary if that is due. Returns when the next sample is due: a quarter of the
    /// threshold later, which bounds how much of a blocked time is missed.
    pub(super) fn wake(&mut self, canary: &Canary, now: u64, threshold_ns: u64) -> u64 {
        let interval = threshold_ns / 4;
        if now >= self.next_wake && canary.waits_since().is_none() {
            self.next_wake = now + interval;
            canary.wake(now);
        }
        now + interval
    }
}
