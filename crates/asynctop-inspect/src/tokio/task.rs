//! The representation of a task in memory.

use std::fmt;

use crate::{
    memory::{Memory, Span, word_in},
    tokio::vtable::{Vtable, Vtables},
};

/// A task's state word: flags and the number of references.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State(pub u64);

impl State {
    const RUNNING: u64 = 1;
    const COMPLETE: u64 = 1 << 1;
    const NOTIFIED: u64 = 1 << 2;
    const JOIN_INTEREST: u64 = 1 << 3;
    const JOIN_WAKER: u64 = 1 << 4;
    const CANCELLED: u64 = 1 << 5;

    /// Whether a worker is inside the task's poll.
    pub fn is_running(self) -> bool {
        self.0 & State::RUNNING != 0
    }

    /// Whether the future has returned a value or panicked.
    pub fn is_complete(self) -> bool {
        self.0 & State::COMPLETE != 0
    }

    /// Whether the task has been woken since its latest poll began.
    pub fn is_notified(self) -> bool {
        self.0 & State::NOTIFIED != 0
    }

    /// Whether a join handle exists.
    pub fn has_join_handle(self) -> bool {
        self.0 & State::JOIN_INTEREST != 0
    }

    /// Whether the join handle is awaited.
    pub fn is_awaited(self) -> bool {
        self.0 & State::JOIN_WAKER != 0
    }

    /// Whether the task has been aborted.
    pub fn is_canceled(self) -> bool {
        self.0 & State::CANCELLED != 0
    }

    /// Number of references to the task: of its list, its queue, its wakers and handles.
    pub fn references(self) -> u64 {
        self.0 >> 6
    }

    /// Whether a task that has not been freed can have this state.
    pub fn is_plausible(self) -> bool {
        (1..1 << 24).contains(&self.references()) && !(self.is_running() && self.is_complete())
    }

    /// The state without the flags.
    pub fn kind(self) -> StateKind {
        if self.is_complete() {
            StateKind::Complete
        } else if self.is_running() {
            StateKind::Running
        } else if self.is_notified() {
            StateKind::Scheduled
        } else {
            StateKind::Idle
        }
    }
}

/// A task's state without the flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
pub enum StateKind {
    /// Inside its poll.
    Running,
    /// Woken, not yet polled.
    Scheduled,
    /// Waiting for a wake.
    Idle,
    /// Ended, with a handle that is kept.
    Complete,
}

impl fmt::Display for StateKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            StateKind::Running => "running",
            StateKind::Scheduled => "scheduled",
            StateKind::Idle => "idle",
            StateKind::Complete => "complete",
        })
    }
}

/// A task's header and the fields at the offsets that its vtable gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawTask {
    /// Address of the header; the task's identity for as long as it lives.
    pub address: u64,
    /// State word.
    pub state: State,
    /// Address of its vtable.
    pub vtable: u64,
    /// Id of its list; 0 for blocking tasks, and for tasks that are being spawned.
    pub owner: u64,
    /// Pointer to its scheduler.
    pub scheduler: u64,
    /// Tokio's task id.
    pub id: u64,
    /// Address of its spawn location (`tokio_unstable`).
    pub spawn_location: Option<u64>,
}

/// Upper bound of task ids, which are counted from 1.
const MAX_ID: u64 = 1 << 44;
/// Offset of the vtable in the header.
pub(crate) const VTABLE_AT: usize = 16;
/// Maximum length of a task's front, which is read at once: the header, and all up to the id.
pub(crate) const MAX_FRONT: usize = 512;

impl RawTask {
    /// Decodes the task whose first bytes are `front`; `None` if they cannot be those of a task.
    pub(crate) fn decode(address: u64, front: &[u8], vtables: &Vtables) -> Option<RawTask> {
        RawTask::decode_with(address, front, vtables.get(&word_in(front, VTABLE_AT)?)?)
    }

    /// Like [`RawTask::decode`], for a task with this vtable.
    pub(crate) fn decode_with(address: u64, front: &[u8], vtable: &Vtable) -> Option<RawTask> {
        let task = RawTask {
            address,
            state: State(word_in(front, 0)?),
            vtable: vtable.address,
            owner: word_in(front, 24)?,
            scheduler: word_in(front, vtable.scheduler as usize)?,
            id: word_in(front, vtable.id as usize)?,
            spawn_location: match vtable.spawn_location {
                Some(offset) => Some(word_in(front, offset as usize)?),
                None => None,
            },
        };
        let has_id = (1..MAX_ID).contains(&task.id);
        let is_task = task.state.is_plausible() && has_id && task.owner < 1 << 32;
        is_task.then_some(task)
    }

    /// Reads the tasks at `addresses`; `None` where there is none.
    pub(crate) fn read_many(
        memory: &(impl Memory + ?Sized),
        addresses: &[u64],
        vtables: &Vtables,
    ) -> Vec<Option<RawTask>> {
        let length = front_length(vtables);
        let mut tasks = Vec::with_capacity(addresses.len());
        // In batches, so that the buffer stays small.
        for batch in addresses.chunks(4096) {
            let spans: Vec<Span> = batch.iter().map(|&address| Span { address, length }).collect();
            let mut buffer = vec![0; length * batch.len()];
            let complete = memory.gather(&spans, &mut buffer);
            let fronts = buffer.chunks(length).zip(complete);
            tasks.extend(batch.iter().zip(fronts).map(|(&address, (front, complete))| {
                complete.then(|| RawTask::decode(address, front, vtables)).flatten()
            }));
        }
        tasks
    }
}

/// Length of the front of all tasks except those with extreme alignment.
pub(crate) fn front_length(vtables: &Vtables) -> usize {
    vtables.values().map(Vtable::front).filter(|&front| front <= MAX_FRONT).max().unwrap_or(64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_flags_are_decoded() {
        let reference = 1 << 6;
        let cases = [
            (0b1000, StateKind::Idle),
            (0b1100, StateKind::Scheduled),
            (0b0001, StateKind::Running),
            (0b0101, StateKind::Running),
            (0b0010, StateKind::Complete),
        ];
        for (bits, kind) in cases {
            let state = State(reference | bits);
            assert!(state.is_plausible());
            assert_eq!(state.kind(), kind, "{bits:b}");
        }
        assert!(!State(0b1000).is_plausible(), "freed");
        assert!(!State(reference | 0b11).is_plausible(), "running and complete");
        assert!(!State(u64::MAX << 6).is_plausible(), "too many references");
        assert_eq!(State(3 * reference).references(), 3);
    }
}
