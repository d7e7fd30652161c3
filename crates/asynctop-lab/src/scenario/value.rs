//! Values of a scenario's keys.

use asynctop_snapshot::text::{closest_match, excerpt, parse_bytes, parse_duration};
use toml::de::DeValue;

use crate::{
    document::{DocumentError, Entry, what},
    workload::{Allows, Value},
};

/// A value that is allowed.
pub(super) fn read(entry: &Entry<'_>, allows: Allows) -> Result<Value, DocumentError> {
    let wrong = |why: String| entry.error(&format!("{why}; write {allows}"));
    // "it has no unit; write a number and a unit": here, the limits are known too.
    let cut = |why: String| wrong(why.split("; ").next().unwrap_or_default().to_owned());
    let value = match (allows, entry.value()) {
        (Allows::Duration { .. }, DeValue::String(text)) => {
            Value::Duration(parse_duration(text).map_err(cut)?)
        }
        (Allows::Bytes { .. }, DeValue::String(text)) => {
            Value::Number(parse_bytes(text).map_err(cut)?)
        }
        (Allows::Count { .. }, DeValue::Integer(number)) => {
            let read = u64::from_str_radix(number.as_str(), number.radix());
            Value::Number(read.map_err(|_| wrong("it is out of range".into()))?)
        }
        (Allows::Choice(words) | Allows::Mode(words), DeValue::String(text)) => {
            let word = words.iter().find(|word| **word == &**text);
            Value::Word(word.copied().ok_or_else(|| {
                let meant = closest_match(text, words.iter().copied());
                let meant = meant.map(|word| format!(" (did you mean \"{word}\"?)"));
                wrong(format!(
                    "\"{}\" is not allowed here{}",
                    excerpt(text),
                    meant.unwrap_or_default()
                ))
            })?)
        }
        (Allows::Switch { .. }, DeValue::Boolean(on)) => Value::Switch(*on),
        (_, other) => return Err(wrong(format!("this is {}", what(other)))),
    };
    if !allows.admits(value) {
        return Err(wrong("it is out of range".into()));
    }
    Ok(value)
}
