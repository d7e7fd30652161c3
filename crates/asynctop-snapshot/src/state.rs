//! The states of a task.

/// The state of a task, in the order of its life cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum State {
    /// Created, but neither spawned nor awaited: it does nothing.
    Created,
    /// Spawned or woken, and waiting for a worker.
    Scheduled,
    /// In its `poll` now.
    Polling,
    /// Waiting for a wake.
    Idle,
    /// Its future is being dropped before it has returned `Ready`: destructors run.
    Dropping,
    /// Its future returned `Ready`.
    Completed,
    /// Its future was dropped before it returned `Ready`: aborted, or its runtime shut down.
    Cancelled,
    /// Its `poll` panicked.
    Panicked,
    /// Ended in an unknown way.
    Ended,
}

impl State {
    /// The name on screen and in reports.
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

    /// Whether the task has ended.
    pub fn is_done(self) -> bool {
        matches!(self, State::Completed | State::Cancelled | State::Panicked | State::Ended)
    }
}

/// A poll of a task or the drop of its future: both occupy a worker until they return.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum PollKind {
    /// A poll of its future.
    #[default]
    Poll,
    /// The drop of its future outside of a poll, after the task was aborted or has completed. Counts
    /// neither as a poll nor as busy time.
    Drop,
}

impl PollKind {
    /// The name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            PollKind::Poll => "poll",
            PollKind::Drop => "drop",
        }
    }
}
