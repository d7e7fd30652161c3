//! Distributions of durations, with one bucket scheme for the probe, the model and the screens.
//!
//! There are two buckets per doubling, from 1.024 µs up; shorter durations share the first bucket. A
//! quantile is the geometric mean of the bounds of its bucket, so it is within a factor of
//! [`Histogram::ERROR_FACTOR`] (√1.5 ≈ 1.225) of the true value. The maximum is exact.

/// Durations below this, in nanoseconds, share the first bucket.
pub const MIN_BOUND_NS: u64 = 1 << MIN_BOUND_EXP;
const MIN_BOUND_EXP: u32 = 10;

/// The number of buckets of a [`Histogram`]: up to 137 s, then one for the rest.
pub const BUCKETS: usize = 56;

/// The index of the bucket of a duration; [`BUCKETS`] or more for one beyond the last bucket.
#[inline(always)]
pub fn bucket_of(nanos: u64) -> usize {
    if nanos < MIN_BOUND_NS {
        return 0;
    }
    let exp = 63 - nanos.leading_zeros();
    let upper_half = (nanos >> (exp - 1)) & 1;
    (1 + 2 * (exp - MIN_BOUND_EXP)) as usize + upper_half as usize
}

/// The shortest duration of `bucket`, in nanoseconds.
pub fn lower_bound(bucket: usize) -> u64 {
    match bucket {
        0 => 0,
        n => {
            let step = (n - 1) as u32;
            let base = 1u64 << (MIN_BOUND_EXP + step / 2);
            if step.is_multiple_of(2) { base } else { base + base / 2 }
        }
    }
}

/// Maximum of a count of more than one duration. Counts from a connection or a file are untrusted; no
/// sum of counts may overflow.
const MAX_COUNT: u64 = 1 << 40;

/// A distribution of durations: the number of durations in each bucket, and the maximum.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "sparse::Sparse", into = "sparse::Sparse"))]
pub struct Histogram {
    counts: [u64; BUCKETS],
    /// The number of durations in the bucket `overflow_from` or above that are not in `counts`: the
    /// probe's histograms of a task have fewer buckets than this type.
    overflow: u64,
    overflow_from: usize,
    /// In nanoseconds.
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: [0; BUCKETS], overflow: 0, overflow_from: BUCKETS, max: 0 }
    }
}

impl Histogram {
    /// The true value of a quantile is within this factor, from 1.024 µs to the end of the source's
    /// buckets.
    pub const ERROR_FACTOR: f64 = 1.225;

    /// A histogram from the counts of the first buckets, the last of which also counts all longer
    /// durations, and the exact maximum in nanoseconds.
    pub fn from_counts(counts: impl IntoIterator<Item = u64>, max: u64) -> Self {
        let mut result = Self { max, ..Self::default() };
        let mut last = 0;
        for (bucket, count) in counts.into_iter().enumerate().take(BUCKETS) {
            result.counts[bucket] = count;
            last = bucket;
        }
        if last + 1 < BUCKETS {
            result.overflow = std::mem::take(&mut result.counts[last]);
            result.overflow_from = last;
        }
        result
    }

    /// Counts one duration.
    pub fn record(&mut self, nanos: u64) {
        self.counts[bucket_of(nanos).min(BUCKETS - 1)] += 1;
        self.max = self.max.max(nanos);
    }

    /// Counts `count` durations of the same length.
    pub fn record_n(&mut self, nanos: u64, count: u64) {
        let slot = &mut self.counts[bucket_of(nanos).min(BUCKETS - 1)];
        *slot = slot.saturating_add(count).min(MAX_COUNT);
        self.max = self.max.max(nanos);
    }

    /// Adds the counts of `other`.
    pub fn merge(&mut self, other: &Histogram) {
        for (count, added) in self.counts.iter_mut().zip(&other.counts) {
            *count += added;
        }
        self.overflow += other.overflow;
        self.overflow_from = self.overflow_from.min(other.overflow_from);
        self.max = self.max.max(other.max);
    }

