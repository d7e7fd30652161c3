//! One thread's stack and state, seen from outside, on Linux.
//!
//! A thread is never stopped. The stack of a thread that sleeps in the kernel is copied while it
//! sleeps. A thread that runs gets a signal, which makes it copy its own registers and stack.
//! Everything else (unwinding, symbols, `/proc`) happens on the watchdog's threads.

mod blocked;
#[cfg(all(feature = "await-points", tokio_unstable))]
mod leaf;
mod mailbox;
mod namer;
mod os;
mod signal;
mod supply;

#[cfg(test)]
#[allow(unsafe_code)]
mod blocked_tests;
#[cfg(test)]
#[allow(unsafe_code)]
mod fire;

use std::time::Duration;

pub(in crate::watch) use asynctop_stack::Unwound;
pub(in crate::watch) use mailbox::Ticket;
pub(super) use os::{cpu_time, stolen_time, whereabouts};
pub(super) use supply::{
    is_runnable, load_average, other_threads, own_times, thread_times, throttled_time,
};

use super::{AwaitState, Owner, Stack, judge::Whereabouts};
use crate::accounting::{Registry, SignalStack, ThreadSlot};
use asynctop_stack::{StackCopy, Unwinder};
use blocked::BlockedThreads;
use mailbox::Copied;
use os::CallReport;
use signal::Asked;

/// What came of asking for a stack.
pub(super) enum Answer {
    /// Not here yet.
    Pending(Ticket),
    /// The stack, and the poll that the thread was in: task and beginning.
    Stack(Unwound, Option<(u64, u64)>),
    /// There will be none, and why.
    None(&'static str),
}

/// Captures stacks, and remembers what it learned about the program's code.
pub(super) struct Eyes {
    signal: i32,
    this_thread: u32,
    signals: SignalCounts,
    blocked: BlockedThreads,
    unwinder: Unwinder,
    namer: namer::Namer,
}

/// The signals that were sent to capture stacks.
#[derive(Clone, Copy, Default)]
pub(super) struct SignalCounts {
    pub sent: u64,
    /// Those that made a system call return `EINTR`.
    pub interrupting: u64,
}

/// Maximum number of samples of a thread that sleeps only briefly, until it stays asleep.
const ATTEMPTS: usize = 4;

impl Eyes {
    /// Takes the signal and tries a capture of the calling thread, so that what does not
    /// work is known before it is needed.
    ///
    /// # Errors
    /// Why stacks are unavailable in this process, as a sentence.
    pub(super) fn open(signal: i32) -> Result<Eyes, String> {
        signal::install(signal)?;
        signal::unblock(signal);
        #[cfg(all(feature = "await-points", tokio_unstable))]
        leaf::install(signal);
        let mut eyes = Eyes {
            signal,
            this_thread: os::this_thread(),
            signals: SignalCounts::default(),
            blocked: BlockedThreads::new(),
            unwinder: Unwinder::new(),
            namer: namer::Namer::default(),
        };
        // Threads that poll tasks have theirs from the probe.
        let _signal_stack = SignalStack::install();
        let ticket = first_request(signal, eyes.this_thread)?;
        let seen = wait(&ticket, |copied| eyes.unwinder.unwind(&copied.stack()).addresses.len());
        match seen {
            Some(Ok(frames)) if frames > 1 => Ok(eyes),
            Some(Ok(_)) => Err("stacks are unavailable: no unwind tables".to_owned()),
            Some(Err(why)) => Err(format!("stacks are unavailable: {why}")),
            None => Err("stacks are unavailable: the signal is not delivered".to_owned()),
        }
    }

    /// The current system call of a thread, and its stack. Only a running thread is signaled.
    pub(super) fn ask(&mut self, os_id: u32, slot: &'static ThreadSlot) -> (Whereabouts, Answer) {
        // The kernel would report that the calling thread is reading.
        if os_id == self.this_thread {
            return (Whereabouts::Running, self.signal(os_id, slot));
        }
        let mut whereabouts = Whereabouts::Running;
        for _ in 0..ATTEMPTS {
            let report = CallReport::read(os_id);
            whereabouts = report.whereabouts();
            match whereabouts {
                Whereabouts::Running => return (whereabouts, self.signal(os_id, slot)),
                Whereabouts::Unreadable(_) if os::is_running(os_id) => {
                    return (whereabouts, self.signal(os_id, slot));
                }
                Whereabouts::Unreadable(why) => return (whereabouts, Answer::None(why)),
                Whereabouts::Call(_) | Whereabouts::Blocked => {}
            }
            match self.blocked.copy(os_id, report, Some(slot), &mut self.unwinder) {
                blocked::Copied::Stack(stack, poll) => {
                    return (whereabouts, Answer::Stack(stack, poll));
                }
                blocked::Copied::None(why) => return (whereabouts, Answer::None(why)),
                blocked::Copied::Moved => {}
            }
        }
        (whereabouts, Answer::None("the thread sleeps too briefly for its stack to be copied"))
    }

    /// Signals a running thread to copy its stack; most threads answer immediately.
    fn signal(&mut self, os_id: u32, slot: &'static ThreadSlot) -> Answer {
        match signal::ask(self.signal, os_id, Some(slot)) {
            Asked::Sent(ticket) => {
                self.signals.sent += 1;
                self.collect(ticket, ANSWER_TIME)
            }
            Asked::Refused(why) => Answer::None(why),
            Asked::NoThread => Answer::None("the thread has ended"),
            Asked::NoRoom => Answer::None("too many threads have not responded yet"),
        }
    }

    /// The signals sent so far.
    pub(super) fn signals(&self) -> SignalCounts {
        self.signals
    }

