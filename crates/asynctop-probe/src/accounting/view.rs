//! The view of one task that a scan provides.

use std::panic::Location;

use super::{cell::TaskCell, identity::Identity, reading::Reading};
use asynctop_snapshot::Histogram;

/// One task, as provided by [`Registry::scan`](super::Registry::scan).
pub struct TaskView<'a> {
    pub(super) cell: &'a TaskCell,
    pub(super) identity: &'a Identity,
    /// Counts, times and state, coherent with each other.
    pub reading: Reading,
    /// The last argument of [`stage`](super::stage).
    pub stage: Option<&'static str>,
}

impl TaskView<'_> {
    /// Identifies the task in its registry; never reused.
    pub fn key(&self) -> u64 {
        self.cell.key()
    }

    /// The task's number for users, counted from 1 in the order of spawning.
    pub fn id(&self) -> u64 {
        self.identity.id
    }

    /// The name given at the spawn, or the function that created the future.
    pub fn name(&self) -> &str {
        self.identity.name.as_str()
    }

    /// The location at which the task was spawned.
    pub fn location(&self) -> &'static Location<'static> {
        self.identity.location
    }

    /// The future's size in bytes.
    pub fn future_size(&self) -> u32 {
        self.identity.future_size
    }

    /// Number of the runtime that the task was spawned on; 0 if the spawner did not state it.
    pub fn runtime(&self) -> u32 {
        self.identity.runtime
    }

    /// Number of live wakers of this task. An idle task without wakers is never polled again. `None`
    /// if the task is polled with alternating wakers.
    pub fn live_wakers(&self) -> Option<u32> {
        self.cell.live_wakers()
    }

    /// The lengths of the task's polls, without the running one.
    pub fn poll_times(&self) -> Histogram {
        self.cell.poll_times.load(self.reading.max_poll)
    }

    /// The scheduling delays of the task's polls.
    pub fn delays(&self) -> Histogram {
        self.cell.delays.load(self.reading.max_delay)
    }
}
