//! Platforms on which stacks cannot be captured: long polls are recorded without stacks.

use super::{AwaitState, StackOwner, Symbolized, cause::Activity};
use crate::accounting::{CurrentPolls, Registry, ThreadSlot};

const UNAVAILABLE: &str = "stacks are unavailable on this platform";

/// The reason why await points are unavailable.
pub(super) const NO_AWAIT_POINTS: Option<&str> =
    Some("Tokio's task traces require Linux on x86_64 or aarch64");

/// Cannot be constructed on this platform.
pub(super) enum StackCapturer {}

/// A requested stack.
pub(super) enum Ticket {}

/// A stack before symbolization.
#[derive(Default)]
pub(super) struct Unwound;

/// The result of a request for a stack.
#[allow(dead_code, reason = "never constructed on this platform")]
pub(super) enum Capture {
    /// It has not arrived yet.
    Pending(Ticket),
    /// The stack, and the polls that the thread was in.
    Stack(Unwound, CurrentPolls),
    /// No stack, with the reason.
    Failed(&'static str),
}

/// The signals that were sent to capture stacks.
#[derive(Clone, Copy, Default)]
pub(super) struct SignalCounts {
    pub sent: u64,
    pub interrupting: u64,
}

impl StackCapturer {
    pub(super) fn open(_signal: i32) -> Result<StackCapturer, String> {
        Err(UNAVAILABLE.to_owned())
    }

    pub(super) fn capture(
        &mut self,
        _os_id: u32,
        _slot: &'static ThreadSlot,
    ) -> (Activity, Capture) {
        match *self {}
    }

    pub(super) fn signal_counts(&self) -> SignalCounts {
        match *self {}
    }

    pub(super) fn collect_pending(&mut self, ticket: Ticket) -> Capture {
        match ticket {}
    }

    pub(super) fn symbolize(
        &mut self,
        _owner: StackOwner,
        _stack: Unwound,
    ) -> Result<(), &'static str> {
        match *self {}
    }

    pub(super) fn next_symbolized(&mut self) -> Result<Option<Symbolized>, &'static str> {
        match *self {}
    }

    pub(super) fn is_symbolizing(&self) -> bool {
        match *self {}
    }

    pub(super) fn await_points(&mut self, _registry: &'static Registry) -> Vec<(u64, AwaitState)> {
        match *self {}
    }

    pub(super) fn watchdog_cpu_time(&self) -> Option<u64> {
        match *self {}
    }

    pub(super) fn no_response_reason(&self, _os_id: u32) -> &'static str {
        match *self {}
    }
}

/// Not known.
pub(super) fn process_cpu_time() -> Option<u64> {
    None
}

/// Nanoseconds that a thread has spent on the CPU.
pub(super) fn cpu_time(_os_id: u32) -> Option<u64> {
    None
}

/// CPU time and run-queue delay of the calling thread.
pub(super) fn current_thread_times() -> Option<super::ThreadTimes> {
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

/// Time in which some task of the machine waited for a CPU.
pub(super) fn cpu_pressure() -> Option<u64> {
    None
}

/// The CPUs that another process may use.
pub(super) fn cpus_of(_process: u32) -> Option<usize> {
    None
}

/// The CPU cgroup of a process, which is not known.
#[derive(Debug)]
pub(super) struct Cgroup;

impl Cgroup {
    pub(super) fn of(_process: Option<u32>) -> Cgroup {
        Cgroup
    }

    /// Time in which a CPU quota has throttled it.
    pub(super) fn throttled_time(&self) -> Option<u64> {
        None
    }
}

/// Steal time of each CPU, in nanoseconds.
pub(super) fn steal_time() -> Vec<u64> {
    Vec::new()
}

/// The current activity of a thread.
pub(super) fn thread_activity(_os_id: u32) -> Activity {
    Activity::Unreadable("unavailable on this platform")
}
