//! The main statistics of a target over the last 15 minutes, for graphs.

use std::collections::VecDeque;

/// The length of the history.
const LENGTH_NS: u64 = 15 * 60 * 1_000_000_000;
/// Samples that follow each other faster than this are merged, so that memory is bounded at any
/// sampling interval.
const RESOLUTION_NS: u64 = 200_000_000;
const MAX_EVENTS: usize = 256;

/// The main statistics of a target over a span of time. A statistic that the target lacks, or that
/// nothing happened for, is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HistoryPoint {
    /// Start of the span, in nanoseconds on the target's clock.
    pub from_ns: u64,
    /// End of the span.
    pub to_ns: u64,
    /// Share of the time that the workers were busy, 0 to 1: the mean of all workers.
    pub busy: Option<f64>,
    /// 99th percentile of the scheduling delay, in nanoseconds; the largest one in the span.
    pub delay_p99_ns: Option<u64>,
    /// Work done by closed-loop workloads, as a share of the baseline.
    pub work: Option<f64>,
    /// Polls per second of all tasks.
    pub polls: Option<f64>,
    /// Runnable tasks at the end of the span; of several spans, the largest number.
    pub runnable: Option<u64>,
}

impl HistoryPoint {
    fn span_ns(&self) -> u64 {
        self.to_ns.saturating_sub(self.from_ns)
    }

    /// Both spans as one: means weighted by time, and the larger delay.
    fn merge(self, other: HistoryPoint) -> HistoryPoint {
        let (self_ns, other_ns) = (self.span_ns() as f64, other.span_ns() as f64);
        let mean = |a: Option<f64>, b: Option<f64>| match (a, b) {
            (Some(a), Some(b)) if self_ns + other_ns > 0.0 => {
                Some((a * self_ns + b * other_ns) / (self_ns + other_ns))
            }
            (a, b) => b.or(a),
        };
        HistoryPoint {
            from_ns: self.from_ns.min(other.from_ns),
            to_ns: self.to_ns.max(other.to_ns),
            busy: mean(self.busy, other.busy),
            delay_p99_ns: self.delay_p99_ns.max(other.delay_p99_ns),
            work: mean(self.work, other.work),
            polls: mean(self.polls, other.polls),
            runnable: self.runnable.max(other.runnable),
        }
    }
}

/// A change that graphs mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryEvent {
    /// The hog was turned on.
    HogOn,
    /// The hog was turned off.
    HogOff,
    /// The target was restarted, or the lab has another runtime.
    Restart,
}

/// The statistics of the last 15 minutes, oldest first. Time without a connection is a gap.
#[derive(Clone, Debug, Default)]
pub struct History {
    points: VecDeque<HistoryPoint>,
    events: VecDeque<(u64, HistoryEvent)>,
    hog_since_ns: Option<u64>,
}

impl History {
    /// Adds a span.
    pub(super) fn push(&mut self, next: HistoryPoint) {
        match self.points.back_mut() {
            // The clock starts over when the process is restarted.
            Some(last) if last.from_ns > next.from_ns => {
                self.points.clear();
                self.events.clear();
            }
            Some(last) if last.span_ns() + next.span_ns() < RESOLUTION_NS => {
                *last = last.merge(next);
                return;
            }
            _ => {}
        }
        self.points.push_back(next);
        let oldest_ns = next.to_ns.saturating_sub(LENGTH_NS);
        while self.points.front().is_some_and(|first| first.to_ns < oldest_ns) {
            self.points.pop_front();
        }
    }

    /// Adds an event.
    pub(super) fn mark(&mut self, at_ns: u64, event: HistoryEvent) {
        self.events.push_back((at_ns, event));
        if self.events.len() > MAX_EVENTS {
            self.events.pop_front();
        }
    }

    /// Adds an event if the hog was turned on or off. It has been on since `since_ns`.
    pub(super) fn mark_hog(&mut self, now_ns: u64, since_ns: Option<u64>) {
        match (self.hog_since_ns, since_ns) {
            (last, Some(since_ns)) if last != Some(since_ns) => {
                self.mark(since_ns, HistoryEvent::HogOn)
            }
            (Some(_), None) => self.mark(now_ns, HistoryEvent::HogOff),
            _ => {}
        }
        self.hog_since_ns = since_ns;
    }

    /// The events of the last 15 minutes with their times, oldest first.
    pub fn events(&self) -> impl DoubleEndedIterator<Item = (u64, HistoryEvent)> {
        self.events.iter().copied()
    }

    /// The latest values.
    pub fn latest(&self) -> Option<&HistoryPoint> {
        self.points.back()
    }

    /// The span that covers a moment.
    pub fn at(&self, time_ns: u64) -> Option<&HistoryPoint> {
        let next = self.points.partition_point(|point| point.to_ns <= time_ns);
        self.points.get(next).filter(|point| point.from_ns <= time_ns)
    }

