//! The poll that a thread is in, and the captures requested for it.

use super::{
    CallKind, Cause,
    cause::WINDOW_NS,
    cpu_account::{CpuReading, OtherThreads},
    impact::{Attribution, DelayBaseline},
    platform::Ticket,
    steal::StealReading,
};
use crate::accounting::{CurrentPoll, CurrentPolls, PollKind, ThreadSlot};

#[derive(Default)]
pub(super) struct WatchedPoll {
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
    pub(super) kind: PollKind,
    /// Steal time before the poll began.
    pub(super) steal_before: StealReading,
    /// The poll is long and has a record.
    pub(super) is_long: bool,
    /// Scheduling delays of all tasks when the poll became long.
    pub(super) baseline: Option<DelayBaseline>,
    pub(super) attribution: Attribution,
    /// Time that the thread had spent in polls when this one began.
    pub(super) busy_before: u64,
    /// Time in long polls nested in this one, which have records of their own.
    pub(super) nested_ns: u64,
    /// The poll in which this one is nested, while this one is watched instead.
    pub(super) outer: Option<Box<WatchedPoll>>,
}

/// A requested stack that has not arrived.
pub(super) struct PendingCapture {
    pub(super) ticket: Ticket,
    pub(super) requested_at: u64,
    /// When the record states the reason for the delay.
    pub(super) report_due: u64,
}

impl WatchedPoll {
    /// A poll first seen at `now`, when its thread had spent `cpu` on the CPU.
    pub(super) fn new(
        key: Option<(u64, u64)>,
        (now, cpu): (u64, Option<u64>),
        cpu_before: Option<CpuReading>,
    ) -> WatchedPoll {
        WatchedPoll { key, cause_sampled: (now, cpu), cpu_before, ..WatchedPoll::default() }
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

/// Maximum number of attempts to read the polls of a thread while it begins or ends one.
const MAX_ATTEMPTS: usize = 4;

/// The polls that a thread is in, as far as two consecutive reads agree.
pub(super) fn stable_polls(slot: &ThreadSlot) -> CurrentPolls {
    let mut seen = slot.peek();
    for _ in 0..MAX_ATTEMPTS {
        let again = slot.peek();
        if again.outermost == seen.outermost {
            let innermost = seen.innermost.filter(|_| seen.innermost == again.innermost);
            return CurrentPolls { innermost, outermost: seen.outermost };
        }
        seen = again;
    }
    CurrentPolls::NONE
}

/// The poll to watch: the innermost one if it is long, and otherwise the one around all others, which
/// may consist of many short ones.
pub(super) fn poll_to_watch(polls: CurrentPolls, now: u64, long_ns: u64) -> Option<CurrentPoll> {
    let is_long = |poll: &CurrentPoll| now.saturating_sub(poll.since) >= long_ns;
    polls.innermost.filter(is_long).or(polls.outermost)
}
