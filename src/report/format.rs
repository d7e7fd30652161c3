//! Figures as people read them. What is not known is `–`.

use std::borrow::Cow;

use crate::{model::Factor, plain::is_obeyed};

/// What stands for a figure that nobody knows.
pub(super) const UNKNOWN: &str = "–";

/// Nanoseconds with three digits that count.
pub(super) fn duration(nanos: u64) -> String {
    let with = |value: f64, unit| match value {
        v if v < 9.995 => format!("{v:.2} {unit}"),
        v if v < 99.95 => format!("{v:.1} {unit}"),
        v => format!("{v:.0} {unit}"),
    };
    let value = nanos as f64;
    match nanos {
        0 => "0".to_owned(),
        1..1_000 => format!("{nanos} ns"),
        1_000..999_500 => with(value / 1e3, "µs"),
        999_500..999_500_000 => with(value / 1e6, "ms"),
        999_500_000..60_000_000_000 => with(value / 1e9, "s"),
        60_000_000_000..3_600_000_000_000 => {
            format!("{}m{:02}s", nanos / 60_000_000_000, nanos / 1_000_000_000 % 60)
        }
        _ => format!("{}h{:02}m", nanos / 3_600_000_000_000, nanos / 60_000_000_000 % 60),
    }
}

/// A duration that may be unknown.
pub(super) fn maybe(nanos: Option<u64>) -> String {
    nanos.map_or_else(|| UNKNOWN.to_owned(), duration)
}

/// A count, with its digits in threes.
pub(super) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut result = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            result.push(',');
        }
        result.push(digit);
    }
    result
}

/// Time of many tasks together, in seconds.
pub(super) fn task_seconds(nanos: u64) -> String {
    match nanos as f64 / 1e9 {
        seconds if seconds < 9.995 => format!("{seconds:.2}"),
        seconds => count(seconds.round() as u64),
    }
}

/// Something for each second.
pub(super) fn rate(per_second: f64) -> String {
    match per_second {
        r if r > 0.0 && r < 10.0 => format!("{r:.1}"),
        r => count(r.max(0.0).round() as u64),
    }
}

/// A share of 0 to 1 (or more, for several workers together) as percent.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1}", share * 100.0)
}

/// How much slower.
pub(super) fn factor(factor: Option<Factor>) -> String {
    match factor {
        None => UNKNOWN.to_owned(),
        Some(Factor::Standstill) => "standstill".to_owned(),
        Some(Factor::Times(n)) if n < 9.95 => format!("×{n:.1}"),
        Some(Factor::Times(n)) => format!("×{}", count(n.round() as u64)),
    }
}

/// Text from a foreign program, which may hold anything, such as the end of this line,
/// orders to the terminal, or marks that turn the direction of writing.
pub(super) fn harmless(text: &str) -> Cow<'_, str> {
    if text.chars().any(is_obeyed) {
        text.chars().map(|c| if is_obeyed(c) { '\u{fffd}' } else { c }).collect()
    } else {
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_keep_three_digits() {
        let expected = [
            (0, "0"),
            (7, "7 ns"),
            (1_234, "1.23 µs"),
            (12_345, "12.3 µs"),
            (9_999, "10.0 µs"),
            (999_999, "1.00 ms"),
            (123_456_789, "123 ms"),
            (999_999_999, "1.00 s"),
            (59_960_000_000, "60.0 s"),
            (1_500_000_000, "1.50 s"),
            (83_000_000_000, "1m23s"),
            (7_500_000_000_000, "2h05m"),
            (u64::MAX, "5124095h34m"),
        ];
        for (nanos, text) in expected {
            assert_eq!(duration(nanos), text);
        }
    }

    #[test]
    fn counts_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number), text);
        }
    }

    #[test]
    fn rates_and_factors_show_no_more_than_they_know() {
        assert_eq!([rate(0.0), rate(0.52), rate(12_345.6)], ["0", "0.5", "12,346"]);
        let factors = [None, Some(Factor::Standstill), Some(Factor::Times(1.04))];
        assert_eq!(factors.map(factor), ["–", "standstill", "×1.0"]);
        assert_eq!([9.96, 38.4].map(|n| factor(Some(Factor::Times(n)))), ["×10", "×38"]);
    }

    #[test]
    fn names_give_no_orders_to_the_terminal() {
        assert_eq!(harmless("a\x1b[2Jb\n"), "a\u{fffd}[2Jb\u{fffd}");
        for mark in ['\u{202e}', '\u{200e}', '\u{200f}', '\u{61c}'] {
            assert_eq!(harmless(&format!("a{mark}b")), "a\u{fffd}b");
        }
        assert!(matches!(harmless("hog-1"), Cow::Borrowed("hog-1")));
    }
}
