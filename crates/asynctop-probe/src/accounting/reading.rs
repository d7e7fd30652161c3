//! A coherent copy of a task's statistics.

use asynctop_snapshot::State;

/// How a poll ends a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Completed,
    Panicked,
}

/// One coherent reading of a task's statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The state of the task.
    pub state: State,
    /// When the state began, in nanoseconds on the probe's clock.
    pub since: u64,
    /// Time from the spawn to the reading, or to the end of the task, in nanoseconds. Always
    /// `busy + scheduled + idle`.
    pub lifetime: u64,
    /// Time inside `poll`, the running poll included, in nanoseconds.
    pub busy: u64,
    /// Time between a wake (or the spawn) and the poll that follows it, in nanoseconds.
    pub scheduled: u64,
    /// Time between the end of a poll and the next wake, before the first poll of a future that is
    /// not a separate task, and while the future is dropped, in nanoseconds.
    pub idle: u64,
    /// Number of polls begun, the running one included.
    pub polls: u64,
    /// Number of calls of `wake` on wakers of this task.
    pub wakes: u64,
    /// Number of wakes from inside the task's own poll; part of `wakes`.
    pub self_wakes: u64,
    /// The longest poll, the running one included, in nanoseconds.
    pub max_poll: u64,
    /// The longest scheduling delay, the running one included, in nanoseconds.
    pub max_delay: u64,
}

impl Reading {
    /// When the future was created, on the probe's clock. `now` is the time passed to the scan that
    /// returned the reading.
    ///
    /// ```
    /// let registry = asynctop_probe::Registry::global();
    /// let before = registry.now();
    /// let task = registry.instrument("later", async {});
    /// let now = registry.now();
    /// registry.scan(now, |view| {
    ///     if view.key() == task.key() {
    ///         assert!((before..=now).contains(&view.reading.created(now)));
    ///     }
    /// });
    /// ```
    pub fn created(&self, now: u64) -> u64 {
        // A state that began during the scan is later than `now`.
        let end = if self.state.is_done() { self.since } else { now.max(self.since) };
        end.saturating_sub(self.lifetime)
    }
}
