//! A table of a TOML file, read key by key; errors name the line.

use std::ops::Range;

use asynctop_snapshot::text::{closest_match, did_you_mean, excerpt, is_control, sanitize};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::DocumentError;

/// The text of a document, and its file name for error messages.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub file: &'a str,
    pub text: &'a str,
}

impl Source<'_> {
    /// An error about a key at this byte offset of the text.
    pub(super) fn error(&self, offset: usize, key: &str, problem: &str) -> DocumentError {
        let before = self.text.get(..offset).unwrap_or(self.text);
        DocumentError::Content {
            file: sanitize(self.file).into_owned(),
            line: 1 + before.bytes().filter(|byte| *byte == b'\n').count(),
            key: excerpt(key),
            problem: sanitize(problem).into_owned(),
        }
    }
}

/// A table of a document.
pub struct Table<'a> {
    source: Source<'a>,
    /// The prefix of its keys in error messages, such as `workload.`; empty at the top level.
    prefix: &'static str,
    offset: usize,
    entries: &'a DeTable<'a>,
}

/// A key and its value.
pub struct KeyValue<'a> {
    source: Source<'a>,
    key: String,
    span: Range<usize>,
    value: &'a DeValue<'a>,
}

impl<'a> Table<'a> {
    pub(super) fn root(source: Source<'a>, entries: &'a DeTable<'a>) -> Self {
        Table { source, prefix: "", offset: 0, entries }
    }

    /// An error about a missing key. `remedy` is the advice to the user.
    pub fn missing(&self, key: &str, remedy: &str) -> DocumentError {
        let problem = format!("it is missing; {remedy}");
        self.source.error(self.offset, &format!("{}{key}", self.prefix), &problem)
    }

    /// Checks that the table has only these keys.
    ///
    /// # Errors
    /// About the first unknown key.
    pub fn check_keys(&self, known: &[&str]) -> Result<(), DocumentError> {
        let unknown = self.entries.iter().filter(|(key, _)| !known.contains(&&**key.get_ref()));
        let Some((key, _)) = unknown.min_by_key(|(key, _)| key.span().start) else {
            return Ok(());
        };
        let hint = did_you_mean(closest_match(key.get_ref(), known.iter().copied()));
        let problem = format!("there is no such key{hint}; the keys are: {}", known.join(", "));
        let key_name = format!("{}{}", self.prefix, key.get_ref());
        Err(self.source.error(key.span().start, &key_name, &problem))
    }

    /// The value of a key, if it is present.
    pub fn get(&self, key: &str) -> Option<KeyValue<'a>> {
        let value = self.entries.get(key)?;
        Some(KeyValue::new(self.source, format!("{}{key}", self.prefix), value))
    }

    /// The table under this key, in brackets.
    ///
    /// # Errors
    /// If the value is not a table.
    pub fn table(
        &self,
        key: &'static str,
        prefix: &'static str,
    ) -> Result<Option<Table<'a>>, DocumentError> {
        let Some(entry) = self.get(key) else { return Ok(None) };
        entry.table(prefix, &format!("write [{key}] in a line of its own")).map(Some)
    }

    /// The tables under this key, in double brackets.
    ///
    /// # Errors
    /// If the value is not an array of tables.
    pub fn tables(
        &self,
        key: &'static str,
        prefix: &'static str,
    ) -> Result<Vec<Table<'a>>, DocumentError> {
        let Some(entry) = self.get(key) else { return Ok(Vec::new()) };
        let remedy = format!("write [[{key}]] in a line of its own");
        let DeValue::Array(tables) = entry.value else {
            return Err(entry.error(&format!("this is {}; {remedy}", type_name(entry.value))));
        };
        let read =
            |value| KeyValue::new(entry.source, key.to_owned(), value).table(prefix, &remedy);
        tables.iter().map(read).collect()
    }
}

impl<'a> KeyValue<'a> {
    fn new(source: Source<'a>, key: String, value: &'a Spanned<DeValue<'a>>) -> Self {
        KeyValue { source, key, span: value.span(), value: value.get_ref() }
    }

    fn table(&self, prefix: &'static str, remedy: &str) -> Result<Table<'a>, DocumentError> {
        let DeValue::Table(entries) = self.value else {
            return Err(self.error(&format!("this is {}; {remedy}", type_name(self.value))));
        };
        Ok(Table { source: self.source, prefix, offset: self.span.start, entries })
    }

    /// An error about this value.
    pub fn error(&self, problem: &str) -> DocumentError {
        self.source.error(self.span.start, &self.key, problem)
    }

    /// The value as written.
    pub fn value(&self) -> &'a DeValue<'a> {
        self.value
    }

    /// Text that is safe to display, of at most `max_chars` characters. Line breaks become spaces.
    ///
    /// # Errors
    /// If the value is not text, is longer, or contains control characters.
    pub fn text(&self, max_chars: usize) -> Result<String, DocumentError> {
        let DeValue::String(text) = self.value else {
            return Err(
                self.error(&format!("this is {}; write text in quotes", type_name(self.value)))
            );
        };
        let words = text.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        if let Some(bad) = words.chars().find(|c| is_control(*c)) {
            let code = u32::from(bad);
            let problem = format!("it has the control character U+{code:04X}; leave that out");
            return Err(self.error(&problem));
        }
        if words.chars().count() > max_chars {
            return Err(
                self.error(&format!("it is too long; write {max_chars} characters at most"))
            );
        }
        Ok(words)
    }
}

/// The type of a value, for error messages.
pub fn type_name(value: &DeValue<'_>) -> &'static str {
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
