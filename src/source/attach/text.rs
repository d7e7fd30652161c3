//! Text of the watched program: truncated, sanitized and deduplicated.

use std::{borrow::Cow, collections::HashSet, fmt::Write, sync::Arc};

use console_api::{Attribute, Field, Location, field};

use super::limits;
use crate::text::{sanitize, short_source_path};

/// Sanitizes a text and truncates it to at most `max_bytes`.
pub(super) fn truncate(text: &str, max_bytes: usize) -> Cow<'_, str> {
    match sanitize(&text[..boundary(text, max_bytes)]) {
        // The replacement character is longer than most characters that it replaces.
        Cow::Owned(mut text) => {
            text.truncate(boundary(&text, max_bytes));
            Cow::Owned(text)
        }
        borrowed => borrowed,
    }
}

/// The last character boundary within the first `max_bytes`.
fn boundary(text: &str, max_bytes: usize) -> usize {
    (0..=max_bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0)
}

/// Interned texts: locations, groups, types.
#[derive(Debug, Default)]
pub(super) struct Texts {
    shared: HashSet<Arc<str>>,
    /// Number of truncated texts.
    pub truncated: u64,
}

impl Texts {
    /// Interns a text.
    pub(super) fn intern(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.shared.get(text) {
            return Arc::clone(known);
        }
        let text: Arc<str> = text.into();
        self.shared.insert(Arc::clone(&text));
        text
    }

    /// Sanitizes a text and truncates it to at most `max_bytes`; counts truncated texts.
    pub(super) fn truncate<'a>(&mut self, text: &'a str, max_bytes: usize) -> Cow<'a, str> {
        if text.len() > max_bytes {
            self.truncated = self.truncated.saturating_add(1);
        }
        truncate(text, max_bytes)
    }

    /// Removes the texts that are no longer used.
    pub(super) fn remove_unused(&mut self) {
        self.shared.retain(|text| Arc::strong_count(text) > 1);
    }

    /// `file:line` with a shortened path.
    pub(super) fn location(&mut self, location: Option<&Location>) -> Arc<str> {
        let Some(location) = location else { return self.intern("") };
        let path = match (&location.file, &location.module_path) {
            (Some(file), _) => self.truncate(file, limits::LOCATION_BYTES),
            (None, Some(module)) => self.truncate(module, limits::LOCATION_BYTES),
            (None, None) => "".into(),
        };
        let path = if location.file.is_some() { short_source_path(&path) } else { &path };
        match location.line {
            Some(line) => self.intern(&format!("{path}:{line}")),
            None => self.intern(path),
        }
    }

    /// Formats attributes as `name=value name=value`.
    pub(super) fn attributes(&mut self, attributes: &[Attribute]) -> Arc<str> {
        let mut text = String::new();
        // The order in which they are sent is that of a hash map.
        let mut sorted: Vec<_> = attributes
            .iter()
            .take(64)
            .filter_map(|attribute| Some((name(attribute.field.as_ref()?)?, attribute)))
            .collect();
        sorted.sort_unstable_by_key(|(name, _)| *name);
        for (name, attribute) in sorted {
            let value = attribute.field.as_ref().and_then(|field| field.value.as_ref());
            self.add(&mut text, name, value, attribute.unit.as_deref().unwrap_or_default());
        }
        self.intern(&text)
    }

    /// Adds a field unless the text has reached its maximum length.
    pub(super) fn add(
        &mut self,
        text: &mut String,
        name: &str,
        value: Option<&field::Value>,
        unit: &str,
    ) {
        if text.len() >= limits::FIELDS_BYTES {
            self.truncated = self.truncated.saturating_add(1);
            return;
        }
        let gap = if text.is_empty() { "" } else { " " };
        // Truncated before it is copied: values may be megabytes long.
        let name = self.truncate(name, limits::NAME_BYTES);
        let unit = self.truncate(unit, 16);
        let _ = match value {
            Some(field::Value::StrVal(value) | field::Value::DebugVal(value)) => {
                let value = self.truncate(value, limits::NAME_BYTES);
                write!(text, "{gap}{name}={value}{unit}")
            }
            Some(value) => write!(text, "{gap}{name}={value}{unit}"),
            None => write!(text, "{gap}{name}"),
        };
    }
}

/// The name of a field, unless it refers to metadata.
fn name(field: &Field) -> Option<&str> {
    match field.name.as_ref()? {
        field::Name::StrName(name) => Some(name),
        field::Name::NameIdx(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncate_ends_at_a_character_boundary() {
        let mut texts = Texts::default();
        assert_eq!(texts.truncate("ähnlich", 1), "");
        assert_eq!(texts.truncate("ähnlich", 3), "äh");
        assert_eq!(texts.truncate("ähnlich", 100), "ähnlich");
        assert_eq!(texts.truncated, 2);
    }

    #[test]
    fn control_characters_are_replaced_in_all_texts() {
        let mut texts = Texts::default();
        assert_eq!(texts.truncate("a\x1b[2J\u{202e}\0", 100), "a�[2J��");
        let location = |file: Option<&str>, module: Option<&str>| Location {
            file: file.map(Into::into),
            module_path: module.map(Into::into),
            line: Some(7),
            column: None,
        };
        assert_eq!(&*texts.location(Some(&location(Some("a\n.rs"), None))), "a�.rs:7");
        assert_eq!(&*texts.location(Some(&location(None, Some("a\u{9b}b")))), "a�b:7");
        let value = field::Value::DebugVal("v\u{2066}".into());
        let mut text = String::new();
        texts.add(&mut text, "n\n", Some(&value), "\x07");
        assert_eq!(text, "n�=v��");
    }

    #[test]
    fn attributes_are_sorted_and_limited() {
        let attribute = |name: &str, value: &str| Attribute {
            field: Some(Field {
                name: Some(name.into()),
                value: Some(value.into()),
                metadata_id: None,
            }),
            unit: Some("ms".to_owned()),
        };
        let mut texts = Texts::default();
        let two = [attribute("b", "2"), attribute("a", "1")];
        assert_eq!(&*texts.attributes(&two), "a=1ms b=2ms");
        let long = "x".repeat(1 << 20);
        let many: Vec<_> = (0..1000).map(|_| attribute(&long, &long)).collect();
        assert!(texts.attributes(&many).len() < 1000);
    }

    #[test]
    fn unused_texts_are_removed() {
        let mut texts = Texts::default();
        let kept = texts.intern("kept");
        drop(texts.intern("unused"));
        texts.remove_unused();
        assert_eq!(texts.shared.len(), 1);
        assert!(Arc::ptr_eq(&kept, &texts.intern("kept")));
    }
}
