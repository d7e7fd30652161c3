//! Steal time: CPU time that the hypervisor gave to others. A thread whose CPU is stolen appears to
//! run, and even its CPU time appears to grow.

use std::{sync::Arc, time::Instant};

use super::platform;

const MS: u64 = 1_000_000;
/// Maximum age of a reading when a poll begins, if readings are cheap.
const MAX_AGE_NS: u64 = 100 * MS;

/// The steal time of each CPU. Read at intervals: on a large machine a reading is slow.
#[derive(Default)]
pub(super) struct StealTime {
    latest: StealReading,
    read_at: u64,
    /// How long the latest reading took.
    cost_ns: u64,
}

/// Steal time so far of each CPU, in nanoseconds.
pub(super) type StealReading = Arc<[u64]>;

impl StealTime {
    /// Reads again if the latest reading is old. Takes at most a thousandth of a core.
    pub(super) fn renew(&mut self, now: u64) {
        self.read(now, MAX_AGE_NS.max(self.cost_ns.saturating_mul(1000)));
    }

    /// The latest reading, the baseline for a poll that has begun since.
    pub(super) fn latest(&self) -> StealReading {
        Arc::clone(&self.latest)
    }

    /// The largest steal time of one CPU since `then`.
    pub(super) fn since(&mut self, then: &StealReading, now: u64) -> u64 {
        self.read(now, self.cost_ns.saturating_mul(20));
        largest_increase(then, &self.latest)
    }

    fn read(&mut self, now: u64, min_interval: u64) {
        if self.read_at > 0 && now.saturating_sub(self.read_at) < min_interval {
            return;
        }
        let began = Instant::now();
        let latest = platform::steal_time();
        self.cost_ns = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.read_at = now;
        if *latest != *self.latest {
            self.latest = latest.into();
        }
    }
}

fn largest_increase(then: &[u64], now: &[u64]) -> u64 {
    let increases = then.iter().zip(now).map(|(then, now)| now.saturating_sub(*then));
    // The number of CPUs has changed: the values can no longer be matched.
    if then.len() == now.len() { increases.max().unwrap_or(0) } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_with_the_largest_steal_time_counts() {
        assert_eq!(largest_increase(&[10, 20], &[15, 50]), 30);
        assert_eq!(largest_increase(&[10, 20], &[10, 20]), 0);
        assert_eq!(largest_increase(&[10, 20], &[5, 20]), 0, "a count that runs backwards");
        assert_eq!(largest_increase(&[], &[]), 0, "not reported");
        assert_eq!(largest_increase(&[10], &[90, 90]), 0, "a CPU was added");
    }

    #[test]
    fn readings_take_at_most_a_thousandth_of_the_time() {
        let mut steal = StealTime { read_at: 1, cost_ns: MS, ..StealTime::default() };
        steal.renew(1000 * MS);
        assert_eq!(steal.read_at, 1, "a reading that takes 1 ms is kept for 1 s");
        steal.renew(1001 * MS);
        assert_eq!(steal.read_at, 1001 * MS);
    }
}
