//! What the mouse does.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

use std::time::Duration;

use super::{App, Effect, Overlay, Screen, cursor::Step, movement::is_figure};
use crate::view::{self, Spot};

/// Rows that a turn of the wheel moves.
const WHEEL: isize = 3;

impl App {
    /// The wheel scrolls, a click selects a row, sorts by a column or presses a key of the
    /// bar.
    pub fn mouse(&mut self, mouse: MouseEvent, now: Duration) -> Option<Effect> {
        match mouse.kind {
            MouseEventKind::ScrollDown => self.wheel(WHEEL),
            MouseEventKind::ScrollUp => self.wheel(-WHEEL),
            MouseEventKind::Down(MouseButton::Left) => {
                let spot = view::spot(self, self.size, mouse.column, mouse.row);
                return self.click(spot?, now);
            }
            _ => {}
        }
        None
    }

    fn wheel(&mut self, by: isize) {
        match (&self.overlay, self.screen) {
            (Overlay::None, Screen::Tasks) => {
                let len = self.order.len();
                self.tasks.scroll_by(by, len);
            }
            (Overlay::None, Screen::Groups) => {
                let len = self.group_rows.len();
                self.groups.scroll_by(by, len);
            }
            (Overlay::None, Screen::Lab) => self.scroll_lab(by),
            (Overlay::None, Screen::Resources) => {
                let len = self.resource_rows.len();
                self.resource_cursor.scroll_by(by, len);
            }
            _ => self.move_by(by),
        }
    }

    fn click(&mut self, spot: Spot, now: Duration) -> Option<Effect> {
        match spot {
            Spot::Key(action) => return self.act(action, now),
            Spot::Row(row) => self.step(Step::To(row)),
            Spot::Moment { worker, column } => {
                self.step(Step::To(worker));
                self.point_at(column, now);
            }
            Spot::Column(column) if self.query.sort == column => self.invert(now),
            Spot::GroupColumn(column) if self.group_sort.0 == column => self.invert(now),
            Spot::Column(column) => {
                self.query.sort = column;
                self.query.descending = column.is_figure();
                self.arrange();
            }
            Spot::GroupColumn(column) => {
                self.group_sort = (column, is_figure(column));
                self.arrange();
            }
        }
        None
    }
}
