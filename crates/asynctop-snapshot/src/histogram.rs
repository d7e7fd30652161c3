//! Distributions of durations: one bucket scheme for the probe that fills them and
//! for everything that reads, merges and draws them.
//!
//! Two buckets for each doubling, from 1.024 µs up. A quantile is reported as the
//! geometric middle of its bucket, so it is off by a factor of at most
//! [`Histogram::ERROR_FACTOR`] (√1.5 ≈ 1.225). Below the first bound it is only known
//! to be less than 1.024 µs; the greatest value is kept exactly.

/// The durations below this many nanoseconds share the first bucket.
pub const FLOOR_NS: u64 = 1 << FLOOR_EXP;
const FLOOR_EXP: u32 = 10;

/// The number of buckets of a [`Histogram`]: up to 137 s in steps, then one for the rest.
pub const BUCKETS: usize = 56;

/// The bucket that a duration falls into.
#[inline(always)]
pub fn bucket_of(nanos: u64) -> usize {
    if nanos < FLOOR_NS {
        return 0;
    }
    let exp = 63 - nanos.leading_zeros();
    let upper_half = (nanos >> (exp - 1)) & 1;
    (1 + 2 * (exp - FLOOR_EXP)) as usize + upper_half as usize
}

/// The least duration, in nanoseconds, that falls into `bucket`.
pub fn lower_bound(bucket: usize) -> u64 {
    match bucket {
        0 => 0,
        n => {
            let step = (n - 1) as u32;
            let base = 1u64 << (FLOOR_EXP + step / 2);
            if step.is_multiple_of(2) { base } else { base + base / 2 }
        }
    }
}

/// How many durations fell into each bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "sparse::Sparse", into = "sparse::Sparse"))]
pub struct Histogram {
    counts: [u64; BUCKETS],
    /// Durations that are only known to lie between `lower_bound(beyond_from)` and `max`:
    /// a task's own record has fewer buckets than this type.
    beyond: u64,
    beyond_from: usize,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: [0; BUCKETS], beyond: 0, beyond_from: BUCKETS, max: 0 }
    }
}

impl Histogram {
    /// A quantile lies within this factor of the true value, for values from
    /// 1.024 µs up to where the source's buckets end.
    pub const ERROR_FACTOR: f64 = 1.225;

    /// A histogram of counts by bucket, where the last of them also holds everything
    /// beyond its bound, and of the exact maximum in nanoseconds.
    pub fn from_counts(counts: impl IntoIterator<Item = u64>, max: u64) -> Self {
        let mut result = Self { max, ..Self::default() };
        let mut last = 0;
        for (bucket, count) in counts.into_iter().enumerate().take(BUCKETS) {
            result.counts[bucket] = count;
            last = bucket;
        }
        if last + 1 < BUCKETS {
            result.beyond = std::mem::take(&mut result.counts[last]);
            result.beyond_from = last;
        }
        result
    }

    /// Counts one duration.
    pub fn record(&mut self, nanos: u64) {
        self.counts[bucket_of(nanos).min(BUCKETS - 1)] += 1;
        self.max = self.max.max(nanos);
    }

    /// Counts as many durations of the same length.
    pub fn record_many(&mut self, nanos: u64, count: u64) {
        // A foreign program may claim any count; no sum of counts may overflow.
        const MOST: u64 = 1 << 40;
        let slot = &mut self.counts[bucket_of(nanos).min(BUCKETS - 1)];
        *slot = slot.saturating_add(count).min(MOST);
        self.max = self.max.max(nanos);
    }

