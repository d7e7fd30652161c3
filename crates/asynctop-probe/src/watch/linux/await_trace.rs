//! Await points: a poll under Tokio's trace, in which each Tokio future that would wait calls back
//! instead. In that callback the thread copies its own stack, by the same signal as for a long
//! poll; the watchdog unwinds and symbolizes it.

use std::sync::{
    Mutex,
    atomic::{AtomicI32, Ordering::Relaxed},
};

use super::{
    mailbox::Ticket,
    os,
    signal::{self, RequestOutcome},
};
use crate::{
    accounting::{Registry, set_tracer},
    lock::lock,
};

/// Maximum number of await points per poll: the mailboxes are needed for long polls, too.
const MAX_AWAIT_POINTS: usize = 4;
/// Maximum number of traced polls that no watchdog has collected.
const MAX_TRACED: usize = 8;

pub(in crate::watch) struct TracedPoll {
    registry: &'static Registry,
    /// Key of the task.
    pub task: u64,
    /// The requested stack at each future that would wait.
    pub await_points: Vec<Result<Ticket, &'static str>>,
}

pub(super) static TRACED: Mutex<Vec<TracedPoll>> = Mutex::new(Vec::new());
static SIGNAL: AtomicI32 = AtomicI32::new(0);

/// Enables the trace of polls whose await points are requested.
pub(super) fn install(signal: i32) {
    SIGNAL.store(signal, Relaxed);
    set_tracer(trace);
}

/// The traced polls of a registry since the last call.
pub(in crate::watch) fn take(registry: &'static Registry) -> Vec<TracedPoll> {
    let mut all = lock(&TRACED);
    all.extract_if(.., |traced| std::ptr::eq(traced.registry, registry)).collect()
}

/// Runs on the polling thread, in the poll.
fn trace(registry: &'static Registry, task: u64, poll: &mut dyn FnMut()) {
    let mut await_points = Vec::new();
    tokio::runtime::dump::trace_with(poll, |_| {
        if await_points.len() < MAX_AWAIT_POINTS {
            await_points.push(copy_own_stack());
        }
    });
    let mut all = lock(&TRACED);
    if all.len() >= MAX_TRACED {
        all.remove(0);
    }
    all.push(TracedPoll { registry, task, await_points });
}

#[inline(never)]
fn copy_own_stack() -> Result<Ticket, &'static str> {
    match signal::request_copy(SIGNAL.load(Relaxed), os::this_thread(), None) {
        RequestOutcome::Sent(ticket) => Ok(ticket),
        RequestOutcome::NoThread => Err("the thread has ended"),
        RequestOutcome::NoMailbox => Err("too many stacks are being copied"),
        RequestOutcome::Refused(why) => Err(why),
    }
}
