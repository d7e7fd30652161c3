//! Histograms of the tokio-console protocol.
//!
//! They are HdrHistograms in the V2 format: a header, then the zigzag-encoded count of each
//! bucket with seven bits per byte, where a negative count stands for that number of empty
//! buckets. The buckets are decoded one by one, because the `hdrhistogram` crate allocates all
//! the buckets that an untrusted header announces.

use std::{borrow::Cow, collections::BTreeMap, ops::RangeInclusive};

use console_api::tasks::{DurationHistogram, TaskDetails, task_details::PollTimesHistogram};

use crate::snapshot::{BUCKETS, Histogram, bucket_of};

const COOKIE: u32 = 0x1c84_9313;
const HEADER_BYTES: usize = 40;
/// Counts are capped at this value, so that sums of counts do not overflow.
const MAX_COUNT: u64 = 1 << 40;

/// Decodes a histogram of durations in nanoseconds. Durations over its maximum are counted in the
/// bucket of the maximum and reported separately.
pub(super) fn decode(encoded: &DurationHistogram) -> Option<Histogram> {
    let mut counts = [0u64; BUCKETS];
    let mut longest = 0;
    for_each_bucket(&encoded.raw_histogram, |nanos, _, count| {
        let slot = &mut counts[bucket_of(nanos).min(BUCKETS - 1)];
        *slot = slot.saturating_add(count).min(MAX_COUNT);
        longest = longest.max(nanos);
    })?;
    let outliers = encoded.high_outliers.min(MAX_COUNT);
    if outliers == 0 {
        return Some(Histogram::from_counts(counts, longest));
    }
    // An outlier lies anywhere between the maximum of the histogram and the highest outlier.
    let last = bucket_of(encoded.max_value).min(BUCKETS - 2);
    let beyond: u64 = counts[last..].iter().fold(0, |sum, count| sum.saturating_add(*count));
    counts[last] = beyond.max(outliers);
    let highest = encoded.highest_outlier.unwrap_or(0).max(longest);
    Some(Histogram::from_counts(counts[..=last].iter().copied(), highest))
}

/// The encoded histogram of the poll times of a task. That of an older console-subscriber has no
/// outliers.
pub(super) fn poll_times(details: &TaskDetails) -> Option<Cow<'_, DurationHistogram>> {
    Some(match details.poll_times_histogram.as_ref()? {
        PollTimesHistogram::Histogram(encoded) => Cow::Borrowed(encoded),
        PollTimesHistogram::LegacyHistogram(raw) => Cow::Owned(DurationHistogram {
            raw_histogram: raw.clone(),
            ..DurationHistogram::default()
        }),
    })
}

/// The durations of at least a minimum in a histogram, in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LongDurations {
    /// The smallest duration of each bucket → its largest duration and its count.
    buckets: BTreeMap<u64, (u64, u64)>,
    /// The number of durations over `max_value`, the maximum of the histogram.
    outliers: u64,
    max_value: u64,
    /// The longest outlier; `max_value` without one.
    longest: u64,
}

impl LongDurations {
    /// Decodes the durations of at least `min_ns`.
    pub(super) fn decode(encoded: &DurationHistogram, min_ns: u64) -> Option<LongDurations> {
        let mut buckets = BTreeMap::new();
        for_each_bucket(&encoded.raw_histogram, |least, most, count| {
            if least >= min_ns {
                buckets.insert(least, (most, count.min(MAX_COUNT)));
            }
        })?;
        let (outliers, max_value) = (encoded.high_outliers.min(MAX_COUNT), encoded.max_value);
        // Outliers are counted in the bucket of the maximum, too.
        if let Some((_, (_, count))) = buckets.range_mut(..=max_value).next_back() {
            *count = count.saturating_sub(outliers);
        }
        let longest = encoded.highest_outlier.unwrap_or(0).max(max_value);
        Some(LongDurations { buckets, outliers, max_value, longest })
    }

