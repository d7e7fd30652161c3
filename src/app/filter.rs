//! Editing the filter.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{App, Prompt, cursor::Step};
use crate::model::{Filter, FilterError, RowQuery};

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

    /// The first term of the filter that the rows of the screen do not have. It is ignored.
    pub fn filter_error(&self) -> Option<FilterError> {
        self.row_query().filter_error()
    }

    /// Edits the filter with a key.
    pub(super) fn edit_filter(&mut self, key: KeyEvent) {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Enter => self.prompt = Prompt::None,
            KeyCode::Esc => {
                self.remember_filter();
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
        self.remember_filter();
        self.update_rows();
    }

    fn remember_filter(&mut self) {
        if !self.filter.is_empty() {
            self.last_filter.clone_from(&self.filter);
        }
    }

    /// Selects the next or the previous row that matches the last filter, which may have been
    /// cleared since.
    pub(super) fn next_match(&mut self, forward: bool, now: Duration) {
        let mut query = self.row_query().clone();
        if self.last_filter.is_empty() || query == RowQuery::None {
            return self.notify("no filter yet; / finds rows by words and terms", now);
        }
        if let Some(query) = query.query_mut() {
            query.filter = Filter::new(&self.last_filter);
        }
        let is_match = self.matches(&self.model().rows(&query));
        let count = is_match.len();
        let at = self.cursor().row();
        let step = |by: usize| if forward { (at + by) % count } else { (at + count - by) % count };
        match (1..=count).map(step).find(|row| is_match[*row]) {
            Some(row) => self.step(Step::To(row)),
            None => self.notify(format!("no row matches {}", self.last_filter), now),
        }
    }

    fn insert(&mut self, c: char) {
        if self.filter.len() < MAX_LENGTH {
            self.filter.push(c);
        }
    }
}
