//! The stacks and the states of threads, captured from outside, on Linux.
//!
//! A thread is never stopped. The stack of a thread that sleeps in the kernel is copied while it
//! sleeps. A running thread gets a signal, whose handler copies the thread's registers and stack.
//! Everything else (unwinding, symbols, `/proc`) happens on the watchdog's threads.

#[cfg(all(feature = "await-points", tokio_unstable))]
mod await_trace;
mod blocked;
mod cpu_times;
mod mailbox;
mod os;
mod signal;
mod symbolizer;

#[cfg(test)]
#[allow(unsafe_code)]
mod blocked_tests;
#[cfg(test)]
#[allow(unsafe_code)]
mod signal_stress_tests;

use std::time::Duration;

pub(in crate::watch) use asynctop_stack::Unwound;
pub(super) use cpu_times::{
    Cgroup, cpu_pressure, cpus_of, current_thread_times, is_runnable, load_average, other_threads,
    thread_times,
};
pub(in crate::watch) use mailbox::Ticket;
pub(super) use os::{cpu_time, process_cpu_time, steal_time, thread_activity};

use super::{AwaitState, StackOwner, Symbolized, cause::Activity};
use crate::accounting::{CurrentPolls, Registry, SignalStack, ThreadSlot};
use asynctop_stack::{StackCopy, Unwinder};
use blocked::{BlockedThreads, CopyOutcome};
use mailbox::CopiedStack;
use os::CallReport;
use signal::RequestOutcome;

/// The result of a request for a stack.
pub(super) enum Capture {
    /// It has not arrived yet.
    Pending(Ticket),
    /// The stack, and the polls that the thread was in.
    Stack(Unwound, CurrentPolls),
    /// No stack, with the reason.
    Failed(&'static str),
}

/// Captures stacks. Caches unwind information of the program.
pub(super) struct StackCapturer {
    signal: i32,
    this_thread: u32,
    signals: SignalCounts,
    blocked: BlockedThreads,
    unwinder: Unwinder,
    symbolizer: symbolizer::SymbolizerThread,
}

/// The signals that were sent to capture stacks.
#[derive(Clone, Copy, Default)]
pub(super) struct SignalCounts {
    pub sent: u64,
    /// Those that made a system call return `EINTR`.
    pub interrupting: u64,
}

/// Maximum number of attempts to copy the stack of a thread that sleeps only briefly.
const MAX_ATTEMPTS: usize = 4;

impl StackCapturer {
    /// Installs the signal handler and tries a capture of the calling thread, so that a problem is
    /// known before the first long poll.
    ///
    /// # Errors
    /// The reason why stacks are unavailable in this process, as a sentence.
    pub(super) fn open(signal: i32) -> Result<StackCapturer, String> {
        signal::install(signal)?;
        signal::unblock(signal);
        #[cfg(all(feature = "await-points", tokio_unstable))]
        await_trace::install(signal);
        let mut capturer = StackCapturer {
            signal,
            this_thread: os::this_thread(),
            signals: SignalCounts::default(),
            blocked: BlockedThreads::new(),
            unwinder: Unwinder::new(),
            symbolizer: symbolizer::SymbolizerThread::default(),
        };
        // Threads that poll tasks have theirs from the probe.
        let _signal_stack = SignalStack::install();
        let ticket = first_request(signal, capturer.this_thread)?;
        let mut unwind = |copied: &CopiedStack| capturer.unwinder.unwind(&copied.stack());
        let frames = wait_for(&ticket, ANSWER_TIME, |copied| unwind(copied).addresses.len());
        match frames {
            Some(Ok(frames)) if frames > 1 => Ok(capturer),
            Some(Ok(_)) => Err("stacks are unavailable: no unwind tables".to_owned()),
            Some(Err(why)) => Err(format!("stacks are unavailable: {why}")),
            None => Err("stacks are unavailable: the signal is not delivered".to_owned()),
        }
    }