    /// Adds what `other` holds.
    pub fn merge(&mut self, other: &Histogram) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.beyond += other.beyond;
        self.beyond_from = self.beyond_from.min(other.beyond_from);
        self.max = self.max.max(other.max);
    }

    /// What came to this histogram since `earlier`, an older state of the same one.
    ///
    /// The maximum of the time between is not known, so it is bounded by the highest
    /// bucket that grew.
    pub fn since(&self, earlier: &Histogram) -> Histogram {
        let mut delta = Histogram { beyond_from: self.beyond_from, ..Histogram::default() };
        for (bucket, (now, then)) in self.counts.iter().zip(&earlier.counts).enumerate() {
            let grown = now.saturating_sub(*then);
            delta.counts[bucket] = grown;
            if grown > 0 {
                delta.max = lower_bound(bucket + 1).min(self.max);
            }
        }
        delta.beyond = self.beyond.saturating_sub(earlier.beyond);
        if delta.beyond > 0 || self.max > earlier.max {
            delta.max = self.max;
        }
        delta
    }

    /// Removes the longest duration if it may be at least `nanos` long. The new maximum is not
    /// known, so it is bounded by the highest bucket that holds a duration.
    pub fn remove_longest(&mut self, nanos: u64) {
        if self.beyond > 0 {
            self.beyond -= 1;
        } else {
            let Some(bucket) = self.highest() else { return };
            if self.upper_bound(bucket) <= nanos {
                return;
            }
            self.counts[bucket] -= 1;
        }
        if self.beyond == 0 {
            self.max = self.highest().map_or(0, |bucket| self.upper_bound(bucket).min(self.max));
        }
    }

    /// Sets the maximum, where it is known from elsewhere.
    pub fn set_max(&mut self, nanos: u64) {
        self.max = nanos;
    }

    fn highest(&self) -> Option<usize> {
        self.counts.iter().rposition(|count| *count > 0)
    }

    /// The last bucket has no bound but the maximum.
    fn upper_bound(&self, bucket: usize) -> u64 {
        if bucket + 1 < BUCKETS { lower_bound(bucket + 1) } else { self.max }
    }

    /// How many durations were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum::<u64>() + self.beyond
    }

    /// The greatest duration in nanoseconds; exact, except after [`since`](Self::since).
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The duration, in nanoseconds, that the share `q` (0 to 1) of all stays at or
    /// below; `None` if nothing was counted.
    ///
    /// ```
    /// let mut h = asynctop_snapshot::Histogram::default();
    /// (1..=100).for_each(|ms| h.record(ms * 1_000_000));
    /// let p50 = h.quantile(0.5).unwrap() as f64 / 50_000_000.0;
    /// assert!(p50 < asynctop_snapshot::Histogram::ERROR_FACTOR && p50.recip() < asynctop_snapshot::Histogram::ERROR_FACTOR);
    /// assert_eq!(h.quantile(1.0), Some(100_000_000));
    /// ```
    pub fn quantile(&self, q: f64) -> Option<u64> {
        let total = self.count();
        if total == 0 {
            return None;
        }
        let rank = ((q.clamp(0.0, 1.0) * total as f64).ceil() as u64).max(1);
        if rank == total {
            return Some(self.max);
        }
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            if self.beyond > 0 && bucket >= self.beyond_from {
                break;
            }
            seen += count;
            if seen >= rank {
                return Some(middle(bucket).min(self.max));
            }
        }
        Some(self.max)
    }

    /// The buckets that hold something, as (least duration in ns, count), for drawing.
    pub fn bars(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let beyond = (self.beyond > 0).then(|| (lower_bound(self.beyond_from), self.beyond));
        let counts = self.counts.iter().enumerate().filter(|(_, n)| **n > 0);
        counts.map(|(bucket, n)| (lower_bound(bucket), *n)).chain(beyond)
    }
}

fn middle(bucket: usize) -> u64 {
    match bucket {
        0 => FLOOR_NS / 2,
        n => (lower_bound(n) as f64 * lower_bound(n + 1) as f64).sqrt() as u64,
    }
}

/// A histogram without its empty buckets, as it is serialized.
#[cfg(feature = "serde")]
mod sparse {
    use super::{BUCKETS, Histogram};

    #[derive(serde::Serialize, serde::Deserialize)]
    pub(super) struct Sparse {
        /// The position of each bucket that is not empty, and its count.
        counts: Vec<(usize, u64)>,
        beyond: u64,
        beyond_from: usize,
        max: u64,
    }

