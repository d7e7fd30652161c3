//! Parses durations and sizes from a command line, a file, or the output of this module.

use std::time::Duration;

/// Units of time, longest first, in nanoseconds.
const UNITS: [(&str, u64); 9] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("min", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("µs", 1_000),
    ("ns", 1),
];

/// Parses a duration such as `500ms`, `1.5s`, `2m` or `1m30s`. `0` needs no unit.
///
/// # Errors
/// A sentence with the reason and the expected form.
///
/// ```
/// use asynctop_snapshot::text::parse_duration;
/// use std::time::Duration;
///
/// assert_eq!(parse_duration("1.5s"), Ok(Duration::from_millis(1500)));
/// assert_eq!(parse_duration("1m30s"), Ok(Duration::from_secs(90)));
/// assert!(parse_duration("3").unwrap_err().contains("unit"));
/// ```
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    const EXPECTED: &str = "write a number and a unit, such as 500ms, 3s or 2m";
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let invalid = || format!("that is not a duration; {EXPECTED}");
    let (mut rest, mut nanos, mut previous) = (text, 0.0, u64::MAX);
    while !rest.is_empty() || previous == u64::MAX {
        let (number, unit, after) = next_part(rest);
        if unit.is_empty() && !number.is_empty() {
            return Err(format!("it has no unit; {EXPECTED}"));
        }
        let unit_ns = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, nanos)| *nanos);
        // Each unit is smaller than the one before, and only the last number has a fraction.
        let unit_ns = unit_ns.filter(|nanos| *nanos < previous).ok_or_else(invalid)?;
        if !after.is_empty() && number.contains('.') {
            return Err(invalid());
        }
        nanos += number.parse::<f64>().map_err(|_| invalid())? * unit_ns as f64;
        (rest, previous) = (after, unit_ns);
    }
    if nanos >= u64::MAX as f64 {
        return Err("that is longer than 500 years; write a shorter duration".to_owned());
    }
    Ok(Duration::from_nanos(nanos.round() as u64))
}

/// Parses a size such as `512B`, `4KiB` or `1.5MB`.
///
/// # Errors
/// A sentence with the reason and the expected form.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    const EXPECTED: &str = "write a number and a unit, such as 512B, 4KiB or 1MiB";
    let (number, unit, rest) = next_part(text);
    let factor: u64 = match unit {
        "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "" if !number.is_empty() && rest.is_empty() => {
            return Err(format!("it has no unit; {EXPECTED}"));
        }
        _ => return Err(format!("that is not a size; {EXPECTED}")),
    };
    let bytes = match number.parse::<u64>() {
        Ok(whole) => whole.checked_mul(factor),
        Err(_) => number.parse().ok().map(|size: f64| (size * factor as f64).round() as u64),
    };
    // A fraction of a byte is a mistake, and so is a size beyond any memory.
    let plausible = bytes.filter(|size| *size < 1 << 60 && !(factor == 1 && number.contains('.')));
    plausible.filter(|_| rest.is_empty()).ok_or_else(|| format!("that is not a size; {EXPECTED}"))
}

/// Splits a text into its leading digits, the letters after them, and the rest.
fn next_part(text: &str) -> (&str, &str, &str) {
    let is_digit = |c: char| c.is_ascii_digit() || c == '.';
    let (number, rest) = text.split_at(text.find(|c| !is_digit(c)).unwrap_or(text.len()));
    let (unit, rest) = rest.split_at(rest.find(is_digit).unwrap_or(rest.len()));
    (number, unit, rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{bytes, bytes_exact, duration, duration_exact};

    #[test]
    fn parse_duration_accepts_numbers_with_units() {
        let expected = [
            ("0", 0),
            ("7ns", 7),
            ("7us", 7_000),
            ("7µs", 7_000),
            ("500ms", 500_000_000),
            ("0.5s", 500_000_000),
            (".5s", 500_000_000),
            ("3s", 3_000_000_000),
            ("2m", 120_000_000_000),
            ("2min", 120_000_000_000),
            ("1h", 3_600_000_000_000),
            ("0s", 0),
            ("1m30s", 90_000_000_000),
            ("1d01h", 90_000_000_000_000),
        ];
        for (text, nanos) in expected {
            assert_eq!(parse_duration(text), Ok(Duration::from_nanos(nanos)), "{text}");
        }
    }

    #[test]
    fn parse_duration_errors_state_the_expected_form() {
        let invalid = [
            "",
            "s",
            "3",
            "3 s",
            "-3s",
            "+3s",
            "3x",
            "3sec",
            "1e3s",
            "infs",
            "nans",
            ".s",
            "1.2.3s",
            "1s2s",
            "1s2m",
            "1.5m2s",
            "1m2",
            "３s",
            "99999999999999h",
            "forever",
        ];
        for text in invalid {
            let error = parse_duration(text).expect_err(text);
            assert!(error.contains("; "), "{text}: {error}");
        }
    }

    #[test]
    fn parse_bytes_accepts_numbers_with_units() {
        let expected = [
            ("0B", 0),
            ("512B", 512),
            ("1KB", 1000),
            ("4KiB", 4096),
            ("1.5KiB", 1536),
            ("2MiB", 2 << 20),
        ];
        for (text, bytes) in expected {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for text in
            ["", "KiB", "4", "4 KiB", "-1B", "1.5B", "4k", "4KiB1B", "99999999999999999999B"]
        {
            let error = parse_bytes(text).expect_err(text);
            assert!(error.contains("; "), "{text}: {error}");
        }
        assert!(parse_bytes(&format!("{}MiB", u64::MAX)).is_err());
    }

    /// The difference of two numbers, relative to the greater one.
    fn relative_error(a: u64, b: u64) -> f64 {
        a.abs_diff(b) as f64 / a.max(b).max(1) as f64
    }

    proptest::proptest! {
        #[test]
        fn parsing_never_panics(text in ".*") {
            let _ = (parse_duration(&text), parse_bytes(&text));
        }

        #[test]
        fn parse_duration_is_exact_for_milliseconds(millis in 0u64..100_000_000) {
            let read = parse_duration(&format!("{millis}ms"));
            proptest::prop_assert_eq!(read, Ok(Duration::from_millis(millis)));
        }

        #[test]
        fn exact_forms_round_trip(nanos in 0u64..1 << 53, size in 0u64..1 << 40) {
            let exact = Duration::from_nanos(nanos);
            proptest::prop_assert_eq!(parse_duration(&duration_exact(exact)), Ok(exact));
            proptest::prop_assert_eq!(parse_bytes(&bytes_exact(size)), Ok(size));
        }

        /// Short forms have three digits, and beyond an hour no unit below minutes: up to 59 s in 1 h.
        #[test]
        fn short_forms_round_trip_nearly(
            shift in 0u32..64, nanos in proptest::prelude::any::<u64>(), size in 0u64..1 << 50,
        ) {
            let nanos = nanos >> shift;
            let read = parse_duration(&duration(nanos)).map(|read| read.as_nanos() as u64);
            let read = read.map_err(proptest::test_runner::TestCaseError::fail)?;
            let most = if nanos < 60_000_000_000 { 0.006 } else { 0.05 };
            proptest::prop_assert!(relative_error(nanos, read) < most, "{nanos}: {}", duration(nanos));
            let read = parse_bytes(&bytes(size));
            let read = read.map_err(proptest::test_runner::TestCaseError::fail)?;
            proptest::prop_assert!(relative_error(size, read) < 0.006, "{size}: {}", bytes(size));
        }
    }
}
