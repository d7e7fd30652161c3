//! A line of text that keys edit, with a cursor.

use std::ops::Range;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tui_input::{Input, InputRequest};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use crate::text::is_control;

/// The maximum length of the text, in bytes.
const MAX_LENGTH: usize = 200;

/// A line of text with a cursor.
#[derive(Clone, Debug, Default)]
pub struct LineEditor(Input);

impl LineEditor {
    /// A line with this text; the cursor is at its end.
    pub fn new(text: &str) -> Self {
        LineEditor(Input::new(text.to_owned()))
    }

    /// The text.
    pub fn text(&self) -> &str {
        self.0.value()
    }

    /// The byte in front of which the cursor is.
    pub fn cursor(&self) -> usize {
        let characters = self.text().char_indices().map(|(at, _)| at);
        characters.chain([self.text().len()]).nth(self.0.cursor()).unwrap_or(0)
    }

    /// Edits the text with a key. Keys with other meanings are ignored; characters with Alt or Control
    /// are not inserted.
    pub(super) fn key(&mut self, key: KeyEvent) {
        use InputRequest::*;
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        let request = match (key.code, control, alt) {
            (KeyCode::Char('w'), true, _) | (KeyCode::Backspace, _, true) => {
                return self.delete_word();
            }
            (KeyCode::Char(c), false, false) => return self.insert(c),
            (KeyCode::Backspace, ..) | (KeyCode::Char('h'), true, _) => DeletePrevChar,
            (KeyCode::Delete, ..) | (KeyCode::Char('d'), true, _) => DeleteNextChar,
            (KeyCode::Char('u'), true, _) => DeleteFromStart,
            (KeyCode::Char('k'), true, _) => DeleteTillEnd,
            (KeyCode::Left, true, _) | (KeyCode::Char('b'), _, true) => GoToPrevWord,
            (KeyCode::Right, true, _) | (KeyCode::Char('f'), _, true) => GoToNextWord,
            (KeyCode::Left, ..) | (KeyCode::Char('b'), true, _) => GoToPrevChar,
            (KeyCode::Right, ..) | (KeyCode::Char('f'), true, _) => GoToNextChar,
            (KeyCode::Home, ..) | (KeyCode::Char('a'), true, _) => GoToStart,
            (KeyCode::End, ..) | (KeyCode::Char('e'), true, _) => GoToEnd,
            _ => return,
        };
        self.0.handle(request);
    }

    /// Inserts a text at the cursor. Line breaks and tabs become spaces.
    pub(super) fn insert_text(&mut self, text: &str) {
        text.chars().for_each(|c| self.insert(if c.is_control() { ' ' } else { c }));
    }

    /// Inserts a character, unless it is invisible or the text is full.
    fn insert(&mut self, c: char) {
        if self.text().len() + c.len_utf8() <= MAX_LENGTH && !is_control(c) {
            self.0.handle(InputRequest::InsertChar(c));
        }
    }

    /// Deletes back to the space in front of the word before the cursor.
    fn delete_word(&mut self) {
        let cursor = self.cursor();
        let (before, after) = self.text().split_at(cursor);
        let kept = before.trim_end().rfind(' ').map_or("", |space| &before[..=space]);
        let text = format!("{kept}{after}");
        self.0 = Input::new(text).with_cursor(kept.chars().count());
    }

    /// The bytes that `width` columns show: all of them, or those around the cursor, which needs a
    /// column of its own at the end of the text.
    pub fn visible(&self, width: usize) -> Range<usize> {
        let text = self.text();
        let cursor = self.cursor();
        let mut start = 0;
        for (at, _) in text[..cursor].grapheme_indices(true) {
            start = at;
            if text[at..cursor].width() < width {
                break;
            }
        }
        if text[start..cursor].width() >= width {
            start = cursor;
        }
        let mut end = start;
        for (at, character) in text[start..].grapheme_indices(true) {
            let next = start + at + character.len();
            let cursor_width = usize::from(next == text.len() && cursor == text.len());
            if text[start..next].width() + cursor_width > width {
                break;
            }
            end = next;
        }
        start..end.max(cursor)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CTRL: KeyModifiers = KeyModifiers::CONTROL;
    const ALT: KeyModifiers = KeyModifiers::ALT;

    /// The text after these keys, with a bar at the cursor.
    fn edited(text: &str, keys: &[(KeyCode, KeyModifiers)]) -> String {
        let mut editor = LineEditor::new(text);
        keys.iter().for_each(|(code, modifiers)| editor.key(KeyEvent::new(*code, *modifiers)));
        let (before, after) = editor.text().split_at(editor.cursor());
        format!("{before}|{after}")
    }

    #[test]
    fn keys_edit_the_line() {
        use KeyCode::{Backspace, Char, Delete, End, Home, Left, Right};
        const NONE: KeyModifiers = KeyModifiers::NONE;
        for (keys, expected) in [
            (&[(Backspace, NONE)][..], "conn name:client-1|"),
            (&[(Char('h'), CTRL)], "conn name:client-1|"),
            (&[(Char('w'), CTRL)], "conn |"),
            (&[(Char('w'), CTRL), (Char('w'), CTRL)], "|"),
            (&[(Backspace, ALT)], "conn |"),
            (&[(Home, NONE), (Delete, NONE)], "|onn name:client-12"),
            (&[(Char('a'), CTRL), (Char('x'), NONE)], "x|conn name:client-12"),
            (&[(Left, NONE), (Left, NONE), (Char('u'), CTRL)], "|12"),
            (&[(Left, NONE), (Char('k'), CTRL)], "conn name:client-1|"),
            (&[(Home, NONE), (Right, CTRL), (Char('w'), CTRL)], "|name:client-12"),
            (&[(Home, NONE), (End, NONE)], "conn name:client-12|"),
            (&[(Char('x'), ALT), (Char('j'), CTRL | ALT)], "conn name:client-12|"),
        ] {
            assert_eq!(edited("conn name:client-12", keys), expected, "{keys:?}");
        }
        assert_eq!(edited("a漢", &[(Backspace, NONE)]), "a|");
        assert_eq!(edited("e\u{301}", &[(Backspace, NONE)]), "|", "one character is shown");
    }

    #[test]
    fn invisible_characters_are_not_inserted() {
        let mut editor = LineEditor::default();
        editor.insert_text("a\tb\u{202e}\u{1b}c\n");
        assert_eq!(editor.text(), "a b c ");
        editor.insert_text(&"漢".repeat(1_000));
        assert!(editor.text().len() <= MAX_LENGTH);
    }

    #[test]
    fn cursor_and_end_of_a_long_text_are_visible() {
        let mut editor = LineEditor::new("0123456789");
        assert_eq!(editor.visible(20), 0..10);
        assert_eq!(editor.visible(5), 6..10, "and the cursor");
        editor.key(KeyCode::Home.into());
        assert_eq!(editor.visible(5), 0..5);
        assert_eq!(LineEditor::new("漢字").visible(3), 3..6);
    }

    proptest! {
        #[test]
        fn visible_part_fits_and_contains_the_cursor(
            text in "\\PC{0,30}|[a漢🦀\u{301}\u{200d}]{0,12}",
            left in 0usize..40,
            width in 0usize..40,
        ) {
            let mut editor = LineEditor::new(&text);
            (0..left).for_each(|_| editor.key(KeyCode::Left.into()));
            let visible = editor.visible(width);
            prop_assert!(text[visible.clone()].width() <= width);
            prop_assert!((visible.start..=visible.end).contains(&editor.cursor()));
        }
    }
}
