//! The watchdog: a thread that looks at the probe's threads.
//!
//! This is its face: how to start and stop it, and what it has to say. What it does all
//! day is in `rounds.rs`.

use std::{
    io,
    sync::{Arc, atomic::Ordering::Relaxed, mpsc},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{
    AwaitPoint, AwaitState, PollRecord, StackSample, Stop, WatchOptions, eyes,
    rounds::Rounds,
    shared::{Shared, is_recent},
};
use crate::accounting::Registry;

/// What the watchdog has done and what it cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WatchStats {
    /// Looks at the threads.
    pub looks: u64,
    /// Long polls found.
    pub polls: u64,
    /// Stacks asked for.
    pub asked: u64,
    /// Stacks captured inside of the poll that they were asked for.
    pub captured: u64,
    /// Stacks that came when the poll was over; they are thrown away.
    pub missed: u64,
    /// Signals sent to threads that ran. The other stacks were copied while their threads slept.
    pub signals: u64,
    /// Of these signals, those that made a system call return `EINTR`: the thread ran when it was
    /// sampled, and was in the system call when the signal arrived.
    pub interrupted_calls: u64,
    /// Nanoseconds that the watchdog's thread has spent on the CPU; 0 where it is not known.
    pub cpu_ns: u64,
}

/// Watches the threads that poll a registry's tasks, until it is dropped.
///
/// ```
/// # use asynctop_probe::{Registry, watch::{Watchdog, WatchOptions}};
/// # fn main() -> std::io::Result<()> {
/// let watchdog = Watchdog::start(Registry::global(), WatchOptions::default())?;
/// for poll in watchdog.handle().records() {
///     let evidence = poll.long_poll();
///     println!("{:?} at {:?}: {}", evidence.function(), evidence.blocked_at(), evidence.cause);
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
    /// Starts watching, on a thread named `asynctop-watchdog`. If stacks are unavailable
    /// it watches without them, and [`WatchHandle::no_stacks`] says why.
    ///
    /// # Errors
    /// If the operating system gives no thread.
    pub fn start(registry: &'static Registry, options: WatchOptions) -> io::Result<Watchdog> {
        let handle = WatchHandle { registry, shared: Arc::new(Shared::new(&options)) };
        let shared = handle.shared.clone();
        let (ready, is_ready) = mpsc::channel();
        let thread = thread::Builder::new().name("asynctop-watchdog".into()).spawn(move || {
            let mut rounds = Rounds::new(registry, &options, shared);
            // Whoever started us may have gone on without waiting.
            let _ = ready.send(());
            rounds.walk();
        })?;
        let _ = handle.shared.thread.set(thread.thread().clone());
        // It fails only if the thread died, and then there is nothing to wait for.
        let _ = is_ready.recv();
        Ok(Watchdog { handle, thread: Some(thread) })
    }

    /// What it sees. A handle stays good when the watchdog is gone; what was under way
    /// then stays as it was seen last.
    pub fn handle(&self) -> &WatchHandle {
        &self.handle
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.handle.shared.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // If it panicked, its message is out, and there is nothing to add.
            let _ = thread.join();
        }
    }
}

/// What a watchdog sees, for anybody on any thread.
#[derive(Clone, Debug)]
pub struct WatchHandle {
    registry: &'static Registry,
    shared: Arc<Shared>,
}

impl WatchHandle {
    /// Long polls: those under way first, then those that are over, latest first.
    pub fn records(&self) -> Vec<Arc<PollRecord>> {
        self.shared.log().records()
    }

    /// The long poll that a task is in right now, by the task's key.
    pub fn current(&self, task: u64) -> Option<Arc<PollRecord>> {
        self.shared.log().current(task)
    }

    /// Asks an idle task where it waits; [`await_point`](Self::await_point) has the answer
    /// when it comes. Returns at once.
    ///
    /// The task is polled once for it. Neither that poll nor the wake that it takes is counted, of
    /// this task or of a measured one around it: counts, times and delays are the same as without
    /// the call. (Futures that poll those inside of them with wakers of their own, such as
    /// `FuturesUnordered`, may be woken once more by Tokio's trace, which is counted.) Only an idle
    /// task is polled for this.
    pub fn ask(&self, task: u64) {
        let no_stacks = self.no_stacks();
        let asked = match eyes::NO_AWAITS.or(no_stacks.as_deref()) {
            Some(why) => Err(why),
            None if self.shared.stop.load(Relaxed) => Err("the watchdog has ended"),
            None => Ok(()),
        };
        let now = self.registry.now();
        // Before the task is woken: it may answer at once.
        self.shared.awaits().ask(task, now);
        let asked = asked.and_then(|()| self.registry.ask(task));
        if let Err(why) = asked {
            self.shared.awaits().answer(task, AwaitState::Unavailable(why.into()));
        } else {
            self.look_now();
        }
    }

