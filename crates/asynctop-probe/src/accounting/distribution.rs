//! The histogram that a polling thread fills: counters in the buckets of
//! [`crate::Histogram`], written by one thread, read by any.

use std::sync::atomic::{AtomicU32, Ordering};

use asynctop_snapshot::Histogram;

/// `N` counters; the last one also takes what lies beyond its bound.
///
/// A counter that would overflow (after four billion polls in one bucket) halves all of
/// them: the shape stays, older polls weigh less from then on.
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

    /// Forgets everything; the caller owns the record alone.
    pub(crate) fn clear(&self) {
        for counter in &self.counts {
            counter.store(0, Ordering::Relaxed);
        }
    }

    /// What was counted, with the exact maximum that is kept elsewhere.
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
    fn a_full_counter_halves_all_and_goes_on() {
        let d = Distribution::<4>::new();
        d.counts[0].store(u32::MAX, Ordering::Relaxed);
        d.counts[1].store(10, Ordering::Relaxed);
        d.count(bucket_of(5));
        let h = d.load(2_000);
        assert_eq!(h.count(), u64::from(u32::MAX / 2) + 1 + 5);
    }

    #[test]
    fn the_last_counter_takes_what_lies_beyond() {
        let d = Distribution::<4>::new();
        d.count(bucket_of(u64::MAX / 2));
        assert_eq!(d.load(u64::MAX / 2).quantile(0.5), Some(u64::MAX / 2));
    }
}
