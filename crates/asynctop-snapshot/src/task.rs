//! A task: who it is and how its life is split.

use std::{borrow::Cow, sync::Arc};

use super::State;

/// What kind of thing runs as a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum TaskKind {
    /// A future on a runtime or a `LocalSet`: it has to yield.
    #[default]
    Spawned,
    /// The future of a `block_on`: it has to yield, and its wakers are not counted.
    BlockOn,
    /// A closure on the blocking pool, Tokio's own workers among them: it may block.
    Blocking,
    /// Not known.
    Unknown,
}

impl TaskKind {
    /// The word for it, on screen and in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            TaskKind::Spawned => "task",
            TaskKind::BlockOn => "block_on",
            TaskKind::Blocking => "blocking",
            TaskKind::Unknown => "unknown",
        }
    }

    /// Whether it may block its thread, so that a long poll of it is not a fault.
    pub fn may_block(self) -> bool {
        matches!(self, TaskKind::Blocking | TaskKind::Unknown)
    }
}

/// What does not change over a task's life.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TaskMeta {
    /// The number that people see.
    pub id: u64,
    /// Its name.
    pub name: Arc<str>,
    /// The name of the group that it belongs to.
    pub group: Arc<str>,
    /// Where it was spawned, as `file:line`.
    pub location: Arc<str>,
    /// The size of its future in bytes; 0 if not known.
    pub future_size: u32,
    /// What kind of task it is.
    pub kind: TaskKind,
    /// What else was said of it when it was spawned, as `key=value key=value`.
    pub fields: Arc<str>,
}

/// Figures of one task. `lifetime_ns = busy_ns + scheduled_ns + idle_ns`, always.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TaskStats {
    /// Names the task; never used for another one.
    pub key: u64,
    /// What does not change.
    pub meta: Arc<TaskMeta>,
    /// Where it stands.
    pub state: State,
    /// Since when it stands there, on the source's clock.
    pub since_ns: u64,
    /// The time up to which its values are known, on the source's clock: when the task was read, at
    /// most the snapshot's time; earlier where a target reports its tasks at intervals.
    pub known_ns: u64,
    /// Time since `since_ns` in which the whole process was stopped.
    pub stopped_ns: u64,
    /// From its spawn to the snapshot, or to its end.
    pub lifetime_ns: u64,
    /// Time inside polls, the running one included.
    pub busy_ns: u64,
    /// Time between a wake and the poll that followed.
    pub scheduled_ns: u64,
    /// Time between a poll and the next wake.
    pub idle_ns: u64,
    /// Polls begun.
    pub polls: u64,
    /// Calls of its wakers.
    pub wakes: u64,
    /// Those from inside its own polls.
    pub self_wakes: u64,
    /// The longest poll, the running one included.
    pub max_poll_ns: u64,
    /// The longest wait for a worker, the running one included.
    pub max_delay_ns: u64,
    /// Number of its wakers that exist; `None` where the description has the reason.
    pub live_wakers: Option<u32>,
    /// The stage that it has reported.
    pub stage: Option<Cow<'static, str>>,
}

impl TaskStats {
    /// For how long it has stood where it stands, as far as that is known at `now_ns`.
    pub fn lasts_ns(&self, now_ns: u64) -> u64 {
        let lasts_ns = self.known_ns.min(now_ns).saturating_sub(self.since_ns);
        lasts_ns.saturating_sub(self.stopped_ns)
    }
}
