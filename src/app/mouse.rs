//! What the mouse does.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

use super::{App, Overlay, Screen, cursor::Step};
use crate::view::{self, Spot};

/// Rows that a turn of the wheel moves.
const WHEEL: isize = 3;

impl App {
    /// The wheel scrolls, a click selects a row or sorts by a column.
    pub fn mouse(&mut self, mouse: MouseEvent) {
        match mouse.kind {
            MouseEventKind::ScrollDown => self.wheel(WHEEL),
            MouseEventKind::ScrollUp => self.wheel(-WHEEL),
            MouseEventKind::Down(MouseButton::Left) => {
                let spot = view::spot(self, self.size, mouse.column, mouse.row);
                self.click(spot);
            }
            _ => {}
        }
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
            _ => self.move_by(by),
        }
    }

    fn click(&mut self, spot: Option<Spot>) {
        if self.overlay != Overlay::None {
            return;
        }
        match spot {
            Some(Spot::Row(row)) => self.step(Step::To(row)),
            Some(Spot::Column(column)) if self.query.sort == column => self.invert(),
            Some(Spot::Column(column)) => {
                self.query.sort = column;
                self.query.descending = column.is_figure();
                self.arrange();
            }
            None => {}
        }
    }
}
