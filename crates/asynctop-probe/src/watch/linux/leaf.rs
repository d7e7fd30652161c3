//! Where a task waits: a poll under Tokio's trace, in which each of Tokio's futures that
//! would wait calls us instead. There the thread copies its own stack, by the same signal
//! as for a long poll; the rest is the watchdog's.

use std::sync::{
    Mutex,
    atomic::{AtomicI32, Ordering::Relaxed},
};

use super::{
    mailbox::Ticket,
    os,
    signal::{self, Asked},
};
use crate::{
    accounting::{Registry, set_tracer},
    lock::lock,
};

/// Futures of one poll whose stacks are copied; the mailboxes are for long polls, too.
const LEAVES: usize = 4;
/// Answers that nobody took are let go beyond this.
const ANSWERS: usize = 8;

/// A traced poll.
pub(in crate::watch) struct Traced {
    registry: &'static Registry,
    /// Key of the task.
    pub task: u64,
    /// The stack at each future that would wait.
    pub leaves: Vec<Result<Ticket, &'static str>>,
}

pub(super) static ANSWERS_OF_ALL: Mutex<Vec<Traced>> = Mutex::new(Vec::new());
static SIGNAL: AtomicI32 = AtomicI32::new(0);

/// Has polls that were asked for traced from now on.
pub(super) fn install(signal: i32) {
    SIGNAL.store(signal, Relaxed);
    set_tracer(trace);
}

/// The traced polls of a registry since the last call.
pub(in crate::watch) fn take(registry: &'static Registry) -> Vec<Traced> {
    let mut all = lock(&ANSWERS_OF_ALL);
    all.extract_if(.., |traced| std::ptr::eq(traced.registry, registry)).collect()
}

/// On the thread that polls, inside of the poll.
fn trace(registry: &'static Registry, task: u64, poll: &mut dyn FnMut()) {
    let mut leaves = Vec::new();
    tokio::runtime::dump::trace_with(poll, |_| {
        if leaves.len() < LEAVES {
            leaves.push(copy());
        }
    });
    let mut all = lock(&ANSWERS_OF_ALL);
    if all.len() >= ANSWERS {
        all.remove(0);
    }
    all.push(Traced { registry, task, leaves });
}

#[inline(never)]
fn copy() -> Result<Ticket, &'static str> {
    match signal::ask(SIGNAL.load(Relaxed), os::this_thread(), None) {
        Asked::Sent(ticket) => Ok(ticket),
        Asked::NoThread => Err("the thread has ended"),
        Asked::NoRoom => Err("too many stacks are being copied"),
        Asked::Refused(why) => Err(why),
    }
}
