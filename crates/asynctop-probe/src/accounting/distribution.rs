//! The histogram that a polling thread fills: counters for the buckets of
//! [`Histogram`](asynctop_snapshot::Histogram), written by one thread, read by any.

use std::sync::atomic::{AtomicU32, Ordering};

use asynctop_snapshot::Histogram;

/// `N` counters; the last one also counts all larger values.
///
/// If a counter would overflow (after four billion polls in one bucket), all are halved: the shape is
/// kept, and older polls have less weight.
#[derive(Debug)]
pub(crate) struct Distribution<const N: usize> {
    counts: [AtomicU32; N],
}

impl<const N: usize> Distribution<N> {
    pub(crate) const fn new() -> Self {
        Self { counts: [const { AtomicU32::new(0) }; N] }
    }

    #[inline(always)]
    pub(crate) fn count(&self, bucket: usize) {
        let counter = &self.counts[bucket.min(N - 1)];
        let mut count = counter.load(Ordering::Relaxed);
        if count == u32::MAX {
            self.halve();
            count /= 2;
        }
        counter.store(count + 1, Ordering::Relaxed);
    }

    #[cold]
    fn halve(&self) {
        for counter in &self.counts {
            counter.store(counter.load(Ordering::Relaxed) / 2, Ordering::Relaxed);
        }
    }

    /// Resets all counters. The caller has exclusive access.
    pub(crate) fn clear(&self) {
        for counter in &self.counts {
            counter.store(0, Ordering::Relaxed);
        }
    }

    /// The histogram, with the exact maximum, which is stored elsewhere.
    pub(crate) fn load(&self, max: u64) -> Histogram {
        let counts = self.counts.iter().map(|n| u64::from(n.load(Ordering::Relaxed)));
        Histogram::from_counts(counts, max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use asynctop_snapshot::bucket_of;

    #[test]
    fn overflowing_counter_halves_all_counters() {
        let d = Distribution::<4>::new();
        d.counts[0].store(u32::MAX, Ordering::Relaxed);
        d.counts[1].store(10, Ordering::Relaxed);
        d.count(bucket_of(5));
        let h = d.load(2_000);
        assert_eq!(h.count(), u64::from(u32::MAX / 2) + 1 + 5);
    }

    #[test]
    fn last_counter_counts_all_larger_values() {
        let d = Distribution::<4>::new();
        d.count(bucket_of(u64::MAX / 2));
        assert_eq!(d.load(u64::MAX / 2).quantile(0.5), Some(u64::MAX / 2));
    }
}