    /// The `span_ns` up to `now_ns` in `columns` parts of equal length, oldest first; `None` for a
    /// part that no sample covers.
    ///
    /// The boundaries of the parts are multiples of their length, so a value stays in its part
    /// while time advances.
    pub fn columns(&self, now_ns: u64, span_ns: u64, columns: usize) -> Vec<Option<HistoryPoint>> {
        let length_ns = (span_ns / columns.max(1) as u64).max(1);
        let last = now_ns / length_ns;
        let mut parts = vec![None; columns];
        for point in self.points.iter().rev() {
            // Parts are counted from the latest one. The end of a span belongs to it.
            let age = |time_ns: u64| last.saturating_sub(time_ns / length_ns) as usize;
            let (oldest, latest) = (age(point.from_ns), age(point.to_ns.saturating_sub(1)));
            if latest >= columns {
                break;
            }
            for part in parts.iter_mut().rev().take(oldest + 1).skip(latest) {
                *part = Some(part.map_or(*point, |known: HistoryPoint| known.merge(*point)));
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

    fn point(from_ns: u64, to_ns: u64, busy: f64) -> HistoryPoint {
        HistoryPoint { from_ns, to_ns, busy: Some(busy), ..HistoryPoint::default() }
    }

    fn busy(history: &History, now_ns: u64, span_ns: u64, columns: usize) -> Vec<Option<f64>> {
        let points = history.columns(now_ns, span_ns, columns).into_iter();
        points.map(|point| point.and_then(|point| point.busy)).collect()
    }

    #[test]
    fn each_sample_fills_the_time_that_it_covers() {
        let mut history = History::default();
        history.push(point(10 * S, 11 * S, 0.5));
        history.push(point(13 * S, 15 * S, 1.0));
        let expected = [None, Some(0.5), None, None, Some(1.0), Some(1.0)];
        assert_eq!(busy(&history, 15 * S - 1, 6 * S, 6), expected);
        let at = |time_ns| history.at(time_ns).and_then(|point| point.busy);
        let found = [9 * S, 10 * S, 11 * S, 12 * S, 14 * S, 15 * S].map(at);
        assert_eq!(found, [None, Some(0.5), None, None, Some(1.0), None]);
    }

    #[test]
    fn column_of_several_samples_has_their_mean_and_the_largest_delay() {
        let mut history = History::default();
        for (quarter, delay) in [(0, 7), (1, 9), (2, 3), (3, 1)] {
            let (from_ns, to_ns) = (quarter * S / 4, (quarter + 1) * S / 4);
            let delay_p99_ns = Some(delay);
            history.push(HistoryPoint { delay_p99_ns, ..point(from_ns, to_ns, quarter as f64) });
        }
        let whole = history.columns(S - 1, S, 1)[0].expect("a sample");
        assert_eq!((whole.busy, whole.delay_p99_ns), (Some(1.5), Some(9)));
    }

    #[test]
    fn history_is_bounded() {
        let mut history = History::default();
        for n in 0..100_000 {
            history.push(point(n * S / 50, (n + 1) * S / 50, 0.5));
        }
        assert!(history.points.len() as u64 <= 2 * LENGTH_NS / RESOLUTION_NS);
        assert!(history.points[0].from_ns <= 100_000 * S / 50 - LENGTH_NS);
    }

    #[test]
    fn hog_events_have_the_time_of_the_change() {
        let mut history = History::default();
        for (now_s, since_s) in [(1, None), (3, Some(2)), (4, Some(2)), (6, None), (9, Some(8))] {
            history.mark_hog(now_s * S, since_s.map(|since_s: u64| since_s * S));
        }
        let events: Vec<_> = history.events().collect();
        let expected = [
            (2 * S, HistoryEvent::HogOn),
            (6 * S, HistoryEvent::HogOff),
            (8 * S, HistoryEvent::HogOn),
        ];
        assert_eq!(events, expected);
    }

    #[test]
    fn history_starts_over_after_a_restart() {
        let mut history = History::default();
        history.push(point(100 * S, 101 * S, 0.5));
        history.push(point(0, S, 1.0));
        assert_eq!(history.points, [point(0, S, 1.0)]);
    }

    proptest! {
        #[test]
        fn columns_have_the_requested_number(
            spans in proptest::collection::vec((0..5 * S, 0..5 * S), 0..40),
            now_ns in any::<u64>(),
            span_ns in any::<u64>(),
            columns in 0usize..300,
        ) {
            let mut history = History::default();
            let mut time_ns = 0;
            for (gap, length) in spans {
                history.push(point(time_ns + gap, time_ns + gap + length, 0.5));
                time_ns += gap + length;
            }
            prop_assert_eq!(history.columns(now_ns, span_ns, columns).len(), columns);
        }
    }
}