    /// The answer of a thread that was late.
    pub(super) fn collect_late(&mut self, ticket: Ticket) -> Answer {
        self.collect(ticket, Duration::ZERO)
    }

    fn collect(&mut self, ticket: Ticket, patience: Duration) -> Answer {
        let (unwinder, signals) = (&mut self.unwinder, &mut self.signals);
        let seen = wait_for(&ticket, patience, |copied| {
            let stack: StackCopy<'_> = copied.stack();
            signals.interrupting += u64::from(stack.registers.call_was_interrupted());
            (unwinder.unwind(&stack), copied.poll())
        });
        match seen {
            None => Answer::Pending(ticket),
            Some(Err(why)) => Answer::None(why),
            Some(Ok((unwound, poll))) => Answer::Stack(unwound, poll),
        }
    }

    /// Has names looked up for a stack that was captured.
    ///
    /// # Errors
    /// Why there will be none.
    pub(super) fn name(&mut self, owner: Owner, stack: Unwound) -> Result<(), &'static str> {
        self.namer.look_up(owner, vec![stack], self.unwinder.modules())
    }

    /// The stacks that have got their names, one owner's at a time.
    ///
    /// # Errors
    /// Why all that are owed will never come.
    pub(super) fn named(&mut self) -> Result<Option<(Owner, Vec<Stack>)>, &'static str> {
        self.namer.take()
    }

    /// Whether names are being looked up.
    pub(super) fn owes_names(&self) -> bool {
        self.namer.is_busy()
    }

    /// Takes in what tasks of the registry said that were asked where they wait; those that
    /// could not tell, and why. The others' answers come with their names.
    #[cfg(all(feature = "await-points", tokio_unstable))]
    pub(super) fn awaits(&mut self, registry: &'static Registry) -> Vec<(u64, AwaitState)> {
        let traced = leaf::take(registry).into_iter();
        traced.filter_map(|traced| Some((traced.task, self.hear(traced)?))).collect()
    }

    #[cfg(all(feature = "await-points", tokio_unstable))]
    fn hear(&mut self, traced: leaf::Traced) -> Option<AwaitState> {
        let mut stacks = Vec::new();
        let mut why = None;
        for leaf in traced.leaves {
            match leaf.map(|ticket| self.collect(ticket, ANSWER_TIME)) {
                Ok(Answer::Stack(stack, _)) => stacks.push(stack),
                Ok(Answer::Pending(_)) => why = Some("its thread blocks the watchdog's signal"),
                Ok(Answer::None(reason)) | Err(reason) => why = Some(reason),
            }
        }
        if stacks.is_empty() {
            let nowhere = AwaitState::At(Vec::new());
            return Some(why.map_or(nowhere, |why| AwaitState::Unavailable(why.into())));
        }
        let owner = Owner::Idle { task: traced.task };
        let asked = self.namer.look_up(owner, stacks, self.unwinder.modules());
        asked.err().map(|why| AwaitState::Unavailable(why.into()))
    }

    /// Nobody is asked.
    #[cfg(not(all(feature = "await-points", tokio_unstable)))]
    pub(super) fn awaits(&mut self, _registry: &'static Registry) -> Vec<(u64, AwaitState)> {
        Vec::new()
    }

    /// Nanoseconds that the calling thread has spent on the CPU, and who looks names up.
    pub(super) fn own_cpu_time(&self) -> Option<u64> {
        Some(cpu_time(self.this_thread)? + self.namer.cpu_time())
    }

    /// Why a thread has not answered, as far as the operating system tells.
    pub(super) fn why_late(&self, os_id: u32) -> &'static str {
        if !signal::is_ours(self.signal) {
            return "the program has replaced the watchdog's signal handler";
        }
        os::why_late(os_id, self.signal)
    }
}

/// Requests the stack of the calling thread. Other watchdogs of this process may wait for as many
/// stacks as there can be at a time, above all on a busy machine: then it is tried again.
fn first_request(signal: i32, this_thread: u32) -> Result<Ticket, String> {
    const ATTEMPTS: u32 = 400;
    const BETWEEN: Duration = Duration::from_millis(5);
    for _ in 0..ATTEMPTS {
        match signal::ask(signal, this_thread, None) {
            Asked::Sent(ticket) => return Ok(ticket),
            Asked::Refused(why) => return Err(why.to_owned()),
            Asked::NoThread | Asked::NoRoom => std::thread::sleep(BETWEEN),
        }
    }
    Err("stacks are unavailable: other watchdogs of this process wait for theirs".to_owned())
}

/// Why no task can be asked where it waits, if so.
pub(super) const NO_AWAITS: Option<&str> =
    match (cfg!(feature = "await-points"), cfg!(tokio_unstable)) {
        (true, true) => None,
        (true, false) => Some("Tokio's task traces require --cfg tokio_unstable"),
        (false, _) => Some("asynctop-probe was built without its feature await-points"),
    };

/// How long to wait for an answer before looking at other threads. One that runs answers
/// within some 50 µs.
const ANSWER_TIME: Duration = Duration::from_micros(500);

fn wait<T>(ticket: &Ticket, read: impl FnOnce(&Copied) -> T) -> Option<Result<T, &'static str>> {
    wait_for(ticket, ANSWER_TIME, read)
}

/// Waits for the copy that was asked for and reads it; `None` if it is not there in time.
fn wait_for<T>(
    ticket: &Ticket,
    patience: Duration,
    read: impl FnOnce(&Copied) -> T,
) -> Option<Result<T, &'static str>> {
    let began = std::time::Instant::now();
    loop {
        if let Some(copied) = ticket.copied() {
            return Some(copied.map(read));
        }
        if began.elapsed() >= patience {
            return None;
        }
        std::thread::sleep(Duration::from_micros(20));
    }
}
