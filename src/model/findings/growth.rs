//! Detects numbers that keep growing.

/// Maximum number of samples; beyond it, every second one is removed.
const MAX_SAMPLES: usize = 32;
const SPACING_NS: u64 = 500_000_000;

/// The history of a number since it began to grow. Memory is bounded: a longer history has a
/// coarser resolution.
#[derive(Clone, Debug)]
pub(super) struct GrowthTracker {
    samples: Vec<(u64, u64)>,
    spacing_ns: u64,
    last: (u64, u64),
}

/// The growth of a number, and the time since which it has grown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Growth {
    pub since_ns: u64,
    pub from: u64,
    pub to: u64,
}

impl Growth {
    pub(super) fn by(self) -> u64 {
        self.to.saturating_sub(self.from)
    }
}

impl GrowthTracker {
    pub(super) fn new(now: u64, n: u64) -> Self {
        GrowthTracker { samples: vec![(now, n)], spacing_ns: SPACING_NS, last: (now, n) }
    }

    /// Adds the current number. If it has shrunk by more than a tenth of its growth, the history
    /// starts over.
    pub(super) fn push(&mut self, now: u64, n: u64) {
        let (_, from) = self.samples[0];
        let slack = self.last.1.saturating_sub(from) / 10;
        if n < from || n + slack.max(1) < self.last.1 {
            *self = GrowthTracker::new(now, n);
            return;
        }
        self.last = (now, n.max(self.last.1));
        let (latest, _) = self.samples[self.samples.len() - 1];
        if now.saturating_sub(latest) >= self.spacing_ns {
            self.samples.push(self.last);
        }
        if self.samples.len() > MAX_SAMPLES {
            let mut nth = 0;
            self.samples.retain(|_| {
                nth += 1;
                nth % 2 == 1
            });
            self.spacing_ns *= 2;
        }
    }

    /// The growth, if it has lasted for `min_ns` and each quarter of that time had a part of it. A
    /// single jump, as at a start, is not growth.
    pub(super) fn steady(&self, min_ns: u64) -> Option<Growth> {
        let ((since_ns, from), (now, to)) = (self.samples[0], self.last);
        let span = now.saturating_sub(since_ns);
        let growth = Growth { since_ns, from, to };
        if span < min_ns || growth.by() == 0 {
            return None;
        }
        let at = |quarter: u64| {
            let then = since_ns + span / 4 * quarter;
            let next = self.samples.partition_point(|(taken, _)| *taken <= then);
            self.samples[next.max(1) - 1].1
        };
        let marks = [from, at(1), at(2), at(3), to];
        let min = growth.by().div_ceil(10);
        let grows = |pair: &[u64]| pair[1].saturating_sub(pair[0]) >= min;
        marks.windows(2).all(grows).then_some(growth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    fn after(numbers: impl IntoIterator<Item = u64>) -> GrowthTracker {
        let mut tracker = GrowthTracker::new(0, 0);
        for (at, n) in (1..).zip(numbers) {
            tracker.push(at * S / 4, n);
        }
        tracker
    }

    #[test]
    fn growth_is_steady_over_any_time() {
        for steps in [40, 400, 40_000] {
            let tracker = after(0..=steps);
            assert_eq!(tracker.steady(10 * S).map(Growth::by), Some(steps), "{steps}");
            assert!(tracker.samples.len() <= MAX_SAMPLES);
        }
    }

    #[test]
    fn jump_and_plateau_are_not_growth() {
        assert_eq!(after((0..60).map(|n: u64| n.min(8) * 100)).steady(10 * S), None);
        assert_eq!(after((0..60).map(|n: u64| n.saturating_sub(50) * 100)).steady(10 * S), None);
        assert_eq!(after([5; 60]).steady(10 * S), None);
    }

    #[test]
    fn growth_starts_over_after_a_drop_but_not_after_a_small_dip() {
        assert_eq!(after((0..80).map(|n| n % 10 * 10)).steady(10 * S), None);
        let with_dips = after((0..80).map(|n| n * 10 - if n % 7 == 3 { 5 } else { 0 }));
        assert!(with_dips.steady(10 * S).is_some());
    }
}
