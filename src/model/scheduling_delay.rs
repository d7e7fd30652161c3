//! The scheduling delays of the last second.

use std::collections::VecDeque;

use crate::snapshot::{Histogram, Target};

const WINDOW_NS: u64 = 1_000_000_000;

/// Scheduling delay over the last second: the time from each wake (or spawn) to the poll that
/// follows it, for every poll of every measured task that began within the second. The delay of a
/// runnable task counts while it lasts, so the statistics rise during a block and not only after
/// it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SchedulingDelay {
    /// Median, in nanoseconds.
    pub p50_ns: Option<u64>,
    /// 99th percentile, in nanoseconds.
    pub p99_ns: Option<u64>,
    /// The number of tasks that are runnable now.
    pub runnable: usize,
    /// The longest time that one of them has been runnable, in nanoseconds.
    pub longest_ns: u64,
}

/// Keeps the distributions of the last second.
#[derive(Clone, Debug, Default)]
pub(super) struct Tracker {
    past: VecDeque<(u64, Histogram)>,
    latest: SchedulingDelay,
}

impl Tracker {
    pub(super) fn latest(&self) -> &SchedulingDelay {
        &self.latest
    }

    pub(super) fn advance(&mut self, snapshot: &Target) {
        // The window contains at least one distribution of a source that sends them rarely.
        let window_ns = WINDOW_NS.max(snapshot.description.period_ns.saturating_mul(2));
        let begin = snapshot.taken_ns.saturating_sub(window_ns);
        // Delays that ended right after a stop of the process include the stop.
        if let Some((last, _)) = self.past.back()
            && snapshot.running_ns(*last, snapshot.taken_ns)
                < snapshot.taken_ns.saturating_sub(*last)
        {
            self.past.clear();
        }
        // The latest distribution from before the window is its base.
        while self.past.get(1).is_some_and(|(taken, _)| *taken <= begin) {
            self.past.pop_front();
        }
        let mut window = match self.past.front() {
            Some((_, before)) => snapshot.delays.since(before),
            None => Histogram::default(),
        };
        let (mut runnable, mut longest_ns) = (0, 0);
        for task in snapshot.tasks.iter().filter(|task| task.is_runnable()) {
            let delay_ns = task.time_in_state_ns(snapshot.taken_ns);
            window.record(delay_ns);
            runnable += 1;
            longest_ns = longest_ns.max(delay_ns);
        }
        // Without updates there are no delays of the last second.
        let is_live = snapshot.connection.is_live();
        let quantile = |part| window.quantile(part).filter(|_| is_live);
        self.latest =
            SchedulingDelay { p50_ns: quantile(0.5), p99_ns: quantile(0.99), runnable, longest_ns };
        self.past.push_back((snapshot.taken_ns, snapshot.delays.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::testing::{snapshot, task},
        snapshot::State,
    };

    const MS: u64 = 1_000_000;

    #[test]
    fn only_delays_of_the_last_second_count() {
        let mut tracker = Tracker::default();
        let mut delays = Histogram::default();
        for step in 0..20u64 {
            delays.record(if step < 4 { 500 * MS } else { 20_000 });
            let mut now = snapshot(step * 250 * MS, []);
            now.delays = delays.clone();
            tracker.advance(&now);
            if step == 3 {
                assert!(tracker.latest().p99_ns > Some(400 * MS));
            }
        }
        assert!(tracker.latest().p99_ns < Some(40_000), "{:?}", tracker.latest());
    }

    #[test]
    fn delay_of_a_runnable_task_counts() {
        let mut tracker = Tracker::default();
        tracker.advance(&snapshot(0, []));
        let mut runnable = task(1, "conn-1");
        runnable.state = State::Scheduled;
        runnable.since_ns = 100 * MS;
        tracker.advance(&snapshot(900 * MS, [runnable]));
        let delays = tracker.latest();
        assert_eq!((delays.runnable, delays.longest_ns), (1, 800 * MS));
        assert_eq!(delays.p99_ns, Some(800 * MS));
    }

    #[test]
    fn percentiles_without_a_delay_are_unknown_and_not_zero() {
        let mut tracker = Tracker::default();
        tracker.advance(&snapshot(0, []));
        assert_eq!(*tracker.latest(), SchedulingDelay::default());
    }
}
