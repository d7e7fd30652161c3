//! How long a hog holds its worker, on the command line.

use std::{str::FromStr, time::Duration};

use super::parse_duration;

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
    fn a_hold_may_be_for_ever() {
        assert_eq!("never".parse(), Ok(Hold(None)));
        assert_eq!("5ms".parse(), Ok(Hold(Some(Duration::from_millis(5)))));
        assert!("forever".parse::<Hold>().expect_err("no duration").ends_with("or never"));
    }
}
