//! CPU time, run-queue delay and steal time, read from the operating system.

use std::sync::OnceLock;

use super::{MachineTimes, ThreadTimes, platform};

/// CPU time and run-queue delay of a thread of this process; `None` if the thread has ended or the
/// system does not count them.
pub(crate) fn thread_times(os_id: u32) -> Option<ThreadTimes> {
    platform::thread_times(os_id)
}

/// Reads the CPUs of the machine, of a process and of its cgroup.
#[derive(Debug)]
pub struct MachineReader {
    /// `None`: this process.
    process: Option<u32>,
    cgroup: platform::Cgroup,
}

impl MachineReader {
    /// Reads those of another process, by its process id.
    pub fn of_process(process: u32) -> MachineReader {
        MachineReader { process: Some(process), cgroup: platform::Cgroup::of(Some(process)) }
    }

    fn of_this_process() -> MachineReader {
        MachineReader { process: None, cgroup: platform::Cgroup::of(None) }
    }

    /// The current values.
    pub fn read(&self) -> MachineTimes {
        let steal = platform::steal_time();
        let own_cpus = || std::thread::available_parallelism().map_or(1, usize::from);
        MachineTimes {
            cpus: self.process.and_then(platform::cpus_of).unwrap_or_else(own_cpus),
            load: platform::load_average(),
            steal_ns: (!steal.is_empty()).then(|| steal.iter().sum()),
            throttled_ns: self.cgroup.throttled_time(),
            pressure_ns: platform::cpu_pressure(),
        }
    }
}

/// The current values of the machine and of this process's cgroup.
pub(crate) fn machine_times() -> MachineTimes {
    static READER: OnceLock<MachineReader> = OnceLock::new();
    READER.get_or_init(MachineReader::of_this_process).read()
}
