//! The states of a task.

/// The state of a task. The order is that of a task's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum State {
    /// Created and never polled: it has not been spawned or awaited, so it does nothing.
    Created,
    /// Spawned or woken; waits for a worker.
    Scheduled,
    /// A worker is in its `poll` right now.
    Polling,
    /// Waits for a wake.
    Idle,
    /// Its future is being dropped before it returned: the destructors of what it owns run.
    Dropping,
    /// Its future returned.
    Completed,
    /// Its future was dropped before it returned: aborted, or its runtime shut down.
    Cancelled,
    /// Its `poll` panicked.
    Panicked,
    /// It has ended, and how is unknown.
    Ended,
}

impl State {
    /// The word for it, on screen and in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Created => "created",
            State::Scheduled => "scheduled",
            State::Polling => "polling",
            State::Idle => "idle",
            State::Dropping => "dropping",
            State::Completed => "completed",
            State::Cancelled => "cancelled",
            State::Panicked => "panicked",
            State::Ended => "ended",
        }
    }

    /// Whether the task is over.
    pub fn is_done(self) -> bool {
        matches!(self, State::Completed | State::Cancelled | State::Panicked | State::Ended)
    }
}

/// Code of a task that a worker runs without interruption.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum PollKind {
    /// A poll of its future.
    #[default]
    Poll,
    /// The drop of its future outside of a poll: after the task was aborted or has completed.
    /// It counts neither as a poll nor as busy time.
    Drop,
}

impl PollKind {
    /// The word for it in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            PollKind::Poll => "poll",
            PollKind::Drop => "drop",
        }
    }
}
