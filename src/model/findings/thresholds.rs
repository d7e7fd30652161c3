//! The threshold at which each rule fires.

use std::{fmt, time::Duration};

use super::{
    RULES, RuleId, Severity,
    rule::{Rule, Unit},
};
use crate::text::{bytes_exact, duration_exact, excerpt, parse_bytes, parse_duration};

/// The watchdog does not see shorter polls: they end before it samples their thread.
const MIN_POLL_NS: u64 = 10_000_000;

/// The thresholds of all rules; a rule may be off.
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
    pub fn get(&self, rule: RuleId) -> Option<u64> {
        self.values[rule as usize]
    }

    /// Sets the threshold of a rule, in its unit; `None` turns it off.
    pub fn set(&mut self, rule: RuleId, value: Option<u64>) {
        self.values[rule as usize] = value;
    }

    /// The threshold of a rule, or its default if it is off.
    fn get_or_default(&self, rule: RuleId) -> u64 {
        self.get(rule).unwrap_or(rule.rule().default)
    }

    /// Minimum length of a long poll, in nanoseconds.
    pub fn long_poll_ns(&self) -> u64 {
        self.get_or_default(RuleId::LongPoll).min(self.get_or_default(RuleId::WorkerHeld))
    }

    /// The severity of a poll of this length, or of a delay that it causes; `None` below the
    /// thresholds of `long-poll` and `worker-held`.
    pub fn severity_of(&self, length_ns: u64) -> Option<Severity> {
        let reached =
            |rule: &RuleId| self.get(*rule).is_some_and(|threshold| length_ns >= threshold);
        let rule = [RuleId::WorkerHeld, RuleId::LongPoll].into_iter().find(reached)?;
        Some(rule.rule().severity)
    }

    /// Minimum length of a poll that blocks its worker, in nanoseconds; `None` if that rule is off.
    pub fn worker_held_ns(&self) -> Option<u64> {
        self.get(RuleId::WorkerHeld)
    }
}

impl Rule {
    /// Parses a threshold of this rule; `off` is `None`.
    ///
    /// # Errors
    /// Returns a sentence with the correct format if the text is not a threshold of this rule.
    pub fn parse(&self, text: &str) -> Result<Option<u64>, String> {
        if text == "off" {
            return Ok(None);
        }
        let (name, example) = (self.name, self.unit.write(self.default));
        let value = self.unit.parse(text).filter(|value| *value > 0).ok_or_else(|| {
            let text = excerpt(text);
            format!("`{text}` is not a threshold for {name}; write it like {example}, or off")
        })?;
        let is_about_polls = [RuleId::WorkerHeld, RuleId::LongPoll].contains(&self.id);
        if is_about_polls && value < MIN_POLL_NS {
            let min = self.unit.write(MIN_POLL_NS);
            return Err(format!(
                "`{text}` is too short for {name}: the watchdog does not see polls below {min}; \
                 write {min} or more, or off"
            ));
        }
        if self.unit == Unit::Percent && value > 100 {
            return Err(format!("`{text}` is out of range for {name}; write 1% to 100%, or off"));
        }
        Ok(Some(value))
    }
}

impl Unit {
    fn parse(self, text: &str) -> Option<u64> {
        let number = |unit: &str| {
            let number = text.strip_suffix(unit).unwrap_or(text);
            let is_number = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            let value = number.parse::<f64>().ok().filter(|_| is_number)?;
            (value < 1e18).then_some(value.round() as u64)
        };
        match self {
            Unit::Time => Some(u64::try_from(parse_duration(text).ok()?.as_nanos()).ok()?),
            Unit::Bytes => parse_bytes(text).ok().or_else(|| text.parse().ok()),
            Unit::Percent => number("%"),
            Unit::PerSecond => number("/s"),
            Unit::Count => number(""),
        }
    }

    /// Formats a value for a configuration file.
    pub fn write(self, value: u64) -> String {
        match self {
            Unit::Time => duration_exact(Duration::from_nanos(value)),
            Unit::Bytes => bytes_exact(value),
            Unit::Percent => format!("{value}%"),
            Unit::PerSecond => format!("{value}/s"),
            Unit::Count => value.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_parsed_from_its_text() {
        for rule in RULES {
            assert_eq!(rule.parse(&rule.unit.write(rule.default)), Ok(Some(rule.default)));
            assert_eq!(rule.parse("off"), Ok(None));
        }
        let text = |unit: Unit, value| unit.write(value);
        assert_eq!(text(Unit::Time, 1_500_000_000), "1500ms");
        assert_eq!(text(Unit::Bytes, 16_384), "16KiB");
    }

    #[test]
    fn thresholds_are_parsed_in_the_unit_of_their_rule() {
        let parse =
            |rule: &str, text: &str| rule.parse().and_then(|id: RuleId| id.rule().parse(text));
        assert_eq!(parse("worker-held", "0.25s"), Ok(Some(250_000_000)));
        assert_eq!(parse("large-future", "2MiB"), Ok(Some(2 << 20)));
        assert_eq!(parse("unbalanced", "70%"), Ok(Some(70)));
        assert_eq!(parse("spawn-storm", "100"), Ok(Some(100)));
        assert_eq!(parse("unbalanced", "100%"), Ok(Some(100)));
        let error = parse("unbalanced", "101%").expect_err("more than 100 %");
        assert_eq!(error, "`101%` is out of range for unbalanced; write 1% to 100%, or off");
        for (rule, text) in [("worker-held", "9999us"), ("long-poll", "1ns")] {
            let error = parse(rule, text).expect_err("below the watchdog's resolution");
            assert!(error.contains("does not see polls below 10ms; write 10ms or more"), "{error}");
        }
        assert_eq!(parse("worker-held", "10ms"), Ok(Some(10_000_000)));
        for (rule, text) in [
            ("worker-held", "100"),
            ("worker-held", "fast"),
            ("worker-held", "0ms"),
            ("leak", "20%"),
            ("leak", "-1"),
            ("spawn-storm", "1e99"),
        ] {
            let error = parse(rule, text).expect_err(text);
            assert!(error.contains("write it like"), "{error}");
        }
    }

    #[test]
    fn rules_page_has_the_same_tables() {
        let page = include_str!("../../../docs/rules.md");
        let meaning = |rule: &Rule| {
            let from = rule.unit.write(rule.default);
            let Rule { name, meaning, measure, severity, .. } = rule;
            format!("| `{name}` | {meaning} | {from}: {measure} | {} |", severity.as_str())
        };
        let fix = |rule: &Rule| format!("| `{}` | {} |", rule.name, rule.fix);
        for row in [&meaning as &dyn Fn(&Rule) -> String, &fix] {
            let table = RULES.into_iter().map(row).collect::<Vec<_>>().join("\n");
            assert!(page.contains(&table), "docs/rules.md needs:\n{table}");
        }
    }
}
