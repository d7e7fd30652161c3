//! Text of another program: cut to a length, sanitized, and kept once.

use std::{borrow::Cow, collections::HashSet, fmt::Write, sync::Arc};

use console_api::{Attribute, Field, Location, field};

use super::limits;
use crate::text::{sanitize, short_source_path};

/// As much of a text as `most` bytes hold, sanitized.
pub(super) fn cut(text: &str, most: usize) -> Cow<'_, str> {
    match sanitize(&text[..boundary(text, most)]) {
        // The replacement character is longer than most of those that it replaces.
        Cow::Owned(mut text) => {
            text.truncate(boundary(&text, most));
            Cow::Owned(text)
        }
        borrowed => borrowed,
    }
}

/// The last boundary between two characters within the first `most` bytes.
fn boundary(text: &str, most: usize) -> usize {
    (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0)
}

/// Texts that many things share: locations, groups, types.
#[derive(Debug, Default)]
pub(super) struct Texts {
    shared: HashSet<Arc<str>>,
    /// How many texts had to be cut.
    pub cut: u64,
}

impl Texts {
    /// The text, which others may have too.
    pub(super) fn share(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.shared.get(text) {
            return Arc::clone(known);
        }
        let text: Arc<str> = text.into();
        self.shared.insert(Arc::clone(&text));
        text
    }

    /// As much of a text as `most` bytes hold, sanitized; counts the texts that are cut.
    pub(super) fn cut<'a>(&mut self, text: &'a str, most: usize) -> Cow<'a, str> {
        if text.len() > most {
            self.cut = self.cut.saturating_add(1);
        }
        cut(text, most)
    }

    /// Forgets what nobody else has any more.
    pub(super) fn forget(&mut self) {
        self.shared.retain(|text| Arc::strong_count(text) > 1);
    }

    /// `file:line`, as short as it can be.
    pub(super) fn location(&mut self, location: Option<&Location>) -> Arc<str> {
        let Some(location) = location else { return self.share("") };
        let place = match (&location.file, &location.module_path) {
            (Some(file), _) => self.cut(file, limits::LOCATION_BYTES),
            (None, Some(module)) => self.cut(module, limits::LOCATION_BYTES),
            (None, None) => "".into(),
        };
        let place = if location.file.is_some() { short_source_path(&place) } else { &place };
        match location.line {
            Some(line) => self.share(&format!("{place}:{line}")),
            None => self.share(place),
        }
    }

    /// The state that attributes describe, as `name=value name=value`.
    pub(super) fn attributes(&mut self, attributes: &[Attribute]) -> Arc<str> {
        let mut text = String::new();
        // The target keeps them in a map, which has no order.
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
        self.share(&text)
    }

    /// Adds a field, if there is room.
    pub(super) fn add(
        &mut self,
        text: &mut String,
        name: &str,
        value: Option<&field::Value>,
        unit: &str,
    ) {
        if text.len() >= limits::FIELDS_BYTES {
            self.cut = self.cut.saturating_add(1);
            return;
        }
        let gap = if text.is_empty() { "" } else { " " };
        // Cut before it is written: a value of a megabyte costs nothing.
        let name = self.cut(name, limits::NAME_BYTES);
        let unit = self.cut(unit, 16);
        let _ = match value {
            Some(field::Value::StrVal(value) | field::Value::DebugVal(value)) => {
                let value = self.cut(value, limits::NAME_BYTES);
                write!(text, "{gap}{name}={value}{unit}")
            }
            Some(value) => write!(text, "{gap}{name}={value}{unit}"),
            None => write!(text, "{gap}{name}"),
        };
    }
}

/// The name of a field that says it itself.
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
    fn a_text_is_cut_between_two_characters() {
        let mut texts = Texts::default();
        assert_eq!(texts.cut("ähnlich", 1), "");
        assert_eq!(texts.cut("ähnlich", 3), "äh");
        assert_eq!(texts.cut("ähnlich", 100), "ähnlich");
        assert_eq!(texts.cut, 2);
    }

    #[test]
    fn control_characters_are_replaced_wherever_text_comes_in() {
        let mut texts = Texts::default();
        assert_eq!(texts.cut("a\x1b[2J\u{202e}\0", 100), "a�[2J��");
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
    fn attributes_are_in_order_and_within_their_limit() {
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
    fn what_nobody_has_is_forgotten() {
        let mut texts = Texts::default();
        let kept = texts.share("kept");
        drop(texts.share("gone"));
        texts.forget();
        assert_eq!(texts.shared.len(), 1);
        assert!(Arc::ptr_eq(&kept, &texts.share("kept")));
    }
}
