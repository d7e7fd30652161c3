//! Values over a span of time, for graphs.

use std::collections::VecDeque;

/// The longest span of a graph.
const LENGTH_NS: u64 = 15 * 60 * 1_000_000_000;

/// A value over a span of time on the target's clock.
pub trait HistorySample: Copy {
    /// Start and end in nanoseconds.
    fn span(&self) -> (u64, u64);
    /// Both spans as one.
    fn merge(self, other: Self) -> Self;
}

/// The mean of two values, weighted by the lengths of their spans.
pub(super) fn weighted_mean(a: (f64, u64), b: (f64, u64)) -> f64 {
    let ((a, a_ns), (b, b_ns)) = (a, b);
    match a_ns as f64 + b_ns as f64 {
        0.0 => b,
        whole => (a * a_ns as f64 + b * b_ns as f64) / whole,
    }
}

/// The samples of the last 15 minutes, oldest first. Time without a sample is a gap.
#[derive(Clone, Debug)]
pub struct Ring<S> {
    samples: VecDeque<S>,
    /// Samples that follow each other faster than this are merged, so that memory is bounded at any
    /// sampling interval.
    resolution_ns: u64,
}

impl<S: HistorySample> Ring<S> {
    pub(super) fn new(resolution_ns: u64) -> Self {
        Ring { samples: VecDeque::new(), resolution_ns }
    }

    /// Adds a sample. Returns whether the clock has started over, which removes all earlier ones.
    pub(super) fn push(&mut self, next: S) -> bool {
        let (from_ns, to_ns) = next.span();
        let length_ns = |(from_ns, to_ns): (u64, u64)| to_ns.saturating_sub(from_ns);
        let mut has_restarted = false;
        match self.samples.back_mut() {
            Some(last) if last.span().0 > from_ns => {
                self.samples.clear();
                has_restarted = true;
            }
            Some(last)
                if length_ns(last.span()) + length_ns(next.span()) < self.resolution_ns
                    && to_ns.saturating_sub(last.span().0) < 2 * self.resolution_ns =>
            {
                *last = last.merge(next);
                return false;
            }
            _ => {}
        }
        self.samples.push_back(next);
        let oldest_ns = to_ns.saturating_sub(LENGTH_NS);
        while self.samples.front().is_some_and(|first| first.span().1 < oldest_ns) {
            self.samples.pop_front();
        }
        has_restarted
    }

    /// The latest sample.
    pub fn latest(&self) -> Option<&S> {
        self.samples.back()
    }

    /// The sample that covers a moment.
    pub fn at(&self, time_ns: u64) -> Option<&S> {
        let next = self.samples.partition_point(|sample| sample.span().1 <= time_ns);
        self.samples.get(next).filter(|sample| sample.span().0 <= time_ns)
    }

    #[cfg(test)]
    pub(super) fn samples(&self) -> &VecDeque<S> {
        &self.samples
    }

    /// The `span_ns` up to `now_ns` in `columns` parts of equal length, oldest first; `None` for a
    /// part that no sample covers.
    ///
    /// The boundaries of the parts are multiples of their length, so a value stays in its part
    /// while time advances.
    pub fn columns(&self, now_ns: u64, span_ns: u64, columns: usize) -> Vec<Option<S>> {
        let length_ns = (span_ns / columns.max(1) as u64).max(1);
        let last = now_ns.saturating_sub(1) / length_ns;
        let mut parts: Vec<Option<S>> = vec![None; columns];
        for sample in self.samples.iter().rev() {
            let (from_ns, to_ns) = sample.span();
            // Parts are counted back from the latest one. A span does not include its end.
            let age = |time_ns: u64| last.saturating_sub(time_ns / length_ns) as usize;
            let (oldest, latest) = (age(from_ns), age(to_ns.saturating_sub(1)));
            if latest >= columns {
                break;
            }
            for part in parts.iter_mut().rev().take(oldest + 1).skip(latest) {
                *part = Some(part.map_or(*sample, |known| known.merge(*sample)));
            }
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const S: u64 = 1_000_000_000;

    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Mean(u64, u64, f64);

    impl HistorySample for Mean {
        fn span(&self) -> (u64, u64) {
            (self.0, self.1)
        }

        fn merge(self, other: Self) -> Self {
            let mean = weighted_mean((self.2, self.1 - self.0), (other.2, other.1 - other.0));
            Mean(self.0.min(other.0), self.1.max(other.1), mean)
        }
    }

    fn values(ring: &Ring<Mean>, now_ns: u64, span_ns: u64, columns: usize) -> Vec<Option<f64>> {
        ring.columns(now_ns, span_ns, columns).iter().map(|mean| Some((*mean)?.2)).collect()
    }

    #[test]
    fn each_sample_fills_the_time_that_it_covers() {
        let mut ring = Ring::new(S / 5);
        ring.push(Mean(10 * S, 11 * S, 0.5));
        ring.push(Mean(13 * S, 15 * S, 1.0));
        let expected = [None, Some(0.5), None, None, Some(1.0), Some(1.0)];
        assert_eq!(values(&ring, 15 * S - 1, 6 * S, 6), expected);
        let at = |time_ns| ring.at(time_ns).map(|mean| mean.2);
        let found = [9 * S, 10 * S, 11 * S, 12 * S, 14 * S, 15 * S].map(at);
        assert_eq!(found, [None, Some(0.5), None, None, Some(1.0), None]);
    }

    #[test]
    fn column_of_several_samples_has_their_mean() {
        let mut ring = Ring::new(S / 5);
        for quarter in 0..4 {
            ring.push(Mean(quarter * S / 4, (quarter + 1) * S / 4, quarter as f64));
        }
        assert_eq!(values(&ring, S - 1, S, 1), [Some(1.5)]);
    }

    #[test]
    fn ring_is_bounded() {
        let mut ring = Ring::new(S / 5);
        for n in 0..100_000 {
            ring.push(Mean(n * S / 50, (n + 1) * S / 50, 0.5));
        }
        assert!(ring.samples.len() as u64 <= 2 * LENGTH_NS / ring.resolution_ns);
        assert!(ring.samples[0].0 <= 100_000 * S / 50 - LENGTH_NS);
    }

    #[test]
    fn ring_starts_over_after_a_restart() {
        let mut ring = Ring::new(S / 5);
        assert!(!ring.push(Mean(100 * S, 101 * S, 0.5)));
        assert!(ring.push(Mean(0, S, 1.0)));
        assert_eq!(ring.samples, [Mean(0, S, 1.0)]);
    }

    proptest! {
        #[test]
        fn columns_have_the_requested_number(
            spans in proptest::collection::vec((0..5 * S, 0..5 * S), 0..40),
            now_ns in any::<u64>(),
            span_ns in any::<u64>(),
            columns in 0usize..300,
        ) {
            let mut ring = Ring::new(S / 5);
            let mut time_ns = 0;
            for (gap, length) in spans {
                ring.push(Mean(time_ns + gap, time_ns + gap + length, 0.5));
                time_ns += gap + length;
            }
            prop_assert_eq!(ring.columns(now_ns, span_ns, columns).len(), columns);
        }
    }
}