    /// Where a task waits that was asked lately, by the task's key.
    pub fn await_point(&self, task: u64) -> Option<AwaitPoint> {
        self.shared.awaits().get(task).cloned()
    }

    /// Why this process's stacks cannot be captured, if so.
    pub fn no_stacks(&self) -> Option<Arc<str>> {
        self.shared.no_stacks()
    }

    /// Has the watchdog look at the threads soon; else it sleeps until a long poll can be due.
    pub(crate) fn look_now(&self) {
        if let Some(thread) = self.shared.thread.get() {
            thread.unpark();
        }
    }

    /// Waits until the watchdog has sampled all threads and its stacks are symbolized, for at most
    /// `patience`. The records of polls whose stacks are not symbolized by then state that as the
    /// reason. Call it before the last [`records`](Self::records) of a run.
    pub fn settle(&self, patience: Duration) {
        let (began, looks) = (Instant::now(), || self.shared.looks.load(Relaxed));
        // The first look that ends may have begun before; the next one sees what there is now.
        let enough = looks() + 2;
        while (looks() < enough || self.shared.log().owes_names()) && began.elapsed() < patience {
            self.look_now();
            thread::sleep(Duration::from_millis(2));
        }
        let why = "the run ended before its stack was symbolized";
        self.shared.log().give_up(why, self.registry.now());
    }

    /// Stacks of threads that spend at least 90 % of their time in polls, one per second and
    /// thread, of the last 10 s, oldest first; at most 256. A thread that is in a long poll has a
    /// record in [`records`](Self::records) instead.
    pub fn samples(&self) -> Vec<Arc<StackSample>> {
        let now = self.registry.now();
        self.shared.samples().iter().filter(|sample| is_recent(sample, now)).cloned().collect()
    }

    /// The latest intervals in which the whole process was stopped (SIGSTOP, a debugger, a paused
    /// virtual machine), oldest first; at most 64. Waits up to a second for the watchdog if its next
    /// sample is overdue: after a stop, a busy machine may run it last, and what is sampled before
    /// the stop is known is never corrected.
    pub fn stops(&self) -> Vec<Stop> {
        const LATE_NS: u64 = 50_000_000;
        const PATIENCE: Duration = Duration::from_secs(1);
        let (began, looks) = (Instant::now(), self.shared.looks.load(Relaxed));
        let is_late = || {
            let due = self.shared.due.load(Relaxed).saturating_add(LATE_NS);
            due < self.registry.now() && self.shared.looks.load(Relaxed) == looks
        };
        while is_late() && began.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(1));
        }
        self.shared.stops().clone()
    }

    /// What the watchdog has done so far.
    pub fn stats(&self) -> WatchStats {
        let shared = &self.shared;
        WatchStats {
            looks: shared.looks.load(Relaxed),
            polls: shared.polls.load(Relaxed),
            asked: shared.asked.load(Relaxed),
            captured: shared.captured.load(Relaxed),
            missed: shared.missed.load(Relaxed),
            signals: shared.signals.load(Relaxed),
            interrupted_calls: shared.interrupting.load(Relaxed),
            cpu_ns: shared.cpu.load(Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::record::testing::record;

    #[test]
    fn report_states_that_it_did_not_wait_for_the_names_of_a_stack() {
        let shared = Arc::new(Shared::new(&WatchOptions::default()));
        let handle = WatchHandle { registry: Registry::leak(), shared: Arc::clone(&shared) };
        let record = PollRecord { unsymbolized: 1, ..record(7, 100) };
        shared.log().open(0, record);
        handle.settle(Duration::ZERO);
        let evidence = handle.records()[0].long_poll();
        let why = "– (the run ended before its stack was symbolized)";
        assert_eq!(evidence.missing_stack().as_deref(), Some(why));
    }
}
