//! The watchdog: starts and stops its thread, and gives access to its records.

use std::{
    io,
    sync::{Arc, atomic::Ordering::Relaxed, mpsc},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{
    AwaitPoint, AwaitState, PollRecord, StackSample, Stop, WatchOptions,
    canary::Canary,
    platform,
    sample_loop::SampleLoop,
    state::{WatchState, is_recent},
};
use crate::{accounting::Registry, lock::lock};

/// Counters of a watchdog since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WatchStats {
    /// Samples of all threads.
    pub samples: u64,
    /// Long polls detected.
    pub long_polls: u64,
    /// Stacks requested.
    pub requested: u64,
    /// Stacks captured during the poll for which they were requested.
    pub captured: u64,
    /// Stacks that arrived after the end of that poll and were discarded.
    pub discarded: u64,
    /// Signals sent to running threads. The other stacks were copied while their threads slept.
    pub signals: u64,
    /// Signals that made a system call return `EINTR`: the thread ran when it was sampled, and was
    /// in the system call when the signal arrived.
    pub interrupted_calls: u64,
    /// CPU time of the watchdog's threads in nanoseconds; 0 where it is not known.
    pub cpu_ns: u64,
}

/// Watches the threads that poll a registry's tasks.
///
/// Dropping it stops its thread and waits for that thread to end. Keep it for as long as polls are
/// to be recorded.
///
/// ```
/// # use asynctop_probe::{Registry, watch::{Watchdog, WatchOptions}};
/// # fn main() -> std::io::Result<()> {
/// let watchdog = Watchdog::start(Registry::global(), WatchOptions::default())?;
/// for poll in watchdog.handle().records() {
///     let poll = poll.long_poll();
///     println!("{:?} at {:?}: {}", poll.function(), poll.blocked_at(), poll.cause);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Watchdog {
    handle: WatchHandle,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    /// Starts watching, on a thread named `asynctop-watchdog`. If stacks are unavailable, long
    /// polls are recorded without them, and [`WatchHandle::no_stacks`] returns the reason.
    ///
    /// # Errors
    /// If the operating system cannot start a thread.
    pub fn start(registry: &'static Registry, options: WatchOptions) -> io::Result<Watchdog> {
        let handle = WatchHandle { registry, state: Arc::new(WatchState::new(&options)) };
        let state = handle.state.clone();
        let (ready, is_ready) = mpsc::channel();
        let thread = thread::Builder::new().name("asynctop-watchdog".into()).spawn(move || {
            let mut sample_loop = SampleLoop::new(registry, &options, state);
            // Fails only if the caller no longer waits.
            let _ = ready.send(());
            sample_loop.run();
        })?;
        let _ = handle.state.thread.set(thread.thread().clone());
        // Fails only if the thread has panicked; then there is nothing to wait for.
        let _ = is_ready.recv();
        Ok(Watchdog { handle, thread: Some(thread) })
    }

    /// A handle to the records. It stays valid after the watchdog has ended; polls that were
    /// running then keep their last recorded state.
    pub fn handle(&self) -> &WatchHandle {
        &self.handle
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.handle.state.stop_requested.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // An error is a panic of the thread, whose message has been printed.
            let _ = thread.join();
        }
    }
}

/// Access to the records of a watchdog, from any thread.
#[derive(Clone, Debug)]
pub struct WatchHandle {
    registry: &'static Registry,
    state: Arc<WatchState>,
}

impl WatchHandle {
    /// Long polls: the running ones first, then the ended ones, latest first.
    pub fn records(&self) -> Vec<Arc<PollRecord>> {
        self.state.log().records()
    }

    /// The long poll that a task is in now, by the task's key.
    pub fn current(&self, task: u64) -> Option<Arc<PollRecord>> {
        self.state.log().current(task)
    }

    /// Requests the await point of an idle task. Returns immediately;
    /// [`await_point`](Self::await_point) returns the answer once it is available.
    ///
    /// The task is polled once for it. Neither that poll nor the wake that causes it is counted,
    /// for this task or for a measured one around it: counts, times and delays are the same as
    /// without the call. (Futures that poll nested futures with wakers of their own, such as
    /// `FuturesUnordered`, may be woken once more by Tokio's trace, which is counted.) Only an idle
    /// task is polled for this.
    pub fn request_await_point(&self, task: u64) {
        let no_stacks = self.no_stacks();
        let requested = match platform::NO_AWAIT_POINTS.or(no_stacks.as_deref()) {
            Some(why) => Err(why),
            None if self.state.stop_requested.load(Relaxed) => Err("the watchdog has ended"),
            None => Ok(()),
        };
        let now = self.registry.now();
        // Before the task is woken: it may answer immediately.
        self.state.await_points().request(task, now);
        let requested = requested.and_then(|()| self.registry.request_await_point(task));
        if let Err(why) = requested {
            self.state.await_points().answer(task, AwaitState::Unavailable(why.into()));
        } else {
            self.sample_now();
        }
    }

