//! A table of a TOML file, read key by key, where every complaint knows its line.

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::DocumentError;
use crate::text::{closest_match, did_you_mean, excerpt, is_control, sanitize};

/// The file that is read: for complaints.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub file: &'a str,
    pub text: &'a str,
}

impl Source<'_> {
    /// A complaint about a key at this place of the text.
    pub(crate) fn error(&self, at: usize, key: &str, problem: &str) -> DocumentError {
        let before = self.text.get(..at).unwrap_or(self.text);
        DocumentError::Content {
            file: sanitize(self.file).into_owned(),
            line: 1 + before.bytes().filter(|byte| *byte == b'\n').count(),
            key: excerpt(key),
            problem: sanitize(problem).into_owned(),
        }
    }
}

/// A table, and where it is.
pub(crate) struct Table<'a> {
    source: Source<'a>,
    /// What its keys are called by: `workload.` and the like, empty at the top.
    prefix: &'static str,
    at: usize,
    entries: &'a DeTable<'a>,
}

/// The value of a key.
pub(crate) struct Entry<'a> {
    source: Source<'a>,
    key: String,
    span: Range<usize>,
    value: &'a DeValue<'a>,
}

impl<'a> Table<'a> {
    pub(crate) fn top(source: Source<'a>, entries: &'a DeTable<'a>) -> Self {
        Table { source, prefix: "", at: 0, entries }
    }

    /// A complaint about a key that is not there.
    pub(crate) fn missing(&self, key: &str, remedy: &str) -> DocumentError {
        let problem = format!("it is missing; {remedy}");
        self.source.error(self.at, &format!("{}{key}", self.prefix), &problem)
    }

    /// Complains about the first key that is none of these.
    pub(crate) fn allow(&self, known: &[&str]) -> Result<(), DocumentError> {
        let unknown = self.entries.iter().filter(|(key, _)| !known.contains(&&**key.get_ref()));
        let Some((key, _)) = unknown.min_by_key(|(key, _)| key.span().start) else {
            return Ok(());
        };
        let meant = did_you_mean(closest_match(key.get_ref(), known.iter().copied()));
        let problem = format!("there is no such key{meant}; the keys are: {}", known.join(", "));
        let key_name = format!("{}{}", self.prefix, key.get_ref());
        Err(self.source.error(key.span().start, &key_name, &problem))
    }

    pub(crate) fn get(&self, key: &str) -> Option<Entry<'a>> {
        let value = self.entries.get(key)?;
        Some(Entry::new(self.source, format!("{}{key}", self.prefix), value))
    }

    /// The table under this key, in brackets.
    pub(crate) fn table(
        &self,
        key: &'static str,
        prefix: &'static str,
    ) -> Result<Option<Table<'a>>, DocumentError> {
        let Some(entry) = self.get(key) else { return Ok(None) };
        entry.table(prefix, &format!("write [{key}] in a line of its own")).map(Some)
    }

    /// The tables under this key, in double brackets.
    pub(crate) fn tables(
        &self,
        key: &'static str,
        prefix: &'static str,
    ) -> Result<Vec<Table<'a>>, DocumentError> {
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

    fn table(&self, prefix: &'static str, remedy: &str) -> Result<Table<'a>, DocumentError> {
        let DeValue::Table(entries) = self.value else {
            return Err(self.error(&format!("this is {}; {remedy}", what(self.value))));
        };
        Ok(Table { source: self.source, prefix, at: self.span.start, entries })
    }

    pub(crate) fn error(&self, problem: &str) -> DocumentError {
        self.source.error(self.span.start, &self.key, problem)
    }

    /// What is written there.
    pub(crate) fn value(&self) -> &'a DeValue<'a> {
        self.value
    }

    /// Text that is safe to show, of at most so many characters. Line breaks become spaces.
    pub(crate) fn text(&self, most: usize) -> Result<String, DocumentError> {
        let DeValue::String(text) = self.value else {
            return Err(self.error(&format!("this is {}; write text in quotes", what(self.value))));
        };
        let words = text.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        if let Some(bad) = words.chars().find(|c| is_control(*c)) {
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
pub(crate) fn what(value: &DeValue<'_>) -> &'static str {
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
