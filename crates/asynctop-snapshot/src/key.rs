//! Keys of targets, tasks, resources and groups.
//!
//! Keys never collide between targets, between two processes of a target, or between two runtimes
//! of a process. A number alone identifies a task only within its target and epoch.

use std::sync::Arc;

/// Identifies a target in a snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TargetId(pub u32);

/// Identifies a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TaskKey {
    /// The target.
    pub target: TargetId,
    /// The epoch of the target: its process, or its runtime in the lab.
    pub epoch: u32,
    /// The number of the task in that epoch: `key` of [`TaskStats`](crate::TaskStats).
    pub id: u64,
}

/// Identifies a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceKey {
    /// The target.
    pub target: TargetId,
    /// The epoch of the target.
    pub epoch: u32,
    /// The number of the resource in that epoch: `key` of [`ResourceStats`](crate::ResourceStats).
    pub id: u64,
}

/// Identifies a group: the tasks of a target whose names differ only in their numbers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupKey {
    /// The target.
    pub target: TargetId,
    /// The name of the group.
    pub name: Arc<str>,
}
