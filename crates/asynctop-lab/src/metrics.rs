//! Metrics: statistics that a workload reports besides its count of completed units.
//!
//! A lock is held for one addition or the exchange of a pointer, and never across an await or while
//! a task works, so a reader does not wait for the runtime under test.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use asynctop_snapshot::{Histogram, MetricValue, WorkloadMetric};

use crate::lock::lock;

/// All metrics of a workload, in the order of their creation. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics(Arc<Mutex<Vec<(&'static str, MetricCell)>>>);

/// The metrics of one start.
#[derive(Debug)]
pub(crate) struct TakenMetrics(Vec<(&'static str, MetricCell)>);

#[derive(Clone, Debug)]
enum MetricCell {
    Count(Count),
    /// The number of instances that have started to work.
    Started(Count),
    Text(Text),
    Latency(Latency),
}

impl Metrics {
    /// Removes and returns the metrics of the previous start.
    pub(crate) fn take(&self) -> TakenMetrics {
        TakenMetrics(std::mem::take(&mut *lock(&self.0)))
    }

    /// Replaces the metrics by those of a start that goes on.
    pub(crate) fn put_back(&self, taken: TakenMetrics) {
        *lock(&self.0) = taken.0;
    }

    pub(crate) fn count(&self, name: &'static str) -> Count {
        let count = Count::default();
        lock(&self.0).push((name, MetricCell::Count(count.clone())));
        count
    }

    /// A count of the instances that have started to work. Slowdown has no baseline before all of
    /// them have.
    pub(crate) fn count_of_started(&self, name: &'static str) -> Count {
        let count = Count::default();
        lock(&self.0).push((name, MetricCell::Started(count.clone())));
        count
    }

    /// The current count of started instances; `None` if the workload does not count them.
    pub(crate) fn started(&self) -> Option<u64> {
        lock(&self.0).iter().find_map(|(_, cell)| match cell {
            MetricCell::Started(count) => Some(count.get()),
            _ => None,
        })
    }

    pub(crate) fn text(&self, name: &'static str) -> Text {
        let text = Text::default();
        lock(&self.0).push((name, MetricCell::Text(text.clone())));
        text
    }

    pub(crate) fn latency(&self, name: &'static str) -> Latency {
        let latency = Latency::default();
        lock(&self.0).push((name, MetricCell::Latency(latency.clone())));
        latency
    }

    /// The current values.
    pub(crate) fn read(&self) -> Vec<WorkloadMetric> {
        let read = |(name, cell): &(&'static str, MetricCell)| {
            let value = match cell {
                MetricCell::Count(count) | MetricCell::Started(count) => {
                    MetricValue::Count(count.get())
                }
                MetricCell::Text(text) => MetricValue::Text(Arc::clone(&lock(&text.0))),
                MetricCell::Latency(latency) => latency.read(Instant::now()),
            };
            WorkloadMetric { name: (*name).into(), value }
        };
        lock(&self.0).iter().map(read).collect()
    }
}

/// A count that can fall.
#[derive(Clone, Debug, Default)]
pub(crate) struct Count(Arc<AtomicU64>);

impl Count {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn sub(&self, n: u64) {
        self.0.fetch_sub(n, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Text(Arc<Mutex<Arc<str>>>);

impl Default for Text {
    fn default() -> Self {
        Text(Arc::new(Mutex::new("–".into())))
    }
}

impl Text {
    pub(crate) fn set(&self, text: String) {
        let text = text.into();
        *lock(&self.0) = text;
    }
}

/// The distribution of a duration over the last [`SECONDS`](Latency::SECONDS). Operations in
/// progress count with the time that they have taken so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latency(Arc<Mutex<LatencyWindow>>);

#[derive(Debug, Default)]
struct LatencyWindow {
    origin: Option<Instant>,
    /// The durations of completed operations, by the second since `origin` in which they completed,
    /// oldest first.
    seconds: VecDeque<(u64, Histogram)>,
    /// Start of each operation in progress, by number.
    in_progress: BTreeMap<u64, Instant>,
    next_number: u64,
}

impl Latency {
    const SECONDS: u64 = 5;

    /// Starts an operation.
    pub(crate) fn start(&self) -> LatencyTimer {
        let mut window = lock(&self.0);
        let number = window.next_number;
        window.next_number += 1;
        window.in_progress.insert(number, Instant::now());
        LatencyTimer { latency: self.clone(), number }
    }

    /// Records a completed operation.
    pub(crate) fn record(&self, duration: Duration) {
        lock(&self.0).record(Instant::now(), duration);
    }

    fn read(&self, now: Instant) -> MetricValue {
        let mut window = lock(&self.0);
        window.remove_expired(now);
        let mut all = Histogram::default();
        window.seconds.iter().for_each(|(_, second)| all.merge(second));
        for start in window.in_progress.values() {
            all.record(nanos(now.saturating_duration_since(*start)));
        }
        MetricValue::Latency {
            p50_ns: all.quantile(0.5),
            p99_ns: all.quantile(0.99),
            max_ns: (all.count() > 0).then(|| all.max()),
            in_progress: window.in_progress.len() as u64,
        }
    }
}

impl LatencyWindow {
    fn second(&mut self, now: Instant) -> u64 {
        now.saturating_duration_since(*self.origin.get_or_insert(now)).as_secs()
    }

    fn record(&mut self, now: Instant, duration: Duration) {
        let second = self.second(now);
        if self.seconds.back().is_none_or(|(last, _)| *last < second) {
            self.seconds.push_back((second, Histogram::default()));
            self.remove_expired(now);
        }
        if let Some((_, histogram)) = self.seconds.back_mut() {
            histogram.record(nanos(duration));
        }
    }

    fn remove_expired(&mut self, now: Instant) {
        let oldest = (self.second(now) + 1).saturating_sub(Latency::SECONDS);
        while self.seconds.front().is_some_and(|(second, _)| *second < oldest) {
            self.seconds.pop_front();
        }
    }
}

/// An operation in progress. An operation whose timer is dropped is not recorded.
#[derive(Debug)]
pub(crate) struct LatencyTimer {
    latency: Latency,
    number: u64,
}

impl LatencyTimer {
    /// Records the operation as completed.
    pub(crate) fn finish(self) {
        let now = Instant::now();
        let mut window = lock(&self.latency.0);
        if let Some(start) = window.in_progress.remove(&self.number) {
            window.record(now, now.saturating_duration_since(start));
        }
    }
}

impl Drop for LatencyTimer {
    fn drop(&mut self) {
        lock(&self.latency.0).in_progress.remove(&self.number);
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn max_and_in_progress(latency: &Latency, now: Instant) -> (Option<u64>, u64) {
        match latency.read(now) {
            MetricValue::Latency { max_ns, in_progress, .. } => (max_ns, in_progress),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn latency_includes_operations_in_progress_but_not_dropped_ones() {
        let latency = Latency::default();
        let (finished, dropped) = (latency.start(), latency.start());
        let later = Instant::now() + Duration::from_secs(60);
        let (max, in_progress) = max_and_in_progress(&latency, later);
        assert!(max >= Some(59_000_000_000) && in_progress == 2, "{max:?} {in_progress}");
        drop(dropped);
        finished.finish();
        let (max, in_progress) = max_and_in_progress(&latency, Instant::now());
        assert!(max.is_some() && in_progress == 0);
    }

    #[test]
    fn latency_covers_the_last_seconds() {
        let latency = Latency::default();
        let begin = Instant::now();
        let at = |secs| begin + Duration::from_secs(secs);
        lock(&latency.0).record(begin, Duration::from_millis(7));
        lock(&latency.0).record(at(3), Duration::from_millis(2));
        assert_eq!(max_and_in_progress(&latency, at(4)), (Some(7_000_000), 0));
        assert_eq!(max_and_in_progress(&latency, at(5)), (Some(2_000_000), 0));
        assert_eq!(max_and_in_progress(&latency, at(99)), (None, 0));
    }

    #[test]
    fn metrics_of_the_previous_start_are_removed_or_put_back() {
        let metrics = Metrics::default();
        let count =
            |name: &str, n| WorkloadMetric { name: name.into(), value: MetricValue::Count(n) };
        let before = metrics.count("before");
        let taken = metrics.take();
        metrics.count("queue").add(2);
        assert_eq!(metrics.read(), [count("queue", 2)]);
        metrics.put_back(taken);
        before.add(3);
        assert_eq!(metrics.read(), [count("before", 3)]);
    }
}
