//! The poll that a thread is in, and the captures requested for it.

use super::{
    CallKind, Cause,
    cause::WINDOW_NS,
    cpu_account::{CpuReading, OtherThreads},
    platform::Ticket,
};

#[derive(Default)]
pub(super) struct PollUnderWatch {
    /// Task and start of the poll; `None` between two polls.
    pub key: Option<(u64, u64)>,
    /// When the cause was last sampled, and the thread's CPU time then.
    pub(super) cause_sampled: (u64, Option<u64>),
    /// The thread's times at the last sample before this poll.
    pub(super) cpu_before: Option<CpuReading>,
    /// The cause found by the latest sample of the cause.
    pub(super) cause: Option<Cause>,
    /// Time asleep or in system calls so far, and time waiting for a lock.
    pub(super) blocked_ns: u64,
    pub(super) lock_ns: u64,
    /// The other threads since the poll was first seen waiting for a lock.
    pub(super) other_threads: Option<OtherThreads>,
    pub(super) capture_due: u64,
    pub(super) pending_capture: Option<PendingCapture>,
}

/// A requested stack that has not arrived.
pub(super) struct PendingCapture {
    pub(super) ticket: Ticket,
    pub(super) requested_at: u64,
    /// When the record states the reason for the delay.
    pub(super) report_due: u64,
}

impl PollUnderWatch {
    /// A poll first seen at `now`, when its thread had spent `cpu` on the CPU.
    pub(super) fn new(
        key: Option<(u64, u64)>,
        (now, cpu): (u64, Option<u64>),
        cpu_before: Option<CpuReading>,
    ) -> PollUnderWatch {
        PollUnderWatch { key, cause_sampled: (now, cpu), cpu_before, ..PollUnderWatch::default() }
    }

    /// Counts `wall_ns` for `cause`, the one found by a sample.
    pub(super) fn add_cause(&mut self, cause: Cause, wall_ns: u64) {
        match &cause {
            Cause::Call(call) if call.kind == CallKind::Lock => self.lock_ns += wall_ns,
            Cause::Call(_) | Cause::PageFault => self.blocked_ns += wall_ns,
            Cause::Computing | Cause::NoCpu | Cause::Unknown(_) => {}
        }
        self.cause = Some(cause);
    }

    /// Whether the thread was last found waiting for a lock.
    pub(super) fn waits_for_lock(&self) -> bool {
        matches!(&self.cause, Some(Cause::Call(call)) if call.kind == CallKind::Lock)
    }

    /// Whether the cause and the stack are to be sampled at `now`.
    pub(super) fn is_due(&self, now: u64) -> bool {
        // A poll that was already long when it was first seen is not due yet: its CPU time over a
        // window will show whether it computes.
        let is_too_early = now.saturating_sub(self.cause_sampled.0) < WINDOW_NS;
        now >= self.capture_due && self.pending_capture.is_none() && !is_too_early
    }

    /// When the pending capture was requested.
    pub(super) fn capture_requested_at(&self) -> Option<u64> {
        self.pending_capture.as_ref().map(|capture| capture.requested_at)
    }
}
