//! CPU time, run-queue delay and steal time, as the operating system counts them.

/// CPU time and run-queue delay of one thread since it started, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ThreadTimes {
    /// Time on a CPU.
    pub cpu_ns: u64,
    /// Time runnable without a CPU. A delay is added when it ends.
    pub run_delay_ns: u64,
}

/// The CPUs of the machine and of this process's cgroup. A value that the system does not report is
/// `None`.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct MachineTimes {
    /// Number of CPUs that this process may use.
    pub cpus: usize,
    /// Load average of the last minute.
    pub load: Option<f64>,
    /// Steal time in nanoseconds, summed over CPUs.
    pub steal_ns: Option<u64>,
    /// Time in which the CPU quota of the cgroup throttled this process, in nanoseconds, summed
    /// over CPUs.
    pub throttled_ns: Option<u64>,
    /// Time in which some task of the machine waited for a CPU, in nanoseconds: CPU pressure.
    pub pressure_ns: Option<u64>,
}
