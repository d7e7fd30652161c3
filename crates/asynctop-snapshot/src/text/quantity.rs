//! Numbers with three significant digits. A value that rounds up to the next unit is written in
//! that unit.

use std::time::Duration;

fn three_digits(value: f64) -> String {
    match value {
        v if v < 9.995 => format!("{v:.2}"),
        v if v < 99.95 => format!("{v:.1}"),
        v => format!("{v:.0}"),
    }
}

/// Nanoseconds as `310µs`, `1.25s`, `1m23s`, `2h05m` or `1d01h`: at most seven characters.
pub fn duration(nanos: u64) -> String {
    let scaled = |unit: f64, name| three_digits(nanos as f64 / unit) + name;
    let seconds = nanos.saturating_add(500_000_000) / 1_000_000_000;
    match nanos {
        0 => "0".to_owned(),
        1..1_000 => format!("{nanos}ns"),
        1_000..999_500 => scaled(1e3, "µs"),
        999_500..999_500_000 => scaled(1e6, "ms"),
        999_500_000..59_950_000_000 => scaled(1e9, "s"),
        _ if seconds < 3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ if seconds < 86_400 => format!("{}h{:02}m", seconds / 3_600, seconds / 60 % 60),
        _ if seconds < 8_640_000 => format!("{}d{:02}h", seconds / 86_400, seconds / 3_600 % 24),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A duration from a histogram bucket, which is accurate to a factor of about 1.2: two significant
/// digits, as `~29ms`, rounded down, so that a quantile is never shown above the maximum. At most
/// eight characters.
pub fn bucket_duration(nanos: u64) -> String {
    let Some(digits) = nanos.checked_ilog10() else { return duration(nanos) };
    let step = 10_u64.pow(digits.saturating_sub(1));
    let rounded = nanos / step * step;
    let scaled = |unit: u64, name| {
        let decimals = usize::from(rounded < 10 * unit);
        format!("~{:.decimals$}{name}", rounded as f64 / unit as f64)
    };
    match rounded {
        0..1_000 => format!("~{rounded}ns"),
        1_000..1_000_000 => scaled(1_000, "µs"),
        1_000_000..1_000_000_000 => scaled(1_000_000, "ms"),
        1_000_000_000..60_000_000_000 => scaled(1_000_000_000, "s"),
        _ => format!("~{}", duration(rounded)),
    }
}

/// A duration in the largest unit that makes it a whole number: no digit is lost.
pub fn duration_exact(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let units = [("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000)];
    let units = units.into_iter().chain([("ms", 1_000_000), ("µs", 1_000), ("ns", 1)]);
    let whole = units.into_iter().find(|(_, size)| nanos > 0 && nanos.is_multiple_of(*size));
    whole.map_or("0s".to_owned(), |(unit, size)| format!("{}{unit}", nanos / size))
}

/// The text of a value, or [`UNAVAILABLE`](super::UNAVAILABLE).
pub fn optional<T>(value: Option<T>, format: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| super::UNAVAILABLE.to_owned(), format)
}

/// A count with all digits, as `1,234,567`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A count for a narrow column: all digits below 10,000, else as `12.3k`. At most five characters
/// below 10^15.
pub fn compact_count(n: u64) -> String {
    let scaled = |unit: f64, name| three_digits(n as f64 / unit) + name;
    match n {
        0..10_000 => count(n),
        10_000..999_500 => scaled(1e3, "k"),
        999_500..999_500_000 => scaled(1e6, "M"),
        999_500_000..999_500_000_000 => scaled(1e9, "G"),
        _ => scaled(1e12, "T"),
    }
}

/// `1 task`, `2 tasks`.
pub fn plural(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(n), if n == 1 { "" } else { "s" })
}

/// Task-seconds, without the unit: the column title has it.
pub fn task_seconds(nanos: u64) -> String {
    match nanos as f64 / 1e9 {
        seconds if seconds < 9.995 => format!("{seconds:.2}"),
        seconds => compact_count(seconds.round() as u64),
    }
}

/// Events per second, without the unit.
pub fn rate(per_second: f64) -> String {
    match per_second {
        r if r > 0.0 && r < 9.95 => format!("{r:.1}"),
        r => compact_count(r.max(0.0).round() as u64),
    }
}

/// A share as `12.3%`. The sum of several workers may exceed 100%.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent >= 99.95 { format!("{percent:.0}%") } else { format!("{percent:.1}%") }
}

/// A share without decimals, as `12%`: for sentences, and for shares of few samples.
pub fn whole_percent(share: f64) -> String {
    format!("{:.0}%", share * 100.0)
}

/// [`percent`] without the sign: the column title has it.
pub fn percent_number(share: f64) -> String {
    let mut text = percent(share);
    text.pop();
    text
}

/// The factor of a slowdown, such as `×38`, with `times` as the sign. Larger factors are not
/// reproducible: almost no work is done.
pub fn factor(n: f64, times: &str) -> String {
    match n {
        n if n < 9.95 => format!("{times}{n:.1}"),
        n if n < 999.5 => format!("{times}{n:.0}"),
        n => format!("{}{times}1000", if n > 1_000.5 { "> " } else { "" }),
    }
}

/// A size as `512B`, `1.50KiB` or `23.4MiB`: at most seven characters below 2^40.
pub fn bytes(n: u64) -> String {
    let scaled = |shift: u32, name| three_digits(n as f64 / f64::from(1_u32 << shift)) + name;
    // 1,023.5 of a unit would be written as 1,024.
    match n {
        0..1_024 => format!("{n}B"),
        1_024..1_048_064 => scaled(10, "KiB"),
        1_048_064..1_073_217_536 => scaled(20, "MiB"),
        _ => scaled(30, "GiB"),
    }
}

/// A size in the largest unit that makes it a whole number: no digit is lost.
pub fn bytes_exact(bytes: u64) -> String {
    let units = [("MiB", 1 << 20), ("KiB", 1 << 10)];
    let whole = units.into_iter().find(|(_, size)| bytes > 0 && bytes.is_multiple_of(*size));
    whole.map_or(format!("{bytes}B"), |(unit, size)| format!("{}{unit}", bytes / size))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::parse_duration;

    #[test]
    fn duration_has_three_digits() {
        for (nanos, text) in [
            (0, "0"),
            (7, "7ns"),
            (999, "999ns"),
            (1_000, "1.00µs"),
            (9_999, "10.0µs"),
            (310_000, "310µs"),
            (999_499, "999µs"),
            (999_500, "1.00ms"),
            (999_999, "1.00ms"),
            (999_999_999, "1.00s"),
            (1_240_000_000, "1.24s"),
            (59_940_000_000, "59.9s"),
            (59_960_000_000, "1m00s"),
            (83_000_000_000, "1m23s"),
            (3_599_900_000_000, "1h00m"),
            (7_500_000_000_000, "2h05m"),
            (90_000_000_000_000, "1d01h"),
            (u64::MAX, "213503d"),
        ] {
            assert_eq!(duration(nanos), text);
        }
    }

    #[test]
    fn bucket_duration_has_two_digits_and_a_tilde() {
        for (nanos, text) in [
            (0, "0"),
            (7, "~7ns"),
            (123, "~120ns"),
            (996, "~990ns"),
            (2_949, "~2.9µs"),
            (29_123_456, "~29ms"),
            (999_000_000, "~990ms"),
            (3_400_000_000, "~3.4s"),
            (83_000_000_000, "~1m23s"),
        ] {
            assert_eq!(bucket_duration(nanos), text);
        }
    }

    #[test]
    fn other_quantities_have_three_digits() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count).join(" "), "0 999 1,000 1,234,567");
        assert_eq!(
            [0, 9_999, 12_345, 999_999, u64::MAX / 1_000_000].map(compact_count).join(" "),
            "0 9,999 12.3k 1.00M 18.4T"
        );
        assert_eq!([0.0, 0.4, 9.94, 9.96, 12_345.6].map(rate).join(" "), "0 0.4 9.9 10 12.3k");
        assert_eq!([0.0, 0.123, 0.9996, 2.5].map(percent).join(" "), "0.0% 12.3% 100% 250%");
        assert_eq!(percent_number(0.123), "12.3");
        let factors = [1.0, 3.97, 9.96, 38.2, 999.7, 35_900.0].map(|n| factor(n, "×"));
        assert_eq!(factors.join(" "), "×1.0 ×4.0 ×10 ×38 ×1000 > ×1000");
        assert_eq!([336, 1_536, 24_536_678].map(bytes).join(" "), "336B 1.50KiB 23.4MiB");
        assert_eq!([1_048_575, 1 << 30].map(bytes).join(" "), "1.00MiB 1.00GiB");
        assert_eq!([plural(1, "task"), plural(2_000, "task")].join(" "), "1 task 2,000 tasks");
    }

    /// Any magnitude with the same probability.
    fn any_magnitude() -> impl Strategy<Value = u64> {
        (0u32..64, any::<u64>()).prop_map(|(shift, n)| n >> shift)
    }

    proptest! {
        #[test]
        fn texts_are_within_their_documented_width(n in any_magnitude()) {
            let within = |text: String, most: usize| text.chars().count() <= most;
            prop_assert!(within(duration(n), 7), "{}", duration(n));
            prop_assert!(within(bucket_duration(n), 8), "{}", bucket_duration(n));
            let small = n.min(999_499_999_999_999);
            prop_assert!(within(compact_count(small), 5), "{}", compact_count(small));
            prop_assert!(within(rate(small as f64 / 1e3), 5));
            prop_assert!(within(bytes(n >> 24), 7), "{}", bytes(n >> 24));
        }

        #[test]
        fn texts_of_durations_preserve_their_order(a in any_magnitude(), b in any_magnitude()) {
            let (a, b) = (a.min(b), a.max(b));
            let read = |text: String| parse_duration(text.trim_start_matches('~'));
            prop_assert!(read(duration(a)) <= read(duration(b)), "{a} {b}");
            prop_assert!(read(bucket_duration(a)) <= read(bucket_duration(b)), "{a} {b}");
        }

        #[test]
        fn bucket_duration_is_within_its_accuracy(n in any_magnitude()) {
            let text = bucket_duration(n);
            let read = parse_duration(text.trim_start_matches('~')).map(|read| read.as_nanos() as f64);
            let read = read.map_err(TestCaseError::fail)?;
            let most = if n < 60_000_000_000 { 0.1 } else { 0.12 };
            let max = parse_duration(&duration(n)).map_err(TestCaseError::fail)?.as_nanos() as f64;
            prop_assert!(read <= max, "{text} is above {}", duration(n));
            prop_assert!((read - n as f64).abs() <= n as f64 * most, "{n}: {text}");
        }

        /// `1000` of a unit is 1 of the next one.
        #[test]
        fn duration_has_at_most_three_digits_before_its_unit(n in any_magnitude()) {
            let digits = duration(n).chars().take_while(char::is_ascii_digit).count();
            prop_assert!(digits <= 3 || n > 86_400_000_000_000_000, "{}", duration(n));
        }
    }
}
