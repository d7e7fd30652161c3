//! The value of `--hog-hold`.

use std::{str::FromStr, time::Duration};

use super::parse_duration;

/// How long a hog blocks its worker before it yields once; `None` means that it never yields.
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
    fn hold_is_a_duration_or_never() {
        assert_eq!("never".parse(), Ok(Hold(None)));
        assert_eq!("5ms".parse(), Ok(Hold(Some(Duration::from_millis(5)))));
        assert!("forever".parse::<Hold>().expect_err("no duration").ends_with("or never"));
    }
}