    /// The latest answer about a task whose await point was requested, by the task's key.
    pub fn await_point(&self, task: u64) -> Option<AwaitPoint> {
        self.state.await_points().get(task).cloned()
    }

    /// The reason why this process's stacks cannot be captured, if so.
    pub fn no_stacks(&self) -> Option<Arc<str>> {
        self.state.no_stacks()
    }

    /// Watches the code on the canary's thread that is not measured. Its long polls have the key
    /// [`UNMEASURED`](super::UNMEASURED).
    pub(super) fn set_canary(&self, canary: Arc<Canary>) {
        *lock(&self.state.canary) = Some(canary);
        self.sample_now();
    }

    /// Wakes the watchdog, which otherwise sleeps until a poll can become long.
    pub(crate) fn sample_now(&self) {
        if let Some(thread) = self.state.thread.get() {
            thread.unpark();
        }
    }

    /// Waits until the watchdog has sampled all threads, for at most `timeout`.
    pub fn wait_for_sample(&self, timeout: Duration) {
        let samples = || self.state.samples_taken.load(Relaxed);
        // The first sample that ends may have begun before this call; the next one is complete.
        let enough = samples() + 2;
        self.wait_while(timeout, || samples() < enough);
    }

    /// Waits until the watchdog has sampled all threads and its stacks are symbolized, for at most
    /// `timeout`. The records of polls whose stacks are not symbolized by then state that as the
    /// reason. Call it before the last [`records`](Self::records) of a run.
    pub fn settle(&self, timeout: Duration) {
        let began = Instant::now();
        self.wait_for_sample(timeout);
        let left = timeout.saturating_sub(began.elapsed());
        self.wait_while(left, || self.state.log().has_pending_stacks());
        let why = "the run ended before its stack was symbolized";
        self.state.log().fail_pending_stacks(why, self.registry.now());
    }

    fn wait_while(&self, timeout: Duration, is_pending: impl Fn() -> bool) {
        let began = Instant::now();
        while is_pending() && began.elapsed() < timeout {
            self.sample_now();
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Stacks of threads that spend at least 90 % of their time in polls, one per second and
    /// thread, of the last 10 s, oldest first; at most 256. A thread that is in a long poll has a
    /// record in [`records`](Self::records) instead.
    pub fn samples(&self) -> Vec<Arc<StackSample>> {
        let now = self.registry.now();
        let samples = self.state.stack_samples();
        samples.iter().filter(|sample| is_recent(sample, now)).cloned().collect()
    }

    /// The latest intervals in which the whole process was stopped (SIGSTOP, a debugger, a paused
    /// virtual machine), oldest first; at most 64. Waits up to a second for the watchdog if its next
    /// sample is overdue: after a stop, a busy machine may run it last, and statistics that are read
    /// before the stop is known are never corrected.
    pub fn stops(&self) -> Vec<Stop> {
        const OVERDUE_NS: u64 = 50_000_000;
        const TIMEOUT: Duration = Duration::from_secs(1);
        let (began, samples) = (Instant::now(), self.state.samples_taken.load(Relaxed));
        let is_overdue = || {
            let due = self.state.next_sample_due.load(Relaxed).saturating_add(OVERDUE_NS);
            due < self.registry.now() && self.state.samples_taken.load(Relaxed) == samples
        };
        while is_overdue() && began.elapsed() < TIMEOUT {
            thread::sleep(Duration::from_millis(1));
        }
        self.state.stops().clone()
    }

    /// The watchdog's counters so far.
    pub fn stats(&self) -> WatchStats {
        let state = &self.state;
        WatchStats {
            samples: state.samples_taken.load(Relaxed),
            long_polls: state.long_polls.load(Relaxed),
            requested: state.requested.load(Relaxed),
            captured: state.captured.load(Relaxed),
            discarded: state.discarded.load(Relaxed),
            signals: state.signals.load(Relaxed),
            interrupted_calls: state.interrupted_calls.load(Relaxed),
            cpu_ns: state.cpu_ns.load(Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::record::testing::record;

    #[test]
    fn watchdog_stops_when_it_is_dropped() {
        let watchdog =
            Watchdog::start(Registry::leak(), WatchOptions::default()).expect("a thread");
        let handle = watchdog.handle().clone();
        while handle.stats() == WatchStats::default() {
            thread::yield_now();
        }
        drop(watchdog);
        assert_eq!(Arc::strong_count(&handle.state), 1, "its thread has ended");
        assert!(handle.records().is_empty());
    }

    #[test]
    fn settle_gives_the_reason_for_a_stack_that_is_not_symbolized_in_time() {
        let state = Arc::new(WatchState::new(&WatchOptions::default()));
        let handle = WatchHandle { registry: Registry::leak(), state: Arc::clone(&state) };
        let record = PollRecord { unsymbolized: 1, ..record(7, 100) };
        state.log().open(0, record);
        handle.settle(Duration::ZERO);
        let evidence = handle.records()[0].long_poll();
        let why = "– (the run ended before its stack was symbolized)";
        assert_eq!(evidence.missing_stack().as_deref(), Some(why));
    }
}
