//! What has been looked for in one poll so far.

use super::{
    CallKind, Cause,
    cpu_account::{OtherThreads, Reading},
    eyes::Ticket,
    judge::WINDOW_NS,
};

/// What has been looked for in the poll that a thread is in.
#[derive(Default)]
pub(super) struct Case {
    /// Task and beginning.
    pub poll: Option<(u64, u64)>,
    /// When the cause was last looked for, and the thread's CPU time then.
    pub(super) judged: (u64, Option<u64>),
    /// The thread's times at the last sample before this poll.
    pub(super) before: Option<Reading>,
    /// The cause found by the latest sample of the cause.
    pub(super) cause: Option<Cause>,
    /// Time asleep or in system calls so far, and time waiting for a lock.
    pub(super) blocked_ns: u64,
    pub(super) lock_ns: u64,
    /// The other threads since the poll was first seen waiting for a lock.
    pub(super) others: Option<OtherThreads>,
    pub(super) capture_due: u64,
    pub(super) asked: Option<Request>,
}

/// A stack that a thread owes.
pub(super) struct Request {
    pub(super) ticket: Ticket,
    pub(super) at: u64,
    /// When to say that it is late.
    pub(super) excuse_due: u64,
}

impl Case {
    /// A poll was seen first, at `now`, when its thread had spent `cpu` on the CPU.
    pub(super) fn new(
        poll: Option<(u64, u64)>,
        (now, cpu): (u64, Option<u64>),
        before: Option<Reading>,
    ) -> Case {
        Case { poll, judged: (now, cpu), before, ..Case::default() }
    }

    /// The thread was found in `cause`, which counts for `wall_ns`.
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

    /// Whether a closer look is due.
    pub(super) fn is_due(&self, now: u64) -> bool {
        // Seen for the first time, and late: whether it computes will show in a moment.
        let is_young = now.saturating_sub(self.judged.0) < WINDOW_NS;
        now >= self.capture_due && self.asked.is_none() && !is_young
    }

    /// When a stack was asked for that has not come yet.
    pub(super) fn asked_at(&self) -> Option<u64> {
        self.asked.as_ref().map(|request| request.at)
    }
}
