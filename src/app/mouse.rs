//! Clicks and the wheel.

use std::time::Duration;

use super::{Action, App, Effect, List, cursor::Step};
use crate::{model::Column, snapshot::LabCommand};

/// Two clicks on the same part within this time open it.
const DOUBLE_CLICK: Duration = Duration::from_millis(400);
/// Rows per step of the wheel.
const WHEEL_ROWS: isize = 3;

/// A part of the screen that can be clicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HitTarget {
    /// A row of the list.
    Row(usize),
    /// A moment on the timeline of a worker.
    Moment {
        /// The index of the worker.
        worker: usize,
        /// The column, counted from the left edge of the timeline.
        column: usize,
    },
    /// The title of a column.
    Column(Column),
    /// One of the longest polls of the timeline.
    Poll(usize),
    /// A kind of hog.
    HogKind(usize),
    /// A mode of a workload.
    Mode {
        /// The position of the workload.
        workload: usize,
        /// The position of the mode.
        mode: usize,
    },
    /// The bar of a worker above the screen.
    Worker(usize),
    /// A graph of the history.
    Graph {
        /// The column, counted from the left edge of the graph.
        column: usize,
        /// The width of the graph.
        columns: usize,
    },
    /// A key in the footer.
    Key(Action),
}

impl App {
    /// Scrolls by one step of the wheel. Over a timeline and over the graphs it zooms.
    pub fn wheel(&mut self, down: bool, over: Option<HitTarget>, now: Duration) {
        match over {
            Some(HitTarget::Moment { column, .. }) if self.overlay().is_none() => {
                self.zoom_at_column(!down, column, now);
            }
            Some(HitTarget::Graph { .. }) => self.zoom_graphs(!down),
            _ => self.scroll_by(if down { WHEEL_ROWS } else { -WHEEL_ROWS }),
        }
    }

    /// Extends a selection on the timeline, or in a graph, to the part under the mouse.
    pub fn drag(&mut self, over: Option<HitTarget>) {
        match over {
            Some(HitTarget::Moment { column, .. }) => self.drag_to(column),
            Some(HitTarget::Graph { column, columns }) => self.drag_graph_to(column, columns),
            _ => {}
        }
    }

    /// Ends a drag.
    pub fn release(&mut self, now: Duration) {
        self.end_drag(now);
        self.end_graph_drag(now);
    }

    /// Selects a row, sorts by a column, or performs the action of a key in the footer. A second click
    /// opens a row.
    pub fn click(&mut self, target: HitTarget, now: Duration) -> Option<Effect> {
        let last = self.last_click.replace((target, now));
        let is_double = last.is_some_and(|(at, then)| at == target && now < then + DOUBLE_CLICK);
        let can_open =
            matches!(target, HitTarget::Row(_) | HitTarget::Moment { .. } | HitTarget::Poll(_));
        if is_double && can_open {
            // A third click is the first one of the next pair.
            self.last_click = None;
            self.end_drag(now);
            return self.act(Action::Open, now);
        }
        match target {
            HitTarget::Worker(worker) => {
                self.show_list(List::Workers);
                self.select_worker(worker);
            }
            HitTarget::Graph { column, columns } => self.begin_graph_drag(column, columns),
            HitTarget::Key(action) => return self.act(action, now),
            HitTarget::Poll(position) => self.select_poll(position, now),
            HitTarget::HogKind(position) => return self.click_hog_kind(position, now),
            HitTarget::Mode { workload, mode } => {
                return self.lab(LabCommand::SelectMode { workload, mode });
            }
            HitTarget::Row(row) => self.step(Step::To(row)),
            HitTarget::Moment { worker, column } => {
                self.point_at(worker, column, now);
            }
            HitTarget::Column(column) => self.sort_by(column, now),
        }
        None
    }
}
