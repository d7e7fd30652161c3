//! The CPU time that the machine provides to the watched process.

use super::{MachineTimes, Stop};

/// The CPUs of the watched process, and its time without one: totals since it started.
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
    /// Whether the times of tasks exclude the stops, and their `stopped_ns` is known. Otherwise, a reader
    /// deducts them.
    pub excludes_stops: bool,
    /// The earliest possible start of the stop that lasts. A process cannot observe its own.
    pub stopped_since_ns: Option<u64>,
}
