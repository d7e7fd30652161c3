//! CPU supply of the watched process.

use super::{MachineTimes, Stop};

/// CPU supply of the watched process: totals since it started.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct MachineStats {
    /// The machine and the cgroup.
    pub times: MachineTimes,
    /// Run-queue delay of the threads that poll tasks, summed, in nanoseconds; `None` where the
    /// system does not count it.
    pub run_delay_ns: Option<u64>,
    /// The latest intervals in which the whole process was stopped, oldest first.
    pub stops: Vec<Stop>,
}