    impl From<Histogram> for Sparse {
        fn from(histogram: Histogram) -> Self {
            let Histogram { counts, beyond, beyond_from, max } = histogram;
            let counts = counts.into_iter().enumerate().filter(|(_, count)| *count > 0).collect();
            Sparse { counts, beyond, beyond_from, max }
        }
    }

    impl TryFrom<Sparse> for Histogram {
        type Error = String;

        fn try_from(sparse: Sparse) -> Result<Self, String> {
            let Sparse { counts, beyond, beyond_from, max } = sparse;
            let mut histogram = Histogram { beyond, beyond_from, max, ..Histogram::default() };
            for (at, count) in counts {
                let buckets = histogram.counts.get_mut(at);
                *buckets.ok_or_else(|| format!("a histogram has no bucket {at}"))? = count;
            }
            if beyond_from > BUCKETS {
                return Err(format!("a histogram has no bucket {beyond_from}"));
            }
            Ok(histogram)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_duration_lies_in_its_bucket(nanos in 0u64..(1 << 40)) {
            let bucket = bucket_of(nanos);
            prop_assert!(lower_bound(bucket) <= nanos && nanos < lower_bound(bucket + 1));
        }

        #[test]
        fn quantiles_stay_within_the_stated_error(
            mut values in prop::collection::vec(FLOOR_NS..100_000_000_000, 1..200),
            q in 0.01f64..1.0,
        ) {
            let mut h = Histogram::default();
            values.iter().for_each(|v| h.record(*v));
            values.sort_unstable();
            let rank = ((q * values.len() as f64).ceil() as usize).max(1);
            let (exact, got) = (values[rank - 1] as f64, h.quantile(q).unwrap_or(0) as f64);
            let factor = (got / exact).max(exact / got);
            prop_assert!(factor <= Histogram::ERROR_FACTOR, "{got} for {exact}");
        }

        #[test]
        fn merging_is_counting_both(a in prop::collection::vec(0u64..1 << 40, 0..50),
                                    b in prop::collection::vec(0u64..1 << 40, 0..50)) {
            let of = |values: &[u64]| {
                let mut h = Histogram::default();
                values.iter().for_each(|v| h.record(*v));
                h
            };
            let mut merged = of(&a);
            merged.merge(&of(&b));
            let both: Vec<u64> = a.iter().chain(&b).copied().collect();
            prop_assert_eq!(&merged, &of(&both));
            prop_assert_eq!(merged.since(&of(&a)).count(), b.len() as u64);
        }
    }

    #[test]
    fn what_lies_beyond_the_buckets_of_a_source_is_reported_as_its_maximum() {
        let mut counts = [0u64; 40];
        counts[3] = 50;
        counts[39] = 50;
        let h = Histogram::from_counts(counts, 7_000_000_000);
        assert_eq!(h.count(), 100);
        assert!(h.quantile(0.5).is_some_and(|p| p < 3_000));
        assert_eq!(h.quantile(0.9), Some(7_000_000_000));
    }

    #[test]
    fn longest_duration_is_removed_only_if_it_is_long_enough() {
        let mut h = Histogram::default();
        [5_000, 6_000_000, 3_000_000_000].iter().for_each(|nanos| h.record(*nanos));
        h.remove_longest(2_900_000_000);
        assert_eq!(h.count(), 2);
        assert!((6_000_000..9_000_000).contains(&h.max()), "{}", h.max());
        h.remove_longest(2_900_000_000);
        assert_eq!(h.count(), 2);
        h.set_max(6_000_000);
        assert_eq!(h.quantile(1.0), Some(6_000_000));
        let mut beyond = Histogram::from_counts([4, 0, 2], 9_000_000_000);
        beyond.remove_longest(8_000_000_000);
        assert_eq!((beyond.count(), beyond.max()), (5, 9_000_000_000));
        beyond.remove_longest(8_000_000_000);
        assert_eq!((beyond.count(), beyond.max()), (4, FLOOR_NS));
        let mut empty = Histogram::default();
        empty.remove_longest(0);
        assert_eq!(empty, Histogram::default());
    }

    #[test]
    fn nothing_counted_has_no_quantile() {
        assert_eq!(Histogram::default().quantile(0.5), None);
    }
}
