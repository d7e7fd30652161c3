//! A kind of workload: its name, its parameters, and how it is started.
//!
//! A kind is a file of this folder with a `static KIND`, and a line in [`KINDS`](super::KINDS).

use std::{fmt, io, path::PathBuf, time::Duration};

use super::{Workload, param::Params};
use crate::{
    Param, counter::Counter, failure::Failure, gauge::Gauges, mode::Mode, spawner::Spawner,
};

/// A kind of work that a scenario can ask for.
pub struct Kind {
    /// Its name in scenarios.
    pub name: &'static str,
    /// What it does, in a line.
    pub about: &'static str,
    /// What one unit of its work is; `None` if it is not closed-loop.
    pub unit: Option<&'static str>,
    /// What one may set.
    pub params: &'static [&'static Param],
    /// How many tasks it needs at most for a count.
    pub(crate) tasks: fn(usize, &Params) -> usize,
    /// Makes ready what all of its units share. Never waits for the runtime under test.
    pub(crate) open: fn(Opening) -> io::Result<Box<dyn Workload>>,
}

impl Kind {
    /// The parameter of this name.
    pub fn param(&self, name: &str) -> Option<&'static Param> {
        self.params.iter().find(|param| param.name == name).copied()
    }
}

/// There is one kind of each name.
impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Kind {}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Kind").field(&self.name).finish()
    }
}

/// What a workload is given when it begins.
pub(crate) struct Opening {
    /// Puts its tasks onto the runtime under test.
    pub spawner: Spawner,
    /// Counts its closed-loop work.
    pub done: Counter,
    /// Reports that the workload cannot do its work.
    pub failure: Failure,
    /// Shows what else there is to tell.
    pub gauges: Gauges,
    /// What the scenario set.
    pub params: Params,
    /// The way of working that the user may change, if there is one.
    #[cfg_attr(not(feature = "web"), allow(dead_code, reason = "only the web service has modes"))]
    pub mode: Option<Mode>,
    /// How many units are wanted at first.
    pub count: usize,
    /// The program `asynctop`, for work that belongs into another process.
    pub program: Option<PathBuf>,
}

/// One task for each unit.
pub(super) fn one_each(count: usize, _: &Params) -> usize {
    count
}

/// Two tasks for each unit.
pub(super) fn two_each(count: usize, _: &Params) -> usize {
    count.saturating_mul(2)
}

/// For tables of parameters.
pub(super) const fn micros(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

/// For tables of parameters.
pub(super) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// For tables of parameters.
pub(super) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}
