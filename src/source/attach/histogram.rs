//! Histograms of the wire.
//!
//! They are HdrHistograms in their V2 format: a header, then the counts of all buckets,
//! zigzag and in seven bits a byte, where a negative count stands for so many empty
//! buckets. They are read where they lie: the usual crate would make room for all the
//! buckets that a header promises first.

use console_api::tasks::DurationHistogram;

use crate::{
    Histogram,
    snapshot::{BUCKETS, bucket_of},
};

const COOKIE: u32 = 0x1c84_9313;
const HEADER: usize = 40;
/// More than this nobody counts in earnest, and a sum of many stays in range.
const MOST: u64 = 1 << 40;

/// Reads a histogram of durations in nanoseconds. What was longer than its maximum is
/// counted in its last bucket and told apart.
pub(super) fn read(wire: &DurationHistogram) -> Option<Histogram> {
    let mut counts = [0u64; BUCKETS];
    let mut longest = 0;
    each(&wire.raw_histogram, |nanos, count| {
        let slot = &mut counts[bucket_of(nanos).min(BUCKETS - 1)];
        *slot = slot.saturating_add(count).min(MOST);
        longest = longest.max(nanos);
    })?;
    let outliers = wire.high_outliers.min(MOST);
    if outliers == 0 {
        return Some(Histogram::from_counts(counts, longest));
    }
    // They lie anywhere between the wire's maximum and the highest of them.
    let last = bucket_of(wire.max_value).min(BUCKETS - 2);
    let beyond: u64 = counts[last..].iter().fold(0, |sum, count| sum.saturating_add(*count));
    counts[last] = beyond.max(outliers);
    let highest = wire.highest_outlier.unwrap_or(0).max(longest);
    Some(Histogram::from_counts(counts[..=last].iter().copied(), highest))
}

/// Reads a histogram as older targets send it: without what was beyond its maximum.
pub(super) fn read_raw(raw: &[u8]) -> Option<Histogram> {
    read(&DurationHistogram { raw_histogram: raw.to_vec(), ..DurationHistogram::default() })
}

/// Calls `take` with the value and the count of each bucket that is not empty.
fn each(bytes: &[u8], mut take: impl FnMut(u64, u64)) -> Option<()> {
    let (header, mut counts) = bytes.split_at_checked(HEADER)?;
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
                take(buckets.value(index)?, count);
                index += 1;
            }
        }
    }
    Some(())
}

/// Which values belong to which bucket: each half of the buckets has twice the width of
/// the half before.
struct Buckets {
    unit: u32,
    half: u32,
}

impl Buckets {
    fn new(digits: u32, lowest: u64) -> Self {
        let least = 2 * 10u64.pow(digits);
        Buckets { unit: lowest.ilog2(), half: least.next_power_of_two().ilog2().max(1) - 1 }
    }

    /// The least value of a bucket.
    fn value(&self, index: u64) -> Option<u64> {
        let half = 1u64 << self.half;
        // The first two halves have the same width.
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

    fn wire(values: &[u64], max: u64) -> DurationHistogram {
        let mut histogram = hdrhistogram::Histogram::<u64>::new_with_max(max, 2).expect("fine");
        let mut wire = DurationHistogram { max_value: max, ..DurationHistogram::default() };
        for value in values {
            if *value > max {
                wire.high_outliers += 1;
                wire.highest_outlier = wire.highest_outlier.max(Some(*value));
            }
            histogram.record((*value).min(max)).expect("in range");
        }
        V2Serializer::new().serialize(&histogram, &mut wire.raw_histogram).expect("a Vec");
        wire
    }

    const S: u64 = 1_000_000_000;

    proptest! {
        /// Whatever was recorded there is read here, within the error of both.
        #[test]
        fn quantiles_survive(values in prop::collection::vec(1u64..S, 1..300)) {
            let read = read(&wire(&values, S)).expect("a histogram");
            prop_assert_eq!(read.count(), values.len() as u64);
            let mut sorted = values;
            sorted.sort_unstable();
            let half = sorted[(sorted.len() - 1) / 2].max(1_024) as f64;
            let found = read.quantile(0.5).expect("not empty").max(1_024) as f64;
            prop_assert!((found / half).max(half / found) < 1.3, "{found} for {half}");
        }

        #[test]
        fn no_bytes_are_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..200), n: u64) {
            let mut odd = wire(&[1, 5_000, 800_000], S);
            odd.raw_histogram.truncate(HEADER);
            odd.raw_histogram.extend(&bytes);
            (odd.high_outliers, odd.highest_outlier, odd.max_value) = (n, Some(n / 3), n / 7);
            let _ = read(&odd);
            let raw_histogram = bytes;
            let _ = read(&DurationHistogram { raw_histogram, ..odd });
        }
    }

    #[test]
    fn what_is_beyond_the_maximum_is_told_apart() {
        let read = read(&wire(&[1_000, 2_000, 3 * S, 5 * S], S)).expect("a histogram");
        assert_eq!((read.count(), read.quantile(1.0)), (4, Some(5 * S)));
        assert!(read.quantile(0.25).is_some_and(|nanos| nanos < 2_000));
    }
}
