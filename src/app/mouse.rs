//! What the mouse does.

use std::time::Duration;

use super::{Action, App, Effect, Overlay, Screen, cursor::Step, movement::is_numeric};
use crate::model::{Column, GroupColumn};

/// Rows that a turn of the wheel moves.
const WHEEL: isize = 3;

/// Something that can be clicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HitTarget {
    /// A row of the list that is shown.
    Row(usize),
    /// A moment of a worker's time, by its column.
    Moment {
        /// The worker.
        worker: usize,
        /// The column.
        column: usize,
    },
    /// The title of a column of the task table.
    Column(Column),
    /// The title of a column of the group table.
    GroupColumn(GroupColumn),
    /// A key in the footer.
    Key(Action),
}

impl App {
    /// The wheel was turned by one step: scrolls the screen or the overlay.
    pub fn wheel(&mut self, down: bool) {
        let by = if down { WHEEL } else { -WHEEL };
        match (&self.overlay, self.screen) {
            (Overlay::None, Screen::Tasks) => {
                let len = self.order().len();
                self.tasks.scroll_by(by, len);
            }
            (Overlay::None, Screen::Groups) => {
                let len = self.group_rows().len();
                self.groups.scroll_by(by, len);
            }
            (Overlay::None, Screen::Lab) => self.scroll_lab(by),
            (Overlay::None, Screen::Resources) => {
                let len = self.resource_rows().len();
                self.resource_cursor.scroll_by(by, len);
            }
            _ => self.move_by(by),
        }
    }

    /// A click selects a row, sorts by a column or presses a key of the footer.
    pub fn click(&mut self, target: HitTarget, now: Duration) -> Option<Effect> {
        match target {
            HitTarget::Key(action) => return self.act(action, now),
            HitTarget::Row(row) => self.step(Step::To(row)),
            HitTarget::Moment { worker, column } => {
                self.step(Step::To(worker));
                self.point_at(column, now);
            }
            HitTarget::Column(column) if self.query.sort == column => self.invert(now),
            HitTarget::GroupColumn(column) if self.group_sort.0 == column => self.invert(now),
            HitTarget::Column(column) => {
                self.query.sort = column;
                self.query.descending = column.is_numeric();
                self.arrange();
            }
            HitTarget::GroupColumn(column) => {
                self.group_sort = (column, is_numeric(column));
                self.arrange();
            }
        }
        None
    }
}