    /// The durations counted since `earlier`, an older copy of this histogram.
    ///
    /// Unless the maximum is new, theirs is that of the highest bucket that grew: like a quantile, it
    /// may be too short or too long by [`ERROR_FACTOR`](Self::ERROR_FACTOR).
    pub fn since(&self, earlier: &Histogram) -> Histogram {
        let mut delta = Histogram { overflow_from: self.overflow_from, ..Histogram::default() };
        for (bucket, (now, then)) in self.counts.iter().zip(&earlier.counts).enumerate() {
            let added = now.saturating_sub(*then);
            delta.counts[bucket] = added;
            if added > 0 {
                delta.max = geometric_mean(bucket).min(self.max);
            }
        }
        delta.overflow = self.overflow.saturating_sub(earlier.overflow);
        if delta.overflow > 0 || self.max > earlier.max {
            delta.max = self.max;
        }
        delta
    }

    /// Removes the longest duration if its bucket extends beyond `nanos`. The new maximum is the
    /// upper bound of the highest bucket that is not empty.
    pub fn remove_longest(&mut self, nanos: u64) {
        if self.overflow > 0 {
            self.overflow -= 1;
        } else {
            let Some(bucket) = self.highest_bucket() else { return };
            if self.upper_bound(bucket) <= nanos {
                return;
            }
            self.counts[bucket] -= 1;
        }
        if self.overflow == 0 {
            self.max =
                self.highest_bucket().map_or(0, |bucket| self.upper_bound(bucket).min(self.max));
        }
    }

    /// Sets the maximum, where it is known from another source.
    pub fn set_max(&mut self, nanos: u64) {
        self.max = nanos;
    }

    fn highest_bucket(&self) -> Option<usize> {
        self.counts.iter().rposition(|count| *count > 0)
    }

    /// The upper bound of a bucket; that of the last one is the maximum.
    fn upper_bound(&self, bucket: usize) -> u64 {
        if bucket + 1 < BUCKETS { lower_bound(bucket + 1) } else { self.max }
    }

    /// The number of durations.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum::<u64>() + self.overflow
    }

    /// The longest duration in ns; an estimate after [`Self::since`], an upper bound after
    /// [`Self::remove_longest`].
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The quantile `q` (0 to 1) in nanoseconds: the share `q` of all durations is at most this long.
    /// `None` if the histogram is empty.
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
        let mut counted = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            if self.overflow > 0 && bucket >= self.overflow_from {
                break;
            }
            counted += count;
            if counted >= rank {
                return Some(geometric_mean(bucket).min(self.max));
            }
        }
        Some(self.max)
    }

    /// The buckets that are not empty, as (lower bound in nanoseconds, count).
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let overflow =
            (self.overflow > 0).then(|| (lower_bound(self.overflow_from), self.overflow));
        let counts = self.counts.iter().enumerate().filter(|(_, n)| **n > 0);
        counts.map(|(bucket, n)| (lower_bound(bucket), *n)).chain(overflow)
    }
}

fn geometric_mean(bucket: usize) -> u64 {
    match bucket {
        0 => MIN_BOUND_NS / 2,
        n => (lower_bound(n) as f64 * lower_bound(n + 1) as f64).sqrt() as u64,
    }
}

/// The serialized form: a histogram without its empty buckets.
#[cfg(feature = "serde")]
mod sparse {
    use super::{BUCKETS, Histogram, MAX_COUNT};

    #[derive(serde::Serialize, serde::Deserialize)]
    pub(super) struct Sparse {
        /// Index and count of each bucket that is not empty.
        counts: Vec<(usize, u64)>,
        overflow: u64,
        overflow_from: usize,
        max: u64,
    }

