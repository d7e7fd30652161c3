//! The resources that tasks wait for, and the async operations on them.

use std::sync::Arc;

/// The resources of a runtime and the operations on them, each sorted by `key`.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Resources {
    /// Timers, locks, channels, sockets.
    pub resources: Vec<ResourceStats>,
    /// The operations of tasks on them, such as a call of `acquire`.
    pub async_ops: Vec<AsyncOpStats>,
}

/// A resource that tasks can wait for.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ResourceStats {
    /// Identifies the resource; never reused.
    pub key: u64,
    /// The id for display.
    pub id: u64,
    /// Its type, such as `Mutex`.
    pub type_name: Arc<str>,
    /// Its kind, such as `Sync` or `timer`.
    pub kind: Arc<str>,
    /// Where it was created, as `file:line`.
    pub location: Arc<str>,
    /// Its state, such as `locked=true`.
    pub state: Arc<str>,
    /// The key of the resource that it is a part of.
    pub parent: Option<u64>,
    /// Whether it is an internal part of another resource.
    pub is_internal: bool,
    /// How long it has existed, in nanoseconds.
    pub age_ns: u64,
    /// Whether it was dropped.
    pub is_dropped: bool,
    /// Whether a task holds it, according to its state; `None` for a resource that cannot be held,
    /// such as a channel.
    pub is_taken: Option<bool>,
    /// The task that acquired it last and probably still holds it: releases are not reported.
    /// `None` if it is free, or not known.
    pub holder: Option<u64>,
    /// Time since the holder acquired it, in nanoseconds; `None` if that is not known.
    pub held_ns: Option<u64>,
    /// Whether the holder acquired an owned guard, which it may have moved to another task.
    pub is_guard_owned: bool,
    /// Whether the tasks that wait for it are reported.
    pub reports_waits: bool,
}

/// An operation on a resource that a task waits for.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AsyncOpStats {
    /// Identifies the operation; never reused.
    pub key: u64,
    /// The id for display.
    pub id: u64,
    /// The method that created it, such as `Mutex::lock`.
    pub source: Arc<str>,
    /// The key of its resource.
    pub resource: Option<u64>,
    /// The key of the operation that it is a part of.
    pub parent: Option<u64>,
    /// The key of the task that polls it.
    pub task: Option<u64>,
    /// Its state, such as `permits_requested=1`.
    pub state: Arc<str>,
    /// The number of polls, including a running one.
    pub polls: u64,
    /// Time in its polls, in nanoseconds.
    pub busy_ns: u64,
    /// How long it has existed, in nanoseconds.
    pub age_ns: u64,
    /// Whether it was dropped.
    pub is_dropped: bool,
    /// Whether its last poll returned `Ready`; `None` if that is not known.
    pub is_ready: Option<bool>,
    /// Whether it has obtained what it requested, and no poll of it is known that has returned it.
    pub is_granted: bool,
}

impl AsyncOpStats {
    /// Whether a task is waiting in it.
    pub fn is_waiting(&self) -> bool {
        let is_done = self.is_dropped || self.is_granted || self.is_ready == Some(true);
        !is_done && self.task.is_some()
    }
}

impl Resources {
    /// The resource with this key.
    pub fn resource(&self, key: u64) -> Option<&ResourceStats> {
        let at = self.resources.binary_search_by_key(&key, |resource| resource.key).ok()?;
        self.resources.get(at)
    }

    /// The current operations of a task.
    pub fn of_task(&self, task: u64) -> impl Iterator<Item = &AsyncOpStats> {
        self.async_ops.iter().filter(move |op| op.task == Some(task) && !op.is_dropped)
    }
}
