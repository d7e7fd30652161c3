//! A table of a TOML file, read key by key, where every complaint knows its line.

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    error::{ScenarioError, obeyed, plain},
    nearest,
};
use crate::{
    lab::workload::{Allows, Value},
    quantity::{parse_bytes, parse_duration},
};

/// The file that is read: for complaints.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub file: &'a str,
    pub text: &'a str,
}

impl Source<'_> {
    /// A complaint about a key at this place of the text.
    pub(super) fn error(&self, at: usize, key: &str, problem: &str) -> ScenarioError {
        let before = self.text.get(..at).unwrap_or(self.text);
        ScenarioError::Content {
            file: plain(self.file),
            line: 1 + before.bytes().filter(|byte| *byte == b'\n').count(),
            key: plain(key),
            problem: plain(problem),
        }
    }
}

/// A table, and where it is.
pub(super) struct Table<'a> {
    source: Source<'a>,
    /// What its keys are called by: `workload.` and the like, empty at the top.
    prefix: &'static str,
    at: usize,
    entries: &'a DeTable<'a>,
}

/// The value of a key.
pub(super) struct Entry<'a> {
    source: Source<'a>,
    key: String,
    span: Range<usize>,
    value: &'a DeValue<'a>,
}

impl<'a> Table<'a> {
    pub(super) fn top(source: Source<'a>, entries: &'a DeTable<'a>) -> Self {
        Table { source, prefix: "", at: 0, entries }
    }

    /// A complaint about a key that is not there.
    pub(super) fn missing(&self, key: &str, remedy: &str) -> ScenarioError {
        let problem = format!("it is missing; {remedy}");
        self.source.error(self.at, &format!("{}{key}", self.prefix), &problem)
    }

    /// Complains about the first key that is none of these.
    pub(super) fn allow(&self, known: &[&str]) -> Result<(), ScenarioError> {
        let unknown = self.entries.iter().filter(|(key, _)| !known.contains(&&**key.get_ref()));
        let Some((key, _)) = unknown.min_by_key(|(key, _)| key.span().start) else {
            return Ok(());
        };
        let nearest = nearest(key.get_ref(), known.iter().copied());
        let meant = nearest.map(|name| format!(" (did you mean `{name}`?)")).unwrap_or_default();
        let problem = format!("there is no such key{meant}; the keys are: {}", known.join(", "));
        let key_name = format!("{}{}", self.prefix, key.get_ref());
        Err(self.source.error(key.span().start, &key_name, &problem))
    }

    pub(super) fn get(&self, key: &str) -> Option<Entry<'a>> {
        let value = self.entries.get(key)?;
        Some(Entry::new(self.source, format!("{}{key}", self.prefix), value))
    }

    /// The table under this key, in brackets.
    pub(super) fn table(
        &self,
        key: &'static str,
        prefix: &'static str,
    ) -> Result<Option<Table<'a>>, ScenarioError> {
        let Some(entry) = self.get(key) else { return Ok(None) };
        entry.table(prefix, &format!("write [{key}] in a line of its own")).map(Some)
    }

    /// The tables under this key, in double brackets.
    pub(super) fn tables(
        &self,
        key: &'static str,
        prefix: &'static str,
    ) -> Result<Vec<Table<'a>>, ScenarioError> {
        let Some(entry) = self.get(key) else { return Ok(Vec::new()) };
        let remedy = format!("write [[{key}]] in a line of its own");
        let DeValue::Array(tables) = entry.value else {
            return Err(entry.error(&format!("this is {}; {remedy}", what(entry.value))));
        };
        let of = |value| Entry::new(entry.source, key.to_owned(), value).table(prefix, &remedy);
        tables.iter().map(of).collect()
    }
}

impl<'a> Entry<'a> {
    fn new(source: Source<'a>, key: String, value: &'a Spanned<DeValue<'a>>) -> Self {
        Entry { source, key, span: value.span(), value: value.get_ref() }
    }

    fn table(&self, prefix: &'static str, remedy: &str) -> Result<Table<'a>, ScenarioError> {
        let DeValue::Table(entries) = self.value else {
            return Err(self.error(&format!("this is {}; {remedy}", what(self.value))));
        };
        Ok(Table { source: self.source, prefix, at: self.span.start, entries })
    }

    pub(super) fn error(&self, problem: &str) -> ScenarioError {
        self.source.error(self.span.start, &self.key, problem)
    }

    /// A value that is allowed.
    pub(super) fn read(&self, allows: Allows) -> Result<Value, ScenarioError> {
        let wrong = |why: String| self.error(&format!("{why}; write {allows}"));
        // "it has no unit; write a number and a unit": here, the limits are known too.
        let cut = |why: String| wrong(why.split("; ").next().unwrap_or_default().to_owned());
        let value = match (allows, self.value) {
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
                    let meant = nearest(text, words.iter().copied());
                    let meant = meant.map(|word| format!(" (did you mean \"{word}\"?)"));
                    wrong(format!(
                        "\"{}\" is none of them{}",
                        short(text),
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

    /// Text that is safe to show, of at most so many characters. Line breaks become spaces.
    pub(super) fn text(&self, most: usize) -> Result<String, ScenarioError> {
        let DeValue::String(text) = self.value else {
            return Err(self.error(&format!("this is {}; write text in quotes", what(self.value))));
        };
        let words = text.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        if let Some(bad) = words.chars().find(|c| obeyed(*c)) {
            let code = u32::from(bad);
            let problem = format!("it has the control character U+{code:04X}; leave that out");
            return Err(self.error(&problem));
        }
        if words.chars().count() > most {
            return Err(self.error(&format!("it is too long; write {most} characters at most")));
        }
        Ok(words)
    }
}

/// What a value is, in words.
fn what(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// The beginning of a text, for a message.
pub(super) fn short(text: &str) -> String {
    const MOST: usize = 30;
    let mut short: String = text.chars().take(MOST).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