    impl From<Histogram> for Sparse {
        fn from(histogram: Histogram) -> Self {
            let Histogram { counts, overflow, overflow_from, max } = histogram;
            let counts = counts.into_iter().enumerate().filter(|(_, count)| *count > 0).collect();
            Sparse { counts, overflow, overflow_from, max }
        }
    }

    fn limited(count: u64) -> Result<u64, String> {
        match count <= MAX_COUNT {
            true => Ok(count),
            false => Err(format!("a histogram has no {count} durations")),
        }
    }

    impl TryFrom<Sparse> for Histogram {
        type Error = String;

        fn try_from(sparse: Sparse) -> Result<Self, String> {
            let Sparse { counts, overflow, overflow_from, max } = sparse;
            let mut histogram = Histogram { overflow, overflow_from, max, ..Histogram::default() };
            for (at, count) in counts {
                let bucket = histogram.counts.get_mut(at);
                *bucket.ok_or_else(|| format!("a histogram has no bucket {at}"))? = limited(count)?;
            }
            limited(overflow)?;
            if overflow_from > BUCKETS {
                return Err(format!("a histogram has no bucket {overflow_from}"));
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
        fn bucket_of_matches_the_bounds(nanos in 0u64..(1 << 40)) {
            let bucket = bucket_of(nanos);
            prop_assert!(lower_bound(bucket) <= nanos && nanos < lower_bound(bucket + 1));
        }

        #[test]
        fn quantiles_are_within_the_error_factor(
            mut values in prop::collection::vec(MIN_BOUND_NS..100_000_000_000, 1..200),
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
        fn merge_adds_the_durations_of_both(a in prop::collection::vec(0u64..1 << 40, 0..50),
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
    fn quantile_beyond_the_buckets_of_a_source_is_the_maximum() {
        let mut counts = [0u64; 40];
        counts[3] = 50;
        counts[39] = 50;
        let h = Histogram::from_counts(counts, 7_000_000_000);
        assert_eq!(h.count(), 100);
        assert!(h.quantile(0.5).is_some_and(|p| p < 3_000));
        assert_eq!(h.quantile(0.9), Some(7_000_000_000));
    }

    #[test]
    fn remove_longest_keeps_durations_that_are_shorter() {
        let mut h = Histogram::default();
        [5_000, 6_000_000, 3_000_000_000].iter().for_each(|nanos| h.record(*nanos));
        h.remove_longest(2_900_000_000);
        assert_eq!(h.count(), 2);
        assert!((6_000_000..9_000_000).contains(&h.max()), "{}", h.max());
        h.remove_longest(2_900_000_000);
        assert_eq!(h.count(), 2);
        h.set_max(6_000_000);
        assert_eq!(h.quantile(1.0), Some(6_000_000));
        let mut overflowing = Histogram::from_counts([4, 0, 2], 9_000_000_000);
        overflowing.remove_longest(8_000_000_000);
        assert_eq!((overflowing.count(), overflowing.max()), (5, 9_000_000_000));
        overflowing.remove_longest(8_000_000_000);
        assert_eq!((overflowing.count(), overflowing.max()), (4, MIN_BOUND_NS));
        let mut empty = Histogram::default();
        empty.remove_longest(0);
        assert_eq!(empty, Histogram::default());
    }

    #[test]
    fn empty_histogram_has_no_quantile() {
        assert_eq!(Histogram::default().quantile(0.5), None);
    }

    #[cfg(feature = "serde")]
    #[test]
    fn counts_whose_sum_may_overflow_are_refused() {
        for (counts, overflow) in [("[[0,18446744073709551615]]", 0), ("[]", u64::MAX)] {
            let text =
                format!(r#"{{"counts":{counts},"overflow":{overflow},"overflow_from":3,"max":5}}"#);
            let error = serde_json::from_str::<Histogram>(&text).expect_err("too many").to_string();
            assert!(error.starts_with("a histogram has no 18446744073709551615"), "{error}");
        }
    }
}
