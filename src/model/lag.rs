//! How long tasks wait for a worker.

use std::collections::VecDeque;

use crate::{
    Histogram,
    snapshot::{State, Target},
};

const WINDOW_NS: u64 = 1_000_000_000;

/// Scheduling delay over the last second: the time from each wake (or spawn) to the poll
/// that follows it, for every poll of every measured task that began within the second.
/// A task that still waits counts with what it has waited so far, so that the figure
/// grows during a block and not only after it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lag {
    /// Half of the waits for a worker were at most this long, in ns.
    pub p50_ns: Option<u64>,
    /// 99 % of them were.
    pub p99_ns: Option<u64>,
    /// How many tasks wait for a worker right now.
    pub waiting: usize,
    /// The longest of these waits so far, in ns.
    pub longest_ns: u64,
}

/// Keeps a second of distributions.
#[derive(Clone, Debug, Default)]
pub(super) struct Tracker {
    past: VecDeque<(u64, Histogram)>,
    figure: Lag,
}

impl Tracker {
    pub(super) fn figure(&self) -> &Lag {
        &self.figure
    }

    pub(super) fn advance(&mut self, snapshot: &Target) {
        // Counts that come now and then: there is to be one of them in the window.
        let window_ns = WINDOW_NS.max(snapshot.description.period_ns.saturating_mul(2));
        let begin = snapshot.taken_ns.saturating_sub(window_ns);
        // Delays that ended right after a stop of the process include the stop.
        if let Some((last, _)) = self.past.back()
            && snapshot.running_ns(*last, snapshot.taken_ns)
                < snapshot.taken_ns.saturating_sub(*last)
        {
            self.past.clear();
        }
        // The last state from before the window is what the window is measured against.
        while self.past.get(1).is_some_and(|(taken, _)| *taken <= begin) {
            self.past.pop_front();
        }
        let mut window = match self.past.front() {
            Some((_, before)) => snapshot.delays.since(before),
            None => Histogram::default(),
        };
        let (mut waiting, mut longest_ns) = (0, 0);
        for task in snapshot.tasks.iter().filter(|task| task.state == State::Scheduled) {
            let wait = task.lasts_ns(snapshot.taken_ns);
            window.record(wait);
            waiting += 1;
            longest_ns = longest_ns.max(wait);
        }
        self.figure = Lag {
            p50_ns: window.quantile(0.5),
            p99_ns: window.quantile(0.99),
            waiting,
            longest_ns,
        };
        self.past.push_back((snapshot.taken_ns, snapshot.delays.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::{snapshot, task};

    const MS: u64 = 1_000_000;

    #[test]
    fn only_the_last_second_counts() {
        let mut tracker = Tracker::default();
        let mut delays = Histogram::default();
        for step in 0..20u64 {
            // Long waits in the beginning, short ones from then on.
            delays.record(if step < 4 { 500 * MS } else { 20_000 });
            let mut now = snapshot(step * 250 * MS, []);
            now.delays = delays.clone();
            tracker.advance(&now);
            if step == 3 {
                assert!(tracker.figure().p99_ns > Some(400 * MS));
            }
        }
        assert!(tracker.figure().p99_ns < Some(40_000), "{:?}", tracker.figure());
    }

    #[test]
    fn a_wait_that_has_not_ended_counts() {
        let mut tracker = Tracker::default();
        tracker.advance(&snapshot(0, []));
        let mut waits = task(1, "waits");
        waits.state = State::Scheduled;
        waits.since_ns = 100 * MS;
        tracker.advance(&snapshot(900 * MS, [waits]));
        let lag = tracker.figure();
        assert_eq!((lag.waiting, lag.longest_ns), (1, 800 * MS));
        assert_eq!(lag.p99_ns, Some(800 * MS));
    }

    #[test]
    fn nobody_waited_is_unknown_and_not_zero() {
        let mut tracker = Tracker::default();
        tracker.advance(&snapshot(0, []));
        assert_eq!(*tracker.figure(), Lag::default());
    }
}
