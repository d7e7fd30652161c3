//! The main statistics of a target over the last 15 minutes, for graphs.

use std::collections::VecDeque;

use super::ring::{HistorySample, Ring, weighted_mean};

const RESOLUTION_NS: u64 = 200_000_000;
const MAX_EVENTS: usize = 256;

/// The main statistics of a target over a span of time. A statistic that the target lacks, or for
/// which there was no event, is `None`.
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
    /// Tasks in the injection queue at the end of the span; of several spans, the largest number.
    pub injected: Option<u64>,
    /// Calls that the blocking pool runs or queues at the end of the span; of several spans, the
    /// largest number.
    pub blocking_calls: Option<u64>,
}

impl HistorySample for HistoryPoint {
    fn span(&self) -> (u64, u64) {
        (self.from_ns, self.to_ns)
    }

    /// Means weighted by time, and the larger delay.
    fn merge(self, other: HistoryPoint) -> HistoryPoint {
        let [self_ns, other_ns] = [self, other].map(|it| it.to_ns.saturating_sub(it.from_ns));
        let mean = |a: Option<f64>, b: Option<f64>| match (a, b) {
            (Some(a), Some(b)) => Some(weighted_mean((a, self_ns), (b, other_ns))),
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
            injected: self.injected.max(other.injected),
            blocking_calls: self.blocking_calls.max(other.blocking_calls),
        }
    }
}

/// The busy share of a worker with its queue, or of a group with its scheduling delay, over a span of
/// time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BusyPoint {
    /// Start of the span, in nanoseconds on the target's clock.
    pub from_ns: u64,
    /// End of the span.
    pub to_ns: u64,
    /// Share of the time; 1 is one worker.
    pub busy: f64,
    /// Mean scheduling delay in nanoseconds, or the longest running one if that is longer; the
    /// largest one in the span. Workers have none.
    pub delay_ns: Option<u64>,
    /// Tasks in the local queue of a worker at the end of the span; of several spans, the largest
    /// number. Groups have none.
    pub queued: Option<u64>,
}

impl HistorySample for BusyPoint {
    fn span(&self) -> (u64, u64) {
        (self.from_ns, self.to_ns)
    }

    fn merge(self, other: BusyPoint) -> BusyPoint {
        let [self_ns, other_ns] = [self, other].map(|it| it.to_ns.saturating_sub(it.from_ns));
        BusyPoint {
            from_ns: self.from_ns.min(other.from_ns),
            to_ns: self.to_ns.max(other.to_ns),
            busy: weighted_mean((self.busy, self_ns), (other.busy, other_ns)),
            delay_ns: self.delay_ns.max(other.delay_ns),
            queued: self.queued.max(other.queued),
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

/// The statistics of the last 15 minutes. Time without a connection is a gap.
#[derive(Clone, Debug)]
pub struct History {
    points: Ring<HistoryPoint>,
    events: VecDeque<(u64, HistoryEvent)>,
    hog_since_ns: Option<u64>,
}

impl Default for History {
    fn default() -> Self {
        History { points: Ring::new(RESOLUTION_NS), events: VecDeque::new(), hog_since_ns: None }
    }
}

impl History {
    /// Adds a span.
    pub(super) fn push(&mut self, next: HistoryPoint) {
        // The clock starts over when the process is restarted.
        if self.points.push(next) {
            self.events.clear();
        }
    }

    /// Adds an event.
    pub(super) fn mark(&mut self, at_ns: u64, event: HistoryEvent) {
        self.events.push_back((at_ns, event));
        if self.events.len() > MAX_EVENTS {
            self.events.pop_front();
        }
    }

    /// Adds an event if the hog was turned on or off. `since_ns` is when it was turned
    /// on; `None` while it is off.
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

    /// The statistics over time.
    pub fn points(&self) -> &Ring<HistoryPoint> {
        &self.points
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    fn point(from_ns: u64, to_ns: u64, busy: f64) -> HistoryPoint {
        HistoryPoint { from_ns, to_ns, busy: Some(busy), ..HistoryPoint::default() }
    }

    #[test]
    fn merged_spans_have_the_mean_and_the_largest_delay() {
        let points = [(0, 7), (1, 9), (2, 3)].map(|(quarter, delay)| HistoryPoint {
            delay_p99_ns: Some(delay),
            ..point(quarter * S / 4, (quarter + 1) * S / 4, quarter as f64)
        });
        let whole = points[0].merge(points[1]).merge(points[2]);
        assert_eq!((whole.busy, whole.delay_p99_ns), (Some(1.0), Some(9)));
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
    fn events_of_a_clock_that_has_started_over_are_removed() {
        let mut history = History::default();
        history.push(point(100 * S, 101 * S, 0.5));
        history.mark(100 * S, HistoryEvent::Restart);
        history.push(point(0, S, 1.0));
        assert_eq!((history.points.samples().len(), history.events().count()), (1, 0));
    }
}
