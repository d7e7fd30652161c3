//! Selecting and scrolling.

use super::{App, cursor::Step};

/// The space in the terminal for the screen that is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Viewport {
    /// Visible rows.
    pub rows: usize,
    /// The lines or rows of a page: those of the view over the screen, or else the visible rows.
    pub page: usize,
    /// How many lines the view over the screen, or the screen itself, can be scrolled.
    pub scroll_limit: usize,
    /// Columns of a worker's timeline, at least 1.
    pub timeline_columns: usize,
    /// How many of the longest polls the timeline lists.
    pub timeline_polls: usize,
}

impl Default for Viewport {
    fn default() -> Self {
        Viewport { rows: 1, page: 1, scroll_limit: 0, timeline_columns: 1, timeline_polls: 0 }
    }
}

impl Viewport {
    /// A screen with this many rows.
    pub fn with_rows(rows: usize) -> Self {
        Viewport { rows: rows.max(1), page: rows.max(1), ..Self::default() }
    }

    /// A table of this height, whose first line has the column titles.
    pub fn below_titles(height: u16) -> Self {
        Self::with_rows(usize::from(height.saturating_sub(1)))
    }
}

impl App {
    /// Sets the space in the terminal. Call it before drawing.
    pub fn set_viewport(&mut self, viewport: Viewport) {
        self.viewport = viewport;
        let screen = self.screen_mut();
        screen.cursor.resize(viewport.rows);
        screen.scroll = screen.scroll.min(viewport.scroll_limit);
        if let Some((_, scroll)) = self.overlays.last_mut() {
            *scroll = (*scroll).min(viewport.scroll_limit);
        }
    }

    /// Moves the selection, or scrolls the view over the screen.
    pub(super) fn move_by(&mut self, by: isize) {
        match self.overlays.last_mut() {
            Some((_, scroll)) => *scroll = scroll.saturating_add_signed(by),
            None => {
                self.step(Step::By(by));
                // The selected row becomes visible.
                self.screen_mut().scroll = 0;
            }
        }
    }

    /// Selects the first row, or scrolls to the first line of the view over the screen.
    pub(super) fn move_to_first(&mut self) {
        match self.overlays.last_mut() {
            Some((_, scroll)) => *scroll = 0,
            None => {
                self.step(Step::First);
                self.screen_mut().scroll = 0;
            }
        }
    }

    /// Moves the selection.
    pub(super) fn step(&mut self, step: Step) {
        let mut cursor = std::mem::take(&mut self.screen_mut().cursor);
        cursor.step(step, self.row_count(), |row| self.row_key(row));
        self.screen_mut().cursor = cursor;
    }

    /// Moves by half pages.
    pub(super) fn page(&mut self, halves: isize) {
        let by = (self.viewport.page / 2).max(1) as isize * halves;
        if self.overlays.is_empty() && self.viewport.scroll_limit > 0 {
            self.scroll_screen(by);
        } else {
            self.move_by(by);
        }
    }

    /// Scrolls the screen or the view over it, without moving the selection.
    pub(super) fn scroll_by(&mut self, by: isize) {
        let len = self.row_count();
        if !self.overlays.is_empty() {
            self.move_by(by);
        } else if self.viewport.scroll_limit > 0 {
            self.scroll_screen(by);
        } else {
            self.screen_mut().cursor.scroll_by(by, len);
        }
    }

    fn scroll_screen(&mut self, by: isize) {
        let screen = self.screen_mut();
        screen.scroll = screen.scroll.saturating_add_signed(by);
    }
}