    /// The longest duration, as a lower bound; 0 if there is none.
    pub(super) fn max(&self) -> u64 {
        let longest = self.buckets.iter().rfind(|(_, (_, count))| *count > 0);
        let longest = longest.map_or(0, |(least, _)| *least);
        if self.outliers > 0 { self.longest } else { longest }
    }

    /// The durations that were added since `past`, each as the range that contains it, longest first
    /// and at most `max`.
    pub(super) fn since(&self, past: &LongDurations, max: usize) -> Vec<RangeInclusive<u64>> {
        let mut new = Vec::new();
        let mut outliers = self.outliers.saturating_sub(past.outliers);
        if outliers > 0 && (self.longest > past.longest || past.outliers == 0) {
            new.push(self.longest..=self.longest);
            outliers -= 1;
        }
        let buckets = self.buckets.iter().rev().map(|(least, (most, count))| {
            let before = past.buckets.get(least).map_or(0, |(_, count)| *count);
            (*least..=*most, count.saturating_sub(before))
        });
        let outliers = (self.max_value..=self.longest, outliers);
        for (range, count) in std::iter::once(outliers).chain(buckets) {
            let left = max.saturating_sub(new.len());
            new.extend(std::iter::repeat_n(range, usize::try_from(count).unwrap_or(max).min(left)));
        }
        new
    }
}

/// Calls `visit` with the smallest and the largest value and the count of each bucket that is not
/// empty.
fn for_each_bucket(bytes: &[u8], mut visit: impl FnMut(u64, u64, u64)) -> Option<()> {
    let (header, mut counts) = bytes.split_at_checked(HEADER_BYTES)?;
    let word = |at: usize| header[at..at + 4].try_into().map(u32::from_be_bytes).ok();
    let long = |at: usize| header[at..at + 8].try_into().map(u64::from_be_bytes).ok();
    let (digits, lowest) = (word(12)?, long(16)?);
    if word(0)? != COOKIE || digits > 5 || lowest == 0 {
        return None;
    }
    let buckets = Buckets::new(digits, lowest);
    let mut index = 0u64;
    while !counts.is_empty() {
        let count = zigzag(&mut counts)?;
        match u64::try_from(count) {
            Ok(0) | Err(_) => index = index.checked_add(count.unsigned_abs().max(1))?,
            Ok(count) => {
                let least = buckets.lower_end(index)?;
                index += 1;
                visit(least, buckets.lower_end(index).map_or(u64::MAX, |next| next - 1), count);
            }
        }
    }
    Some(())
}

/// The bucket layout: halves of equally many buckets, each twice as wide as in the previous half.
struct Buckets {
    /// log2 of the width of the first buckets.
    unit: u32,
    /// log2 of the number of buckets in a half.
    half: u32,
}

impl Buckets {
    fn new(digits: u32, lowest: u64) -> Self {
        let least = 2 * 10u64.pow(digits);
        Buckets { unit: lowest.ilog2(), half: least.next_power_of_two().ilog2().max(1) - 1 }
    }

    /// The smallest value of a bucket.
    fn lower_end(&self, index: u64) -> Option<u64> {
        let half = 1u64 << self.half;
        // The first two halves are equally wide.
        let (doubled, within) = match index >> self.half {
            0 | 1 => (0, index),
            n => (u32::try_from(n - 1).ok()?, (index & (half - 1)) + half),
        };
        let shift = doubled.checked_add(self.unit)?;
        let value = within.checked_shl(shift).filter(|value| value >> shift == within)?;
        Some(value)
    }
}

fn zigzag(bytes: &mut &[u8]) -> Option<i64> {
    let mut number = 0u64;
    for nth in 0..9 {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        // The ninth byte has eight bits.
        let bits = if nth == 8 { u64::from(*byte) } else { u64::from(byte & 0x7F) };
        number |= bits << (7 * nth);
        if nth == 8 || byte & 0x80 == 0 {
            break;
        }
    }
    Some((number >> 1) as i64 ^ -((number & 1) as i64))
}

