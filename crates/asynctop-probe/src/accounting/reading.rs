//! What a ledger says of a task.

use asynctop_snapshot::State;

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
    /// let registry = asynctop_probe::Registry::global();
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
