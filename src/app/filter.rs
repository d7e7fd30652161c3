//! Editing the filter.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{App, Prompt};

/// The maximum length of the filter, in bytes.
const MAX_LENGTH: usize = 200;

impl App {
    /// Inserts pasted text into the filter. Everywhere else it is ignored: a paste never runs
    /// commands.
    pub fn paste(&mut self, text: &str) {
        if self.prompt == Prompt::Filter {
            // The filter is a single line, so the line break of a copied line is dropped.
            let text = text.trim_end_matches(['\r', '\n']);
            text.chars().for_each(|c| self.insert(if c.is_control() { ' ' } else { c }));
            self.update_rows();
        }
    }

    /// Edits the filter with a key.
    pub(super) fn edit_filter(&mut self, key: KeyEvent) {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Enter => self.prompt = Prompt::None,
            KeyCode::Esc => {
                self.prompt = Prompt::None;
                self.filter.clear();
            }
            KeyCode::Backspace => {
                self.filter.pop();
            }
            KeyCode::Char('u') if control => self.filter.clear(),
            KeyCode::Char('w') if control => {
                let kept = self.filter.trim_end().rfind(' ').map_or(0, |space| space + 1);
                self.filter.truncate(kept);
            }
            KeyCode::Char(c) if !control => self.insert(c),
            KeyCode::Up => self.move_by(-1),
            KeyCode::Down => self.move_by(1),
            _ => {}
        }
        self.update_rows();
    }

    fn insert(&mut self, c: char) {
        if self.filter.len() < MAX_LENGTH {
            self.filter.push(c);
        }
    }
}
