//! Where stacks cannot be captured: long polls are known, and no more.

use super::{AwaitState, Owner, Stack, judge::Whereabouts};
use crate::accounting::{Registry, ThreadSlot};

const UNAVAILABLE: &str = "stacks are unavailable on this platform";

/// Why no task can be asked where it waits.
pub(super) const NO_AWAITS: Option<&str> =
    Some("Tokio's task traces require Linux on x86_64 or aarch64");

/// There are none here.
pub(super) enum Eyes {}

/// A stack that was asked for.
pub(super) enum Ticket {}

/// A stack as it is captured.
#[derive(Default)]
pub(super) struct Unwound;

/// What came of asking for a stack.
#[allow(dead_code, reason = "nobody can ask")]
pub(super) enum Answer {
    /// Not here yet.
    Pending(Ticket),
    /// The stack, and the poll that the thread was in: task and beginning.
    Stack(Unwound, Option<(u64, u64)>),
    /// There will be none, and why.
    None(&'static str),
}

/// The signals that were sent to capture stacks.
#[derive(Clone, Copy, Default)]
pub(super) struct SignalCounts {
    pub sent: u64,
    pub interrupting: u64,
}

impl Eyes {
    pub(super) fn open(_signal: i32) -> Result<Eyes, String> {
        Err(UNAVAILABLE.to_owned())
    }

    pub(super) fn ask(&mut self, _os_id: u32, _slot: &'static ThreadSlot) -> (Whereabouts, Answer) {
        match *self {}
    }

    pub(super) fn signals(&self) -> SignalCounts {
        match *self {}
    }

    pub(super) fn collect_late(&mut self, ticket: Ticket) -> Answer {
        match ticket {}
    }

    pub(super) fn name(&mut self, _owner: Owner, _stack: Unwound) -> Result<(), &'static str> {
        match *self {}
    }

    pub(super) fn named(&mut self) -> Result<Option<(Owner, Vec<Stack>)>, &'static str> {
        match *self {}
    }

    pub(super) fn owes_names(&self) -> bool {
        match *self {}
    }

    pub(super) fn awaits(&mut self, _registry: &'static Registry) -> Vec<(u64, AwaitState)> {
        match *self {}
    }

    pub(super) fn own_cpu_time(&self) -> Option<u64> {
        match *self {}
    }

    pub(super) fn why_late(&self, _os_id: u32) -> &'static str {
        match *self {}
    }
}

/// Nanoseconds that a thread has spent on the CPU.
pub(super) fn cpu_time(_os_id: u32) -> Option<u64> {
    None
}

/// CPU time and run-queue delay of the calling thread.
pub(super) fn own_times() -> Option<super::ThreadTimes> {
    None
}

/// Whether a thread is on a CPU or waits for one: not known.
pub(super) fn is_runnable(_os_id: u32) -> bool {
    true
}

/// The other threads of this process.
pub(super) fn other_threads(_thread: u32) -> Vec<u32> {
    Vec::new()
}

/// CPU time and run-queue delay of a thread.
pub(super) fn thread_times(_os_id: u32) -> Option<super::ThreadTimes> {
    None
}

/// Load average of the last minute.
pub(super) fn load_average() -> Option<f64> {
    None
}

/// Time for which a CPU quota has stopped this process.
pub(super) fn throttled_time() -> Option<u64> {
    None
}

/// Nanoseconds that the host of a virtual machine has taken from each CPU.
pub(super) fn stolen_time() -> Vec<u64> {
    Vec::new()
}

/// What a thread is in right now.
pub(super) fn whereabouts(_os_id: u32) -> Whereabouts {
    Whereabouts::Unreadable("unavailable on this platform")
}
