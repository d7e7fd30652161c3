//! Durations and sizes as people write them, on a command line or in a file.

use std::time::Duration;

/// Reads a number and its unit, such as `500ms`, `1.5s` or `2m`.
///
/// # Errors
/// A sentence that says what is missing, if that is not what was written.
///
/// ```
/// use asynctop::cli::parse_duration;
/// use std::time::Duration;
///
/// assert_eq!(parse_duration("1.5s"), Ok(Duration::from_millis(1500)));
/// assert!(parse_duration("3").unwrap_err().contains("unit"));
/// ```
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    const EXPECTED: &str = "write a number and a unit, such as 500ms, 3s or 2m";
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic() || c == 'µ').unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let nanos_each = match unit {
        "ns" => 1.0,
        "us" | "µs" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "m" | "min" => 60e9,
        "h" => 3600e9,
        "" if !number.is_empty() => return Err(format!("it has no unit; {EXPECTED}")),
        _ => return Err(format!("that is not a duration; {EXPECTED}")),
    };
    let plain = number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let number: f64 = number
        .parse()
        .ok()
        .filter(|_| plain)
        .ok_or(format!("that is not a duration; {EXPECTED}"))?;
    let nanos = number * nanos_each;
    if nanos >= u64::MAX as f64 {
        return Err("that is longer than 500 years; ask for less".to_owned());
    }
    Ok(Duration::from_nanos(nanos.round() as u64))
}

/// Reads a number and its unit, such as `512B`, `4KiB` or `1MB`.
///
/// # Errors
/// A sentence that says what is missing, if that is not what was written.
pub(crate) fn parse_bytes(text: &str) -> Result<u64, String> {
    const EXPECTED: &str = "write a whole number and a unit, such as 512B, 4KiB or 1MiB";
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let each: u64 = match unit {
        "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "" if !number.is_empty() => return Err(format!("it has no unit; {EXPECTED}")),
        _ => return Err(format!("that is not a size; {EXPECTED}")),
    };
    let number = number.parse::<u64>().ok().and_then(|number| number.checked_mul(each));
    number.ok_or_else(|| format!("that is not a size; {EXPECTED}"))
}

/// As [`parse_duration`] reads it, in the largest unit that leaves a whole number.
pub(crate) fn show_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let units = [("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000)];
    let units = units.into_iter().chain([("ms", 1_000_000), ("µs", 1_000), ("ns", 1)]);
    let whole = units.into_iter().find(|(_, each)| nanos > 0 && nanos.is_multiple_of(*each));
    whole.map_or("0s".to_owned(), |(unit, each)| format!("{}{unit}", nanos / each))
}

/// As [`parse_bytes`] reads it.
pub(crate) fn show_bytes(bytes: u64) -> String {
    let units = [("MiB", 1 << 20), ("KiB", 1 << 10)];
    let whole = units.into_iter().find(|(_, each)| bytes > 0 && bytes.is_multiple_of(*each));
    whole.map_or(format!("{bytes}B"), |(unit, each)| format!("{}{unit}", bytes / each))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_read() {
        let expected = [
            ("7ns", 7),
            ("7us", 7_000),
            ("7µs", 7_000),
            ("500ms", 500_000_000),
            ("0.5s", 500_000_000),
            ("3s", 3_000_000_000),
            ("2m", 120_000_000_000),
            ("2min", 120_000_000_000),
            ("1h", 3_600_000_000_000),
            ("0s", 0),
        ];
        for (text, nanos) in expected {
            assert_eq!(parse_duration(text), Ok(Duration::from_nanos(nanos)), "{text}");
        }
    }

    #[test]
    fn nothing_else_is() {
        let wrong = [
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
            "３s",
            "99999999999999h",
            "ever",
        ];
        for text in wrong {
            let error = parse_duration(text).expect_err(text);
            assert!(error.contains("; "), "{text}: says what to do: {error}");
        }
    }

    #[test]
    fn sizes_have_units_too() {
        let expected = [("0B", 0), ("512B", 512), ("1KB", 1000), ("4KiB", 4096), ("2MiB", 2 << 20)];
        for (text, bytes) in expected {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for text in ["", "KiB", "4", "4 KiB", "-1B", "1.5KiB", "4k", "99999999999999999999B"] {
            let error = parse_bytes(text).expect_err(text);
            assert!(error.contains("; "), "{text}: says what to do: {error}");
        }
        let largest = format!("{}MiB", u64::MAX);
        assert!(parse_bytes(&largest).is_err());
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_written_there_is_an_answer(text in ".*") {
            let _ = parse_duration(&text);
        }

        #[test]
        fn whole_milliseconds_are_exact(millis in 0u64..100_000_000) {
            let read = parse_duration(&format!("{millis}ms"));
            proptest::prop_assert_eq!(read, Ok(Duration::from_millis(millis)));
        }

        #[test]
        fn what_is_shown_is_read_as_the_same(nanos in 0u64..1 << 53, bytes in 0u64..1 << 40) {
            let duration = Duration::from_nanos(nanos);
            proptest::prop_assert_eq!(parse_duration(&show_duration(duration)), Ok(duration));
            proptest::prop_assert_eq!(parse_bytes(&show_bytes(bytes)), Ok(bytes));
        }
    }
}
