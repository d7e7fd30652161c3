//! Durations as people write them on a command line.

use std::{str::FromStr, time::Duration};

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

/// How long a hog keeps the worker before it gives way once; `None` is for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold(pub Option<Duration>);

impl FromStr for Hold {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "never" {
            return Ok(Hold(None));
        }
        let hold = parse_duration(text).map_err(|error| format!("{error}, or never"))?;
        Ok(Hold(Some(hold)))
    }
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
    fn a_hold_may_be_for_ever() {
        assert_eq!("never".parse(), Ok(Hold(None)));
        assert_eq!("5ms".parse(), Ok(Hold(Some(Duration::from_millis(5)))));
        assert!("forever".parse::<Hold>().expect_err("no duration").ends_with("or never"));
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
    }
}