    /// The current activity of a thread, and its stack. Only a running thread is signaled.
    pub(super) fn capture(&mut self, os_id: u32, slot: &'static ThreadSlot) -> (Activity, Capture) {
        // The kernel would report that the calling thread is reading.
        if os_id == self.this_thread {
            return (Activity::Running, self.signal(os_id, slot));
        }
        let mut activity = Activity::Running;
        for _ in 0..MAX_ATTEMPTS {
            let report = CallReport::read(os_id);
            activity = report.activity();
            match activity {
                Activity::Running => return (activity, self.signal(os_id, slot)),
                Activity::Unreadable(_) if os::is_running(os_id) => {
                    return (activity, self.signal(os_id, slot));
                }
                Activity::Unreadable(why) => return (activity, Capture::Failed(why)),
                Activity::Call(_) | Activity::Blocked => {}
            }
            match self.blocked.copy(os_id, report, Some(slot), &mut self.unwinder) {
                CopyOutcome::Stack(stack, polls) => {
                    return (activity, Capture::Stack(stack, polls));
                }
                CopyOutcome::Failed(why) => return (activity, Capture::Failed(why)),
                CopyOutcome::Moved => {}
            }
        }
        (activity, Capture::Failed("the thread sleeps too briefly for its stack to be copied"))
    }

    /// Signals a running thread to copy its stack; most threads answer immediately.
    fn signal(&mut self, os_id: u32, slot: &'static ThreadSlot) -> Capture {
        match signal::request_copy(self.signal, os_id, Some(slot)) {
            RequestOutcome::Sent(ticket) => {
                self.signals.sent += 1;
                self.collect(ticket, ANSWER_TIME)
            }
            RequestOutcome::Refused(why) => Capture::Failed(why),
            RequestOutcome::NoThread => Capture::Failed("the thread has ended"),
            RequestOutcome::NoMailbox => Capture::Failed("too many threads have not responded yet"),
        }
    }

    /// The signals sent so far.
    pub(super) fn signal_counts(&self) -> SignalCounts {
        self.signals
    }

    /// The result of a request that was pending.
    pub(super) fn collect_pending(&mut self, ticket: Ticket) -> Capture {
        self.collect(ticket, Duration::ZERO)
    }

    fn collect(&mut self, ticket: Ticket, timeout: Duration) -> Capture {
        let (unwinder, signals) = (&mut self.unwinder, &mut self.signals);
        let result = wait_for(&ticket, timeout, |copied| {
            let stack: StackCopy<'_> = copied.stack();
            signals.interrupting += u64::from(stack.registers.call_was_interrupted());
            (unwinder.unwind(&stack), copied.polls())
        });
        match result {
            None => Capture::Pending(ticket),
            Some(Err(why)) => Capture::Failed(why),
            Some(Ok((unwound, polls))) => Capture::Stack(unwound, polls),
        }
    }

    /// Queues a stack for symbolization.
    ///
    /// # Errors
    /// The reason why it will not be symbolized.
    pub(super) fn symbolize(
        &mut self,
        owner: StackOwner,
        stack: Unwound,
    ) -> Result<(), &'static str> {
        self.symbolizer.enqueue(owner, vec![stack], self.unwinder.modules())
    }

