//! Steal time: CPU time that the hypervisor gave to others. A thread whose CPU is stolen appears to
//! run, and even its CPU time appears to grow.

use std::{sync::Arc, time::Instant};

use super::eyes;

const MS: u64 = 1_000_000;
/// Maximum age of a reading when a poll begins, if readings are cheap.
const EVERY_NS: u64 = 100 * MS;

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
    /// Keeps the latest reading young, at a thousandth of a core at most.
    pub(super) fn renew(&mut self, now: u64) {
        self.read(now, EVERY_NS.max(self.cost_ns.saturating_mul(1000)));
    }

    /// The latest reading, for a poll that has begun since.
    pub(super) fn latest(&self) -> StealReading {
        Arc::clone(&self.latest)
    }

    /// Steal time since `then` of the CPU that lost most.
    pub(super) fn since(&mut self, then: &StealReading, now: u64) -> u64 {
        self.read(now, self.cost_ns.saturating_mul(20));
        most_lost(then, &self.latest)
    }

    fn read(&mut self, now: u64, at_most_every: u64) {
        if self.read_at > 0 && now.saturating_sub(self.read_at) < at_most_every {
            return;
        }
        let began = Instant::now();
        let latest = eyes::stolen_time();
        self.cost_ns = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.read_at = now;
        if *latest != *self.latest {
            self.latest = latest.into();
        }
    }
}

fn most_lost(then: &[u64], now: &[u64]) -> u64 {
    let lost = then.iter().zip(now).map(|(then, now)| now.saturating_sub(*then));
    // The number of CPUs has changed: the values can no longer be matched.
    if then.len() == now.len() { lost.max().unwrap_or(0) } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_that_lost_most_counts() {
        assert_eq!(most_lost(&[10, 20], &[15, 50]), 30);
        assert_eq!(most_lost(&[10, 20], &[10, 20]), 0);
        assert_eq!(most_lost(&[10, 20], &[5, 20]), 0, "a count that runs backwards");
        assert_eq!(most_lost(&[], &[]), 0, "a machine that does not tell");
        assert_eq!(most_lost(&[10], &[90, 90]), 0, "a CPU came");
    }

    #[test]
    fn readings_take_a_thousandth_of_the_time() {
        let mut steal = StealTime { read_at: 1, cost_ns: MS, ..StealTime::default() };
        steal.renew(1000 * MS);
        assert_eq!(steal.read_at, 1, "one that takes a millisecond is good for a second");
        steal.renew(1001 * MS);
        assert_eq!(steal.read_at, 1001 * MS);
    }
}
