//! Values of the keys of a scenario file.

use asynctop_snapshot::text::{closest_match, excerpt, parse_duration};
use toml::de::DeValue;

use crate::{
    document::{DocumentError, KeyValue, type_name},
    workload::{ParamType, ParamValue},
};

/// Reads a value that `param_type` accepts.
pub(super) fn read(
    entry: &KeyValue<'_>,
    param_type: ParamType,
) -> Result<ParamValue, DocumentError> {
    let invalid = |problem: String| entry.error(&format!("{problem}; write {param_type}"));
    let value = match (param_type, entry.value()) {
        (ParamType::Duration { .. }, DeValue::String(text)) => {
            // "it has no unit; write a number and a unit": the advice of `invalid`, which names
            // the limits, replaces the one of the parser.
            let problem = |why: String| why.split("; ").next().unwrap_or_default().to_owned();
            ParamValue::Duration(parse_duration(text).map_err(|why| invalid(problem(why)))?)
        }
        (ParamType::Count { .. }, DeValue::Integer(number)) => {
            let read = u64::from_str_radix(number.as_str(), number.radix());
            ParamValue::Number(read.map_err(|_| invalid("it is out of range".into()))?)
        }
        (ParamType::Choice(words) | ParamType::Mode(words), DeValue::String(text)) => {
            let word = words.iter().find(|word| **word == &**text);
            ParamValue::Word(word.copied().ok_or_else(|| {
                let closest = closest_match(text, words.iter().copied());
                let hint = closest.map(|word| format!(" (did you mean \"{word}\"?)"));
                invalid(format!(
                    "\"{}\" is not allowed here{}",
                    excerpt(text),
                    hint.unwrap_or_default()
                ))
            })?)
        }
        (_, other) => return Err(invalid(format!("this is {}", type_name(other)))),
    };
    if !param_type.accepts(value) {
        return Err(invalid("it is out of range".into()));
    }
    Ok(value)
}