#[cfg(test)]
mod tests {
    use hdrhistogram::serialization::{Serializer, V2Serializer};
    use proptest::prelude::*;

    use super::*;

    fn encode(values: &[u64], max: u64) -> DurationHistogram {
        let mut histogram = hdrhistogram::Histogram::<u64>::new_with_max(max, 2).expect("fine");
        let mut encoded = DurationHistogram { max_value: max, ..DurationHistogram::default() };
        for value in values {
            if *value > max {
                encoded.high_outliers += 1;
                encoded.highest_outlier = encoded.highest_outlier.max(Some(*value));
            }
            histogram.record((*value).min(max)).expect("in range");
        }
        V2Serializer::new().serialize(&histogram, &mut encoded.raw_histogram).expect("a Vec");
        encoded
    }

    const S: u64 = 1_000_000_000;

    proptest! {
        /// Quantiles are equal within the error of both histograms.
        #[test]
        fn quantiles_are_those_of_the_recorded_values(
            values in prop::collection::vec(1u64..S, 1..300),
        ) {
            let decoded = decode(&encode(&values, S)).expect("a histogram");
            prop_assert_eq!(decoded.count(), values.len() as u64);
            let mut sorted = values;
            sorted.sort_unstable();
            let half = sorted[(sorted.len() - 1) / 2].max(1_024) as f64;
            let found = decoded.quantile(0.5).expect("not empty").max(1_024) as f64;
            prop_assert!((found / half).max(half / found) < 1.3, "{found} for {half}");
        }

        #[test]
        fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), n: u64) {
            let mut encoded = encode(&[1, 5_000, 800_000], S);
            encoded.raw_histogram.truncate(HEADER_BYTES);
            encoded.raw_histogram.extend(&bytes);
            (encoded.high_outliers, encoded.highest_outlier, encoded.max_value) = (n, Some(n / 3), n / 7);
            let _ = decode(&encoded);
            let _ = LongDurations::decode(&encoded, 1).map(|long| long.since(&LongDurations::default(), 9));
            let raw_histogram = bytes;
            let _ = decode(&DurationHistogram { raw_histogram, ..encoded });
        }
    }

    #[test]
    fn long_durations_are_those_added_since_the_previous_histogram() {
        const MS: u64 = 1_000_000;
        let long =
            |values: &[u64]| LongDurations::decode(&encode(values, S), 10 * MS).expect("fine");
        let before = [1_000, 2 * MS, 30 * MS, 3 * S];
        let after =
            [&before[..], &[1_000, 9 * MS, 30 * MS, 150 * MS, 2 * S, 5 * S, 1_000]].concat();
        let (past, now) = (long(&before), long(&after));
        assert_eq!((past.max(), now.max()), (3 * S, 5 * S));
        assert_eq!(now.since(&now, 9), []);
        let new = now.since(&past, 9);
        let expected = [5 * S, 2 * S, 150 * MS, 30 * MS];
        assert_eq!(new.len(), expected.len(), "{new:?}");
        for (range, value) in new.iter().zip(expected) {
            assert!(range.contains(&value), "{range:?} for {value}");
        }
        let precise = &new[2];
        assert!(precise.end() - precise.start() < 2 * MS, "{precise:?}");
        assert_eq!(now.since(&past, 2), new[..2]);
    }

    #[test]
    fn outliers_are_counted_and_bound_the_maximum() {
        let decoded = decode(&encode(&[1_000, 2_000, 3 * S, 5 * S], S)).expect("a histogram");
        assert_eq!((decoded.count(), decoded.quantile(1.0)), (4, Some(5 * S)));
        assert!(decoded.quantile(0.25).is_some_and(|nanos| nanos < 2_000));
    }
}
