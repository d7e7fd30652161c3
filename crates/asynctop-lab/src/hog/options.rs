//! The options of hogs.

use std::{str::FromStr, time::Duration};

use asynctop_snapshot::text::excerpt;

use super::HogKind;
use crate::{LabError, bounds::MAX_HOGS};

/// The configuration of the hog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HogOptions {
    /// The anti-pattern or fix.
    pub kind: HogKind,
    /// The number of hogs that start at once.
    pub count: usize,
    /// Hold time: how long an anti-pattern blocks its worker before it yields once, or how much
    /// work a fix does at a time. `None` is forever.
    pub hold: Option<Duration>,
}

impl Default for HogOptions {
    fn default() -> Self {
        HogOptions { kind: HogKind::Spin, count: 1, hold: None }
    }
}

impl HogOptions {
    pub(crate) fn check(&self) -> Result<(), LabError> {
        if self.count == 0 || self.count > MAX_HOGS {
            return Err(LabError::BadHogCount(self.count));
        }
        match self.hold {
            Some(hold) if hold < Duration::from_millis(1) => Err(LabError::HoldTooShort(hold)),
            _ => Ok(()),
        }
    }
}

/// Parses `KIND[:COUNT]`. The hold time is forever.
///
/// ```
/// use asynctop_lab::{HogKind, HogOptions};
/// let hog: HogOptions = "block:3".parse().unwrap();
/// assert_eq!((hog.kind, hog.count, hog.hold), (HogKind::Block, 3, None));
/// assert!("spni".parse::<HogOptions>().unwrap_err().to_string().contains("spin, block"));
/// ```
impl FromStr for HogOptions {
    type Err = LabError;

    fn from_str(given: &str) -> Result<Self, LabError> {
        let bad =
            |problem| LabError::BadHog { given: excerpt(given), problem, kinds: HogKind::names() };
        let (kind, count) = match given.split_once(':') {
            Some((kind, count)) => {
                (kind, count.parse().map_err(|_| bad("its count is not a number"))?)
            }
            None => (given, 1),
        };
        let options = HogOptions { kind: kind.parse().map_err(bad)?, count, hold: None };
        options.check()?;
        Ok(options)
    }
}
