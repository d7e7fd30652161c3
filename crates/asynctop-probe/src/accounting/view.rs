//! One task, as a scan shows it.

use std::panic::Location;

use super::{cell::TaskCell, identity::Identity, reading::Reading};
use asynctop_snapshot::Histogram;

/// One task, as the registry shows it to a scan.
pub struct TaskView<'a> {
    pub(super) cell: &'a TaskCell,
    pub(super) identity: &'a Identity,
    /// Counts, times and state, coherent with each other.
    pub reading: Reading,
    /// What the task last said with [`stage`](super::stage).
    pub stage: Option<&'static str>,
}

impl TaskView<'_> {
    /// Names the task for as long as the process lives; never used again.
    pub fn key(&self) -> u64 {
        self.cell.key()
    }

    /// A number for people, counting up from 1 in the order of spawning.
    pub fn id(&self) -> u64 {
        self.identity.id
    }

    /// The name given at the spawn, or the function that made the future.
    pub fn name(&self) -> &str {
        self.identity.name.as_str()
    }

    /// Where the task was spawned.
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

    /// How many wakers of this task somebody holds. A task that is idle with none will
    /// never run again. `None` if the task is polled with several wakers in turn.
    pub fn live_wakers(&self) -> Option<u32> {
        self.cell.live_wakers()
    }

    /// How long its polls took, the running one not included.
    pub fn poll_times(&self) -> Histogram {
        self.cell.poll_times.load(self.reading.max_poll)
    }

    /// How long it waited for a worker after each wake.
    pub fn delays(&self) -> Histogram {
        self.cell.delays.load(self.reading.max_delay)
    }
}
