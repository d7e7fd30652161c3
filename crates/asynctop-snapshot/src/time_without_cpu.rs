//! Time inside a poll that does not count as the task's.

use crate::text::duration;
use std::fmt;

/// Time inside a poll in which the machine, and not the task, prevented progress, in nanoseconds.
///
/// It is deducted before a poll is compared with a threshold. Time asleep, in a system call or
/// waiting for a lock counts as the task's and is not part of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TimeWithoutCpu {
    /// The thread was runnable without a CPU: other threads had it, or a cgroup CPU quota was used
    /// up. The kernel counts both as run-queue delay.
    pub run_delay_ns: u64,
    /// The thread waited for a lock while another thread of the process was runnable without a CPU:
    /// the largest such delay of any one thread.
    pub lock_holder_ns: u64,
    /// The steal time of the CPU that has most of it.
    pub steal_ns: u64,
    /// The whole process was stopped: by SIGSTOP, a debugger or a paused virtual machine.
    pub stopped_ns: u64,
}

impl TimeWithoutCpu {
    /// The sum of all parts.
    pub fn total_ns(&self) -> u64 {
        self.parts().iter().fold(0, |sum, (nanos, _)| sum.saturating_add(*nanos))
    }

    fn parts(&self) -> [(u64, &'static str); 4] {
        [
            (self.run_delay_ns, "run-queue delay"),
            (self.lock_holder_ns, "run-queue delay of another thread"),
            (self.steal_ns, "steal time"),
            (self.stopped_ns, "process stopped"),
        ]
    }

    /// Limits the parts to a poll of this length, of which the thread was `blocked_ns` asleep or in
    /// system calls, and `lock_ns` waiting for a lock.
    pub fn limited_to(self, length_ns: u64, blocked_ns: u64, lock_ns: u64) -> TimeWithoutCpu {
        let stopped_ns = self.stopped_ns.min(length_ns);
        let rest = length_ns - stopped_ns;
        let run_delay_ns = self.run_delay_ns.min(rest);
        let rest = rest - run_delay_ns;
        let lock_holder_ns = self.lock_holder_ns.min(lock_ns).min(rest);
        // A sleeping thread loses no time to the hypervisor.
        let rest = (rest - lock_holder_ns).saturating_sub(blocked_ns);
        // The hypervisor may count steal time during a stop.
        let steal_ns = self.steal_ns.saturating_sub(stopped_ns).min(rest);
        TimeWithoutCpu { run_delay_ns, lock_holder_ns, steal_ns, stopped_ns }
    }
}

impl fmt::Display for TimeWithoutCpu {
    /// `run-queue delay 120ms, steal time 10.0ms`. Parts below a millisecond are left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = self.parts().into_iter().filter(|(nanos, _)| *nanos >= 1_000_000);
        for (at, (nanos, name)) in parts.enumerate() {
            let separator = if at == 0 { "" } else { ", " };
            write!(f, "{separator}{name} {}", duration(nanos))?;
        }
        Ok(())
    }
}

/// An interval in which the whole process was stopped, on the probe's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Stop {
    /// Its earliest possible start.
    pub from_ns: u64,
    /// When it ended.
    pub to_ns: u64,
}

impl Stop {
    /// The part of the time from `from_ns` to `to_ns` that lies in one of `stops`.
    pub fn overlap_ns(stops: &[Stop], from_ns: u64, to_ns: u64) -> u64 {
        let overlap = |stop: &Stop| stop.to_ns.min(to_ns).saturating_sub(stop.from_ns.max(from_ns));
        stops.iter().map(overlap).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlap_ns_sums_the_overlaps_of_all_stops() {
        let stops = [Stop { from_ns: 10, to_ns: 20 }, Stop { from_ns: 50, to_ns: 80 }];
        assert_eq!(Stop::overlap_ns(&stops, 0, 100), 40);
        assert_eq!(Stop::overlap_ns(&stops, 15, 60), 15);
        assert_eq!(Stop::overlap_ns(&stops, 20, 50), 0);
        assert_eq!(Stop::overlap_ns(&stops, 90, 80), 0);
    }

    #[test]
    fn display_leaves_out_parts_below_a_millisecond() {
        let time = TimeWithoutCpu {
            run_delay_ns: 120_000_000,
            steal_ns: 10_500_000,
            ..Default::default()
        };
        assert_eq!(time.to_string(), "run-queue delay 120ms, steal time 10.5ms");
        assert_eq!(TimeWithoutCpu { run_delay_ns: 9_000, ..Default::default() }.to_string(), "");
    }

    #[test]
    fn limited_to_limits_each_part_by_the_lengths() {
        let all =
            TimeWithoutCpu { run_delay_ns: 40, lock_holder_ns: 30, steal_ns: 50, stopped_ns: 20 };
        assert_eq!(all.limited_to(200, 0, 200).total_ns(), 120, "20 of steal time are the stop's");
        assert_eq!(
            all.limited_to(200, 0, 10).lock_holder_ns,
            10,
            "limited by the wait for the lock"
        );
        assert_eq!(all.limited_to(200, 110, 0).steal_ns, 30, "a sleeping thread has no steal time");
        assert_eq!(all.limited_to(50, 0, 50).total_ns(), 50);
    }
}
