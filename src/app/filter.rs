//! Editing the filter.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent};

use super::{App, Prompt, cursor::Step};
use crate::model::{Filter, FilterError, RowQuery};

impl App {
    /// Inserts pasted text into the line that is edited. Everywhere else it is ignored: a paste never
    /// runs commands.
    pub fn paste(&mut self, text: &str) {
        // There is only one line, so the line break of a copied line is dropped.
        let text = text.trim_end_matches(['\r', '\n']);
        match self.prompt {
            Prompt::Filter => {
                self.editor.insert_text(text);
                self.filter = self.editor.text().to_owned();
                self.update_rows();
            }
            Prompt::HelpSearch => {
                self.editor.insert_text(text);
                self.help_search = self.editor.text().to_owned();
            }
            Prompt::None | Prompt::Columns { .. } | Prompt::Cancel { .. } => {}
        }
    }

    /// The first term of the filter that cannot be applied to the rows; it is ignored.
    pub fn filter_error(&self) -> Option<FilterError> {
        self.row_query().filter_error()
    }

    /// The text of a table in which no row, such as a task, passes the filter.
    pub fn no_match(&self, row: &str) -> String {
        match self.row_query().unavailable_term(self.model()) {
            Some(reason) => format!("no {row} matches the filter; Esc clears it. {reason}"),
            None => format!("no {row} matches the filter; Esc clears it"),
        }
    }

    /// Edits the filter with a key.
    pub(super) fn edit_filter(&mut self, key: KeyEvent) {
        match key.code {
            // A wrong term stays in the line, with its error below it.
            KeyCode::Enter if self.filter_error().is_some() => {}
            KeyCode::Enter => self.prompt = Prompt::None,
            KeyCode::Esc => {
                self.remember_filter();
                self.prompt = Prompt::None;
                self.filter.clear();
            }
            KeyCode::Up => self.move_by(-1),
            KeyCode::Down => self.move_by(1),
            _ => {
                self.editor.key(key);
                self.filter = self.editor.text().to_owned();
            }
        }
        self.remember_filter();
        self.update_rows();
    }

    /// Edits the words to find in the help with a key.
    pub(super) fn edit_search(&mut self, key: KeyEvent) {
        match key.code {
            KeyCode::Enter => self.prompt = Prompt::None,
            KeyCode::Esc => {
                self.prompt = Prompt::None;
                self.help_search.clear();
            }
            KeyCode::Up => self.move_by(-1),
            KeyCode::Down => self.move_by(1),
            _ => {
                self.editor.key(key);
                self.help_search = self.editor.text().to_owned();
            }
        }
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
        if query == RowQuery::None {
            return self.notify("this screen has no filter; n and N select matches in tables", now);
        }
        if self.last_filter.is_empty() {
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
}