    /// The next symbolized stacks, those of one owner.
    ///
    /// # Errors
    /// The reason why all pending stacks have failed.
    pub(super) fn next_symbolized(&mut self) -> Result<Option<Symbolized>, &'static str> {
        self.symbolizer.try_next()
    }

    pub(super) fn is_symbolizing(&self) -> bool {
        self.symbolizer.is_busy()
    }

    /// Collects the traced polls of the registry's tasks. Queues their stacks for symbolization;
    /// returns the answers that have no stacks.
    #[cfg(all(feature = "await-points", tokio_unstable))]
    pub(super) fn await_points(&mut self, registry: &'static Registry) -> Vec<(u64, AwaitState)> {
        let traced = await_trace::take(registry).into_iter();
        traced.filter_map(|traced| Some((traced.task, self.collect_traced(traced)?))).collect()
    }

    #[cfg(all(feature = "await-points", tokio_unstable))]
    fn collect_traced(&mut self, traced: await_trace::TracedPoll) -> Option<AwaitState> {
        let mut stacks = Vec::new();
        let mut why = None;
        for requested in traced.await_points {
            match requested.map(|ticket| self.collect(ticket, ANSWER_TIME)) {
                Ok(Capture::Stack(stack, _)) => stacks.push(stack),
                Ok(Capture::Pending(_)) => why = Some("its thread blocks the watchdog's signal"),
                Ok(Capture::Failed(reason)) | Err(reason) => why = Some(reason),
            }
        }
        if stacks.is_empty() {
            let nowhere = AwaitState::At(Vec::new());
            return Some(why.map_or(nowhere, |why| AwaitState::Unavailable(why.into())));
        }
        let owner = StackOwner::Idle { task: traced.task };
        let queued = self.symbolizer.enqueue(owner, stacks, self.unwinder.modules());
        queued.err().map(|why| AwaitState::Unavailable(why.into()))
    }

    /// Polls are not traced in this build.
    #[cfg(not(all(feature = "await-points", tokio_unstable)))]
    pub(super) fn await_points(&mut self, _registry: &'static Registry) -> Vec<(u64, AwaitState)> {
        Vec::new()
    }

    /// Nanoseconds that the calling thread and the symbolizer have spent on the CPU.
    pub(super) fn watchdog_cpu_time(&self) -> Option<u64> {
        Some(cpu_time(self.this_thread)? + self.symbolizer.cpu_time())
    }

    /// The reason why a thread has not answered, as far as the operating system reports it.
    pub(super) fn no_response_reason(&self, os_id: u32) -> &'static str {
        if !signal::is_ours(self.signal) {
            return "the program has replaced the watchdog's signal handler";
        }
        os::no_response_reason(os_id, self.signal)
    }
}

/// Requests the stack of the calling thread. Retries while all mailboxes are in use: other
/// watchdogs of this process may be waiting for stacks, above all on a busy machine.
fn first_request(signal: i32, this_thread: u32) -> Result<Ticket, String> {
    const ATTEMPTS: u32 = 400;
    const INTERVAL: Duration = Duration::from_millis(5);
    for _ in 0..ATTEMPTS {
        match signal::request_copy(signal, this_thread, None) {
            RequestOutcome::Sent(ticket) => return Ok(ticket),
            RequestOutcome::Refused(why) => return Err(why.to_owned()),
            RequestOutcome::NoThread | RequestOutcome::NoMailbox => std::thread::sleep(INTERVAL),
        }
    }
    Err("stacks are unavailable: other watchdogs of this process use all mailboxes".to_owned())
}

/// The reason why await points are unavailable, if so.
pub(super) const NO_AWAIT_POINTS: Option<&str> = match (
    cfg!(feature = "await-points"),
    cfg!(tokio_unstable),
) {
    (true, true) => None,
    (true, false) => Some("Tokio's task traces require --cfg tokio_unstable"),
    (false, _) => Some(
        "asynctop-probe was built without its feature await-points, which needs --cfg tokio_unstable",
    ),
};

/// How long to wait for an answer before sampling other threads. A running thread answers within
/// some 50 µs.
const ANSWER_TIME: Duration = Duration::from_micros(500);

/// Waits for a requested copy and reads it; `None` if it does not arrive in time.
fn wait_for<T>(
    ticket: &Ticket,
    timeout: Duration,
    read: impl FnOnce(&CopiedStack) -> T,
) -> Option<Result<T, &'static str>> {
    let began = std::time::Instant::now();
    loop {
        if let Some(copied) = ticket.copied() {
            return Some(copied.map(read));
        }
        if began.elapsed() >= timeout {
            return None;
        }
        std::thread::sleep(Duration::from_micros(20));
    }
}
