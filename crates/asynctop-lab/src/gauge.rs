//! Gauges: statistics that a workload reports, beside the number of completed units.
//!
//! Their locks are held for an addition or the exchange of a pointer, never across an await and
//! never while a task works, so a reader does not wait for the runtime under test.

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

/// All gauges of a workload.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gauges(Arc<Mutex<Vec<(&'static str, Dial)>>>);

#[derive(Clone, Debug)]
enum Dial {
    Count(Count),
    Text(Text),
    Latency(Latency),
}

impl Gauges {
    /// The workload begins, perhaps anew: what it told before is over.
    pub(crate) fn begin(&self) -> Gauges {
        lock(&self.0).clear();
        self.clone()
    }

    pub(crate) fn count(&self, name: &'static str) -> Count {
        let count = Count::default();
        lock(&self.0).push((name, Dial::Count(count.clone())));
        count
    }

    pub(crate) fn text(&self, name: &'static str) -> Text {
        let text = Text::default();
        lock(&self.0).push((name, Dial::Text(text.clone())));
        text
    }

    pub(crate) fn latency(&self, name: &'static str) -> Latency {
        let latency = Latency::default();
        lock(&self.0).push((name, Dial::Latency(latency.clone())));
        latency
    }

    /// How they stand.
    pub(crate) fn read(&self) -> Vec<WorkloadMetric> {
        let read = |(name, dial): &(&'static str, Dial)| {
            let value = match dial {
                Dial::Count(count) => MetricValue::Count(count.get()),
                Dial::Text(text) => MetricValue::Text(Arc::clone(&lock(&text.0))),
                Dial::Latency(latency) => latency.read(Instant::now()),
            };
            WorkloadMetric { name: (*name).into(), value }
        };
        lock(&self.0).iter().map(read).collect()
    }
}

/// A number of things.
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

/// Some words.
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

/// How long things take. Things that go on count with what they have taken so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latency(Arc<Mutex<Window>>);

#[derive(Debug, Default)]
struct Window {
    origin: Option<Instant>,
    /// What ended in each second, oldest first.
    seconds: VecDeque<(u64, Histogram)>,
    /// When the things that go on began, by number.
    going_on: BTreeMap<u64, Instant>,
    next: u64,
}

impl Latency {
    /// It tells of this many seconds.
    const SECONDS: u64 = 5;

    /// Something begins.
    pub(crate) fn begin(&self) -> GoingOn {
        let mut window = lock(&self.0);
        let number = window.next;
        window.next += 1;
        window.going_on.insert(number, Instant::now());
        GoingOn { latency: self.clone(), number }
    }

    /// Something has taken this long.
    pub(crate) fn took(&self, duration: Duration) {
        lock(&self.0).record(Instant::now(), duration);
    }

    fn read(&self, now: Instant) -> MetricValue {
        let mut window = lock(&self.0);
        window.forget(now);
        let mut all = Histogram::default();
        window.seconds.iter().for_each(|(_, second)| all.merge(second));
        for begun in window.going_on.values() {
            all.record(nanos(now.saturating_duration_since(*begun)));
        }
        MetricValue::Latency {
            p50_ns: all.quantile(0.5),
            p99_ns: all.quantile(0.99),
            max_ns: (all.count() > 0).then(|| all.max()),
            in_progress: window.going_on.len() as u64,
        }
    }
}

impl Window {
    fn second(&mut self, now: Instant) -> u64 {
        now.saturating_duration_since(*self.origin.get_or_insert(now)).as_secs()
    }

    fn record(&mut self, now: Instant, duration: Duration) {
        let second = self.second(now);
        if self.seconds.back().is_none_or(|(last, _)| *last < second) {
            self.seconds.push_back((second, Histogram::default()));
            self.forget(now);
        }
        if let Some((_, histogram)) = self.seconds.back_mut() {
            histogram.record(nanos(duration));
        }
    }

    fn forget(&mut self, now: Instant) {
        let oldest = (self.second(now) + 1).saturating_sub(Latency::SECONDS);
        while self.seconds.front().is_some_and(|(second, _)| *second < oldest) {
            self.seconds.pop_front();
        }
    }
}

/// Something that has begun. Dropped without an end, it is forgotten.
#[derive(Debug)]
pub(crate) struct GoingOn {
    latency: Latency,
    number: u64,
}

impl GoingOn {
    /// It is over.
    pub(crate) fn end(self) {
        let now = Instant::now();
        let mut window = lock(&self.latency.0);
        if let Some(begun) = window.going_on.remove(&self.number) {
            window.record(now, now.saturating_duration_since(begun));
        }
    }
}

impl Drop for GoingOn {
    fn drop(&mut self) {
        lock(&self.latency.0).going_on.remove(&self.number);
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn max_and_waiting(latency: &Latency, now: Instant) -> (Option<u64>, u64) {
        match latency.read(now) {
            MetricValue::Latency { max_ns, in_progress, .. } => (max_ns, in_progress),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_goes_on_counts_and_what_is_dropped_does_not() {
        let latency = Latency::default();
        let (one, other) = (latency.begin(), latency.begin());
        let later = Instant::now() + Duration::from_secs(60);
        let (max, waiting) = max_and_waiting(&latency, later);
        assert!(max >= Some(59_000_000_000) && waiting == 2, "{max:?} {waiting}");
        drop(other);
        one.end();
        let (max, waiting) = max_and_waiting(&latency, Instant::now());
        assert!(max.is_some() && waiting == 0);
    }

    #[test]
    fn only_the_last_seconds_are_told_of() {
        let latency = Latency::default();
        let begin = Instant::now();
        let at = |secs| begin + Duration::from_secs(secs);
        lock(&latency.0).record(begin, Duration::from_millis(7));
        lock(&latency.0).record(at(3), Duration::from_millis(2));
        assert_eq!(max_and_waiting(&latency, at(4)), (Some(7_000_000), 0));
        assert_eq!(max_and_waiting(&latency, at(5)), (Some(2_000_000), 0));
        assert_eq!(max_and_waiting(&latency, at(99)), (None, 0));
    }

    #[test]
    fn a_workload_that_begins_anew_tells_nothing_of_before() {
        let gauges = Gauges::default();
        gauges.count("before").add(3);
        gauges.begin().count("queue").add(2);
        let expected = WorkloadMetric { name: "queue".into(), value: MetricValue::Count(2) };
        assert_eq!(gauges.read(), [expected]);
    }
}
