//! A task: its metadata and statistics.

use std::{borrow::Cow, sync::Arc};

use super::State;

/// The kind of a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum TaskKind {
    /// A future on a runtime. It has to yield.
    #[default]
    Spawned,
    /// A future on a `LocalSet`. It has to yield. It is polled inside the poll of the future that
    /// runs the `LocalSet`.
    Local,
    /// The future of a `block_on`. It has to yield. Its wakers are not counted.
    BlockOn,
    /// A closure on the blocking pool, including Tokio's own workers. It may block.
    Blocking,
    /// Not known.
    Unknown,
}

impl TaskKind {
    /// The name on screen and in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            TaskKind::Spawned => "task",
            TaskKind::Local => "local",
            TaskKind::BlockOn => "block_on",
            TaskKind::Blocking => "blocking",
            TaskKind::Unknown => "unknown",
        }
    }

    /// Whether it was spawned: its wakes and wakers are counted, and a worker polls it.
    pub fn is_spawned(self) -> bool {
        matches!(self, TaskKind::Spawned | TaskKind::Local)
    }

    /// Whether it may block its thread. A long poll is then no fault.
    pub fn may_block(self) -> bool {
        matches!(self, TaskKind::Blocking | TaskKind::Unknown)
    }
}

/// The properties of a task that do not change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TaskMeta {
    /// The id for display.
    pub id: u64,
    /// The name of the task.
    pub name: Arc<str>,
    /// The name of its group.
    pub group: Arc<str>,
    /// Where it was spawned, as `file:line`; the line of its future where that is not known.
    pub location: Arc<str>,
    /// The size of its future in bytes; 0 if it is not known.
    pub future_size: u32,
    /// The kind of the task.
    pub kind: TaskKind,
    /// Further fields of its span, as `key=value key=value`.
    pub fields: Arc<str>,
}

/// Statistics of one task. `lifetime_ns = busy_ns + scheduled_ns + idle_ns`, always.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TaskStats {
    /// Identifies the task; never reused.
    pub key: u64,
    /// The properties that do not change.
    pub meta: Arc<TaskMeta>,
    /// The current state.
    pub state: State,
    /// When it entered the state, on the target's clock.
    pub since_ns: u64,
    /// The time up to which its values are known, on the target's clock: when the task was read, at
    /// most the snapshot's time; earlier if the target reports its tasks at intervals.
    pub known_ns: u64,
    /// Time since `since_ns` in which the whole process was stopped.
    pub stopped_ns: u64,
    /// Time from its spawn to the snapshot, or to its end.
    pub lifetime_ns: u64,
    /// Time inside polls, including the running one.
    pub busy_ns: u64,
    /// Time between a wake and the poll that followed.
    pub scheduled_ns: u64,
    /// Time between a poll and the next wake.
    pub idle_ns: u64,
    /// The number of polls, including the running one.
    pub polls: u64,
    /// Wakes: calls of its wakers.
    pub wakes: u64,
    /// Wakes from inside its own polls.
    pub self_wakes: u64,
    /// The longest poll, including the running one.
    pub max_poll_ns: u64,
    /// The longest scheduling delay, including the current one.
    pub max_delay_ns: u64,
    /// The number of its wakers that exist; if it is `None`, the description has the reason.
    pub live_wakers: Option<u32>,
    /// The stage that it reported last.
    pub stage: Option<Cow<'static, str>>,
}

impl TaskStats {
    /// Whether it is scheduled and waits for a worker. A scheduled closure waits for a thread of
    /// the blocking pool instead.
    pub fn is_runnable(&self) -> bool {
        self.state == State::Scheduled && self.meta.kind != TaskKind::Blocking
    }

    /// The time in the current state at `now_ns`, as far as it is known, without the time in which
    /// the process was stopped.
    pub fn time_in_state_ns(&self, now_ns: u64) -> u64 {
        let elapsed_ns = self.known_ns.min(now_ns).saturating_sub(self.since_ns);
        elapsed_ns.saturating_sub(self.stopped_ns)
    }
}
