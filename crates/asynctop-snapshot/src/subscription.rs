//! The optional parts of a snapshot.

use std::sync::Arc;

use crate::{Histogram, TaskKey};

/// The parts of a snapshot that are only provided on request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Subscription {
    /// The distributions of this task.
    pub task: Option<TaskKey>,
    /// The distributions of all groups.
    pub groups: bool,
    /// The polls of each worker, which are recorded only while requested.
    pub timeline: bool,
}

/// The subject of distributions.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum DistributionKey {
    /// The task with this key.
    Task(u64),
    /// The group of tasks with this name.
    Group(Arc<str>),
}

/// Distributions of a task or group.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Distributions {
    /// The lengths of ended polls.
    pub poll_times: Histogram,
    /// The scheduling delays: from each wake to the next poll.
    pub delays: Histogram,
}
