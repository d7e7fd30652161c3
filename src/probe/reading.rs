//! What a ledger says of a task.

/// Where a task stands. The order is that of a task's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Made, and never polled: nobody has spawned or awaited it, so it does nothing.
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
    /// It is gone, and nobody has said how it ended.
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

/// How a poll ends a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Completed,
    Panicked,
}

/// One coherent reading of a ledger. All times in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Where the task stands.
    pub state: State,
    /// When it came to stand there, on the probe's clock.
    pub since: u64,
    /// From its spawn to the reading, or to its end. Always `busy + scheduled + idle`.
    pub lifetime: u64,
    /// Time inside `poll`, the running poll included.
    pub busy: u64,
    /// Time between a wake (or the spawn) and the poll that follows it.
    pub scheduled: u64,
    /// Time between the end of a poll and the next wake, before the first poll of a future that is
    /// not a separate task, and while the future is dropped.
    pub idle: u64,
    /// Polls begun, the running one included.
    pub polls: u64,
    /// Calls of `wake` on wakers of this task.
    pub wakes: u64,
    /// Those of them that came from inside the task's own poll.
    pub self_wakes: u64,
    /// The longest poll, the running one included.
    pub max_poll: u64,
    /// The longest wait for a worker, the running one included.
    pub max_delay: u64,
}

impl Reading {
    /// When the future was made, on the probe's clock; `now` is the time for which the
    /// reading was asked.
    ///
    /// ```
    /// let registry = asynctop::probe::Registry::global();
    /// let before = registry.now();
    /// let task = registry.instrument("later", async {});
    /// let now = registry.now();
    /// registry.scan(now, |view| {
    ///     if view.key() == task.key() {
    ///         assert!((before..=now).contains(&view.reading.began(now)));
    ///     }
    /// });
    /// ```
    pub fn began(&self, now: u64) -> u64 {
        // What went on while others were read has come further than that `now`.
        let end = if self.state.is_done() { self.since } else { now.max(self.since) };
        end.saturating_sub(self.lifetime)
    }
}
