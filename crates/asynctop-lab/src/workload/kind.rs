//! A kind of workload: its name, its parameters, and how it is started.
//!
//! A kind is a file of this folder with a `static KIND`, and a line in
//! [`WORKLOAD_KINDS`](super::WORKLOAD_KINDS).

use std::{fmt, io, path::PathBuf, time::Duration};

use super::{WORKLOAD_KINDS, Workload, param::Params};
use crate::{
    Param, counter::Counter, failure::Failure, metrics::Metrics, mode::Mode, spawner::Spawner,
};

/// A kind of work that a scenario can run.
pub struct WorkloadKind {
    /// The name in scenario files.
    pub name: &'static str,
    /// A description in one line.
    pub about: &'static str,
    /// The unit in which completed work is counted; `None` if the work is not closed-loop. In
    /// closed-loop work, each unit starts after the previous one, so a delay lowers the rate.
    pub unit: Option<&'static str>,
    /// The parameters that a scenario can set.
    pub params: &'static [&'static Param],
    /// The maximum number of tasks of this many instances.
    pub(crate) max_tasks: fn(usize, &Params) -> usize,
    /// Sets up the resources that all instances share. Never waits for the runtime under test.
    pub(crate) open: fn(Context) -> io::Result<Box<dyn Workload>>,
}

impl WorkloadKind {
    /// The kind of this name.
    pub fn find(name: &str) -> Option<&'static WorkloadKind> {
        WORKLOAD_KINDS.iter().find(|kind| kind.name == name).copied()
    }

    /// The parameter of this name.
    pub fn param(&self, name: &str) -> Option<&'static Param> {
        self.params.iter().find(|param| param.name == name).copied()
    }
}

/// Names are unique.
impl PartialEq for WorkloadKind {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for WorkloadKind {}

impl fmt::Debug for WorkloadKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WorkloadKind").field(&self.name).finish()
    }
}

/// The lab's interface to a workload.
pub(crate) struct Context {
    /// Spawns tasks on the runtime under test.
    pub spawner: Spawner,
    /// Counts completed units of work.
    pub done: Counter,
    /// Records why the workload cannot work.
    pub failure: Failure,
    /// Holds further statistics of the workload.
    pub metrics: Metrics,
    pub params: Params,
    /// `None` if the kind has no modes.
    #[cfg_attr(not(feature = "web"), allow(dead_code, reason = "only the web service has modes"))]
    pub mode: Option<Mode>,
    /// The initial number of instances.
    pub count: usize,
    /// The executable of `asynctop`, for instances that run in another process.
    pub program: Option<PathBuf>,
}

/// `max_tasks` of a kind whose instances are one task each.
pub(super) fn one_each(count: usize, _: &Params) -> usize {
    count
}

/// `max_tasks` of a kind whose instances are two tasks each.
pub(super) fn two_each(count: usize, _: &Params) -> usize {
    count.saturating_mul(2)
}

// Short forms for tables of parameters.

pub(super) const fn micros(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

pub(super) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(super) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}
