//! From where on each rule speaks.

use std::fmt;

use super::{RULES, rule::Rule};

/// The threshold of each rule; a rule may be off.
#[derive(Clone, PartialEq, Eq)]
pub struct Thresholds {
    values: [Option<u64>; RULES.len()],
}

impl Default for Thresholds {
    fn default() -> Self {
        let mut values = [None; RULES.len()];
        for (value, rule) in values.iter_mut().zip(RULES) {
            *value = Some(rule.default);
        }
        Thresholds { values }
    }
}

impl fmt::Debug for Thresholds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(RULES.iter().map(|rule| rule.name).zip(self.values)).finish()
    }
}

impl Thresholds {
    /// The threshold of a rule, in its unit; `None` if it is off.
    pub fn get(&self, rule: &Rule) -> Option<u64> {
        let at = RULES.iter().position(|known| known.name == rule.name)?;
        self.values[at]
    }

    /// Sets the threshold of a rule, in its unit; `None` turns it off.
    pub fn set(&mut self, rule: &Rule, value: Option<u64>) {
        if let Some(at) = RULES.iter().position(|known| known.name == rule.name) {
            self.values[at] = value;
        }
    }
}
