//! Numbers that only grow.

/// So many samples; when there are more, every second one goes.
const SAMPLES: usize = 32;
const SPACING_NS: u64 = 500_000_000;

/// Follows a number for as long as it grows, in bounded memory: the longer, the coarser.
#[derive(Clone, Debug)]
pub(super) struct Growth {
    samples: Vec<(u64, u64)>,
    spacing_ns: u64,
    last: (u64, u64),
}

/// How a number has grown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Growing {
    pub since_ns: u64,
    pub from: u64,
    pub to: u64,
}

impl Growing {
    pub(super) fn by(self) -> u64 {
        self.to.saturating_sub(self.from)
    }
}

impl Growth {
    pub(super) fn new(now: u64, n: u64) -> Self {
        Growth { samples: vec![(now, n)], spacing_ns: SPACING_NS, last: (now, n) }
    }

    /// The number is this now. If it has shrunk by more than a tenth of what it had grown,
    /// it begins anew.
    pub(super) fn push(&mut self, now: u64, n: u64) {
        let (_, from) = self.samples[0];
        let slack = self.last.1.saturating_sub(from) / 10;
        if n < from || n + slack.max(1) < self.last.1 {
            *self = Growth::new(now, n);
            return;
        }
        self.last = (now, n.max(self.last.1));
        let (latest, _) = self.samples[self.samples.len() - 1];
        if now.saturating_sub(latest) >= self.spacing_ns {
            self.samples.push(self.last);
        }
        if self.samples.len() > SAMPLES {
            let mut nth = 0;
            self.samples.retain(|_| {
                nth += 1;
                nth % 2 == 1
            });
            self.spacing_ns *= 2;
        }
    }

    /// How it grows, if it has done so for so long and in each quarter of that time: what
    /// comes in one go, at a start for one, is no growth.
    pub(super) fn steady(&self, least_ns: u64) -> Option<Growing> {
        let ((since_ns, from), (now, to)) = (self.samples[0], self.last);
        let span = now.saturating_sub(since_ns);
        let growing = Growing { since_ns, from, to };
        if span < least_ns || growing.by() == 0 {
            return None;
        }
        let at = |quarter: u64| {
            let then = since_ns + span / 4 * quarter;
            let next = self.samples.partition_point(|(taken, _)| *taken <= then);
            self.samples[next.max(1) - 1].1
        };
        let marks = [from, at(1), at(2), at(3), to];
        let least = growing.by().div_ceil(10);
        let grows = |pair: &[u64]| pair[1].saturating_sub(pair[0]) >= least;
        marks.windows(2).all(grows).then_some(growing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    fn after(numbers: impl IntoIterator<Item = u64>) -> Growth {
        let mut growth = Growth::new(0, 0);
        for (at, n) in (1..).zip(numbers) {
            growth.push(at * S / 4, n);
        }
        growth
    }

    #[test]
    fn what_grows_all_the_time_is_steady_for_however_long() {
        for steps in [40, 400, 40_000] {
            let growth = after(0..=steps);
            assert_eq!(growth.steady(10 * S).map(Growing::by), Some(steps), "{steps}");
            assert!(growth.samples.len() <= SAMPLES);
        }
    }

    #[test]
    fn a_start_and_a_plateau_are_no_growth() {
        assert_eq!(after((0..60).map(|n: u64| n.min(8) * 100)).steady(10 * S), None);
        assert_eq!(after((0..60).map(|n: u64| n.saturating_sub(50) * 100)).steady(10 * S), None);
        assert_eq!(after([5; 60]).steady(10 * S), None);
    }

    #[test]
    fn what_comes_and_goes_begins_anew_and_a_small_dip_does_not() {
        assert_eq!(after((0..80).map(|n| n % 10 * 10)).steady(10 * S), None);
        let wavers = after((0..80).map(|n| n * 10 - if n % 7 == 3 { 5 } else { 0 }));
        assert!(wavers.steady(10 * S).is_some());
    }
}
