//! CPU time, run-queue delay and steal time, read from the operating system.

use super::{MachineTimes, ThreadTimes, platform};

/// CPU time and run-queue delay of a thread of this process; `None` if the thread has ended or the
/// system does not count them.
pub(crate) fn thread_times(os_id: u32) -> Option<ThreadTimes> {
    platform::thread_times(os_id)
}

/// The current values of the machine and of this process's cgroup.
pub(crate) fn machine_times() -> MachineTimes {
    let steal = platform::steal_time();
    MachineTimes {
        cpus: std::thread::available_parallelism().map_or(1, usize::from),
        load: platform::load_average(),
        steal_ns: (!steal.is_empty()).then(|| steal.iter().sum()),
        throttled_ns: platform::throttled_time(),
    }
}
