//! What tasks wait for: resources and the async operations on them.

use std::sync::Arc;

/// The resources of a runtime and the operations on them, each sorted by `key`.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Resources {
    /// Timers, locks, channels, sockets.
    pub resources: Vec<ResourceStats>,
    /// What tasks do with them, such as a call of `acquire`.
    pub async_ops: Vec<AsyncOpStats>,
}

/// A resource that tasks can wait for.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ResourceStats {
    /// Names the resource; never used for another one.
    pub key: u64,
    /// The number that people see.
    pub id: u64,
    /// Its type, such as `Mutex`.
    pub type_name: Arc<str>,
    /// What it is for, such as `Sync` or `timer`.
    pub kind: Arc<str>,
    /// Where it was made, as `file:line`.
    pub location: Arc<str>,
    /// Its state, such as `locked=true`.
    pub state: Arc<str>,
    /// The key of the resource that it is a part of.
    pub parent: Option<u64>,
    /// A part of another one that is of no interest by itself.
    pub is_internal: bool,
    /// How long it exists, or existed.
    pub age_ns: u64,
    /// It is gone.
    pub is_dropped: bool,
    /// Whether it is held, as far as its state shows; `None` for a resource that cannot be held,
    /// such as a channel.
    pub is_taken: Option<bool>,
    /// The task that acquired it last and probably still holds it: releases are not reported.
    /// `None` if it is free, or not known.
    pub holder: Option<u64>,
}

/// An operation on a resource that a task waits for.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AsyncOpStats {
    /// Names the operation; never used for another one.
    pub key: u64,
    /// The number that people see.
    pub id: u64,
    /// The method that it comes from, such as `Mutex::lock`.
    pub source: Arc<str>,
    /// The key of its resource.
    pub resource: Option<u64>,
    /// The key of the operation that it is a part of.
    pub parent: Option<u64>,
    /// The key of the task that polls it.
    pub task: Option<u64>,
    /// Its state, such as `permits_requested=1`.
    pub state: Arc<str>,
    /// Polls begun.
    pub polls: u64,
    /// Time in its polls.
    pub busy_ns: u64,
    /// How long it exists, or existed.
    pub age_ns: u64,
    /// It is over.
    pub is_dropped: bool,
    /// Its last poll gave a result; `None` if that is not known.
    pub is_ready: Option<bool>,
}

impl AsyncOpStats {
    /// Whether a task waits in it.
    pub fn is_waiting(&self) -> bool {
        !self.is_dropped && self.task.is_some() && self.is_ready != Some(true)
    }
}

impl Resources {
    /// The resource with this key.
    pub fn resource(&self, key: u64) -> Option<&ResourceStats> {
        let at = self.resources.binary_search_by_key(&key, |resource| resource.key).ok()?;
        self.resources.get(at)
    }

    /// The operations that a task is in.
    pub fn of_task(&self, task: u64) -> impl Iterator<Item = &AsyncOpStats> {
        self.async_ops.iter().filter(move |op| op.task == Some(task) && !op.is_dropped)
    }
}
