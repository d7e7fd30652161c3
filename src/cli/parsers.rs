//! What the values of flags may be.

use std::{ffi::OsStr, time::Duration};

use asynctop_lab::{About, HogKind, HogOptions, LabError, compare::Style};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use super::parse_duration;
use crate::{app::Theme, snapshot::Flavor};

pub(super) fn flavor_parser() -> impl TypedValueParser<Value = Flavor> {
    one_of([Flavor::CurrentThread, Flavor::MultiThread], Flavor::as_str)
}

/// Reads `KIND[:COUNT]`, and knows the kinds for help and completions.
#[derive(Clone)]
pub(super) struct HogParser;

impl TypedValueParser for HogParser {
    type Value = HogOptions;

    fn parse_ref(
        &self,
        command: &clap::Command,
        arg: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<HogOptions, clap::Error> {
        let read: fn(&str) -> Result<HogOptions, LabError> = str::parse;
        read.parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let value = |kind: &HogKind| {
            let About { name, is_fix, does, .. } = kind.about();
            let what = if *is_fix { "Fix" } else { "Anti-pattern" };
            PossibleValue::new(name).help(format!("{what}. {}", does.trim_end_matches('.')))
        };
        Some(Box::new(HogKind::ALL.iter().map(value)))
    }
}

pub(super) fn theme_parser() -> impl TypedValueParser<Value = Theme> {
    one_of([Theme::Default, Theme::Mono], Theme::as_str)
}

pub(super) fn style_parser() -> impl TypedValueParser<Value = Style> {
    one_of(Style::ALL, Style::as_str)
}

/// Reads the name of one of two.
fn one_of<T: Copy + Send + Sync + 'static>(
    both: [T; 2],
    name: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(both.map(name))
        .map(move |given| if given == name(both[0]) { both[0] } else { both[1] })
}

pub(super) fn run_time(text: &str) -> Result<Duration, String> {
    between(text, Duration::from_millis(100), Duration::from_secs(24 * 3600), "100ms to 24h")
}

/// Reads a time between looks.
pub(crate) fn interval(text: &str) -> Result<Duration, String> {
    between(text, Duration::from_millis(100), Duration::from_secs(10), "100ms to 10s")
}

fn between(text: &str, least: Duration, most: Duration, range: &str) -> Result<Duration, String> {
    let given = parse_duration(text)?;
    if (least..=most).contains(&given) {
        return Ok(given);
    }
    Err(format!("it is out of range; use {range}"))
}
