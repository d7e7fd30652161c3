//! Parsers for the values of flags.

use std::{ffi::OsStr, time::Duration};

use asynctop_lab::{HogInfo, HogKind, HogOptions, LabError, compare::ServiceStyle};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use super::parse_duration;
use crate::{app::ThemeName, snapshot::Flavor};

pub(super) fn flavor_parser() -> impl TypedValueParser<Value = Flavor> {
    one_of([Flavor::CurrentThread, Flavor::MultiThread], Flavor::as_str)
}

/// Parses `KIND[:COUNT]`, and lists the kinds for help and completions.
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
        let parse: fn(&str) -> Result<HogOptions, LabError> = str::parse;
        parse.parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let value = |kind: &HogKind| {
            let HogInfo { name, is_fix, effect, .. } = kind.info();
            let category = if *is_fix { "Fix" } else { "Anti-pattern" };
            PossibleValue::new(name).help(format!("{category}. {}", effect.trim_end_matches('.')))
        };
        Some(Box::new(HogKind::ALL.iter().map(value)))
    }
}

pub(super) fn theme_parser() -> impl TypedValueParser<Value = ThemeName> {
    one_of(ThemeName::ALL, ThemeName::as_str)
}

pub(super) fn style_parser() -> impl TypedValueParser<Value = ServiceStyle> {
    one_of(ServiceStyle::ALL, ServiceStyle::as_str)
}

/// Parses the name of one of several values.
fn one_of<T: Copy + Send + Sync + 'static, const N: usize>(
    values: [T; N],
    name: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(values.map(name)).map(move |given| {
        let value = values.into_iter().find(|value| given == name(*value));
        value.unwrap_or(values[0])
    })
}

pub(super) fn run_time(text: &str) -> Result<Duration, String> {
    between(text, Duration::from_millis(100), Duration::from_secs(24 * 3600), "100ms to 24h")
}

/// Parses a sampling interval.
pub(crate) fn interval(text: &str) -> Result<Duration, String> {
    between(text, Duration::from_millis(100), Duration::from_secs(10), "100ms to 10s")
}

fn between(text: &str, min: Duration, max: Duration, range: &str) -> Result<Duration, String> {
    let duration = parse_duration(text)?;
    if (min..=max).contains(&duration) {
        return Ok(duration);
    }
    Err(format!("out of range; use {range}"))
}
