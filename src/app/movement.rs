//! Up and down, pages, and the order of the rows.

use std::{sync::Arc, time::Duration};

use super::{App, Overlay, Screen, cursor::Step, state::key_of};
use crate::model::{Column, GroupColumn, Rows};

/// Of a list that is not sorted by columns.
const OWN_ORDER: &str = "this screen has a fixed order; screens 1 and 2 can be sorted";

/// How much the terminal has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Viewport {
    /// Rows of the list that is shown.
    pub rows: usize,
    /// How far an overlay, or the Lab, can be scrolled.
    pub scroll_limit: usize,
    /// Columns of a worker's timeline, at least 1.
    pub timeline_columns: usize,
}

impl App {
    /// Sets how much there is room for. Call it before drawing, and when the screen has changed.
    pub fn set_viewport(&mut self, viewport: Viewport) {
        self.timeline_columns = viewport.timeline_columns;
        self.resize(viewport.rows);
        self.scroll_at_most(viewport.scroll_limit);
    }

    pub(super) fn move_by(&mut self, by: isize) {
        if let Some(scroll) = self.overlay.scroll() {
            *scroll = scroll.saturating_add_signed(by);
            return;
        }
        // What is selected is to be seen.
        self.lab_scroll = 0;
        self.step(Step::By(by));
    }

    /// Nothing lies beyond the last line: the first key back leads back.
    fn scroll_at_most(&mut self, limit: usize) {
        if let Some(scroll) = self.overlay.scroll() {
            *scroll = (*scroll).min(limit);
        } else if self.screen == Screen::Lab {
            self.lab_scroll = self.lab_scroll.min(limit);
        }
    }

    /// Moves the selection of the screen that is shown.
    pub(super) fn step(&mut self, step: Step) {
        let model = Arc::clone(self.shown());
        match (&self.rows, self.screen) {
            (Rows::Tasks(rows), _) => {
                self.tasks.step(step, rows.len(), |row| key_of(&model, rows[row]));
            }
            (Rows::Groups(rows), _) => self.groups.step(step, rows.len(), |row| rows[row].key()),
            (Rows::Resources(rows), _) => {
                self.resource_cursor.step(step, rows.len(), |row| rows[row].key);
            }
            (Rows::None, Screen::Findings) => {
                let all = model.all_findings();
                self.findings.step(step, all.len(), |row| all[row].id());
            }
            (Rows::None, Screen::Lab) => {
                let workloads = self.lab_stats().map_or(0, |lab| lab.workloads.len());
                self.workloads.step(step, workloads, |row| row);
            }
            (Rows::None, _) => {
                let workers = self.worker_rows().len();
                self.workers.step(step, workers, |row| row);
            }
        }
    }

    fn resize(&mut self, rows: usize) {
        match self.screen {
            Screen::Tasks => self.tasks.resize(rows),
            Screen::Groups => self.groups.resize(rows),
            Screen::Resources => self.resource_cursor.resize(rows),
            Screen::Workers | Screen::Timeline => self.workers.resize(rows),
            Screen::Findings => self.findings.resize(rows),
            Screen::Lab => self.workloads.resize(rows),
        }
    }

    /// Scrolls the Lab, which is no list.
    pub(super) fn scroll_lab(&mut self, by: isize) {
        self.lab_scroll = self.lab_scroll.saturating_add_signed(by);
    }

    pub(super) fn page(&mut self, halves: isize) {
        if self.screen == Screen::Lab && self.overlay == Overlay::None {
            let half = (self.workloads.height() / 2).max(1) as isize;
            return self.scroll_lab(half * halves);
        }
        let height = match self.screen {
            Screen::Groups => self.groups.height(),
            Screen::Resources => self.resource_cursor.height(),
            Screen::Workers | Screen::Timeline => self.workers.height(),
            Screen::Findings => self.findings.height(),
            _ => self.tasks.height(),
        };
        self.move_by((height / 2).max(1) as isize * halves);
    }

    pub(super) fn sort(&mut self, by: isize, now: Duration) {
        match self.screen {
            Screen::Tasks => {
                let all = Column::ALL.into_iter().filter(|column| self.has_column(*column));
                self.query.sort = neighbour(&all.collect::<Vec<_>>(), self.query.sort, by);
                self.query.descending = self.query.sort.is_numeric();
            }
            Screen::Groups => {
                let all = GroupColumn::ALL.into_iter();
                let all: Vec<_> = all.filter(|column| self.has_group_column(*column)).collect();
                let column = neighbour(&all, self.group_sort.0, by);
                self.group_sort = (column, is_numeric(column));
            }
            _ => return self.say(OWN_ORDER, now),
        }
        self.arrange();
    }

    pub(super) fn invert(&mut self, now: Duration) {
        match self.screen {
            Screen::Groups => self.group_sort.1 = !self.group_sort.1,
            Screen::Tasks => self.query.descending = !self.query.descending,
            _ => return self.say(OWN_ORDER, now),
        }
        self.arrange();
    }
}

/// Whether the greatest value is the one to see first.
pub(super) fn is_numeric(column: GroupColumn) -> bool {
    !matches!(column, GroupColumn::Name | GroupColumn::Target | GroupColumn::Location)
}

/// The element `by` places from `current`, staying at the ends.
fn neighbour<T: Copy + PartialEq>(all: &[T], current: T, by: isize) -> T {
    let at = all.iter().position(|one| *one == current).unwrap_or(0);
    all[at.saturating_add_signed(by).min(all.len() - 1)]
}
