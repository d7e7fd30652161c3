//! The time that graphs show: the last minutes, or a span that a drag has selected.

use std::time::Duration;

use super::App;
use crate::{model::TargetModel, snapshot::TargetId, text::duration};

/// The times that graphs can show, in minutes.
const MINUTES: [u64; 3] = [1, 5, 15];

/// A part of the history, on the target's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GraphWindow {
    /// The end, in nanoseconds.
    pub end_ns: u64,
    /// The length, in nanoseconds.
    pub span_ns: u64,
}

/// A part of the width of a graph: the first column, and the one after the last.
pub type GraphPart = (usize, usize);

/// The time that keys and the mouse have selected in the graphs.
#[derive(Clone, Debug, Default)]
pub(super) struct GraphSelection {
    /// The index of the time in [`MINUTES`].
    span: usize,
    /// The columns at which a drag began and at which it is now, and their number.
    drag: Option<(usize, usize, usize)>,
    /// The span that a drag has selected, and its target.
    window: Option<(TargetId, GraphWindow)>,
}

impl GraphSelection {
    /// Drops the selected span if it is on the clock of a runtime that has ended.
    pub(super) fn forget_window(&mut self, has_ended: impl Fn(TargetId) -> bool) {
        self.window.take_if(|(target, _)| has_ended(*target));
    }
}

/// A shorter span would show only a few samples.
const MIN_WINDOW_NS: u64 = 2_000_000_000;

impl App {
    /// The part of the target's history that graphs show.
    pub fn graph_window(&self, model: &TargetModel) -> GraphWindow {
        let target = model.target();
        self.selected_window(target.id).unwrap_or(GraphWindow {
            end_ns: target.known_until_ns,
            span_ns: MINUTES[self.graphs.span] * 60_000_000_000,
        })
    }

    fn selected_window(&self, target: TargetId) -> Option<GraphWindow> {
        let (of, window) = self.graphs.window?;
        (of == target).then_some(window)
    }

    /// The length of that part as text, such as `1 min`.
    pub fn graph_span_text(&self, model: &TargetModel) -> String {
        match self.selected_window(model.target().id) {
            Some(window) => duration(window.span_ns),
            None => format!("{} min", MINUTES[self.graphs.span]),
        }
    }

    /// Whether a drag has selected the span that graphs show.
    pub fn has_graph_selection(&self) -> bool {
        self.graphs.window.is_some()
    }

    /// The columns of a graph that a drag has selected so far, of `columns`.
    pub fn graph_drag(&self, columns: usize) -> Option<GraphPart> {
        let (from, to, of) = self.graphs.drag.filter(|(from, to, _)| from != to)?;
        let scale = |column: usize| column * columns / of.max(1);
        Some((scale(from.min(to)), scale(from.max(to) + 1)))
    }

    /// Shows the next longer time in graphs, or the shortest one again. After a drag, the time that was
    /// shown before it.
    pub(super) fn change_graph_span(&mut self) {
        if self.graphs.window.take().is_some() {
            return;
        }
        self.graphs.span = (self.graphs.span + 1) % MINUTES.len();
    }

    /// Shows a shorter time in graphs, or a longer one, down to the shortest and up to the longest.
    pub(super) fn zoom_graphs(&mut self, closer: bool) {
        self.graphs.window = None;
        let last = MINUTES.len() - 1;
        self.graphs.span = match closer {
            true => self.graphs.span.saturating_sub(1),
            false => (self.graphs.span + 1).min(last),
        };
    }

    /// Begins a drag at a column of a graph.
    pub(super) fn begin_graph_drag(&mut self, column: usize, columns: usize) {
        self.graphs.drag = Some((column, column, columns));
    }

    /// Extends the drag to a column. Titles, which have one column, and graphs of another width are no
    /// part of it.
    pub(super) fn drag_graph_to(&mut self, column: usize, columns: usize) {
        if let Some((_, to, of_begin)) = &mut self.graphs.drag
            && *of_begin == columns
        {
            *to = column;
        }
    }

    /// Shows the span that a drag has selected. Without a drag, the click changes the time.
    pub(super) fn end_graph_drag(&mut self, now: Duration) {
        let Some((from, to, columns)) = self.graphs.drag.take() else { return };
        let Some(model) = self.selected().filter(|_| from != to) else {
            return self.change_graph_span();
        };
        let (id, shown) = (model.target().id, self.graph_window(model));
        let column_ns = shown.span_ns / columns.max(1) as u64;
        let back = |column: usize| column_ns * columns.saturating_sub(column) as u64;
        let end_ns = shown.end_ns.saturating_sub(back(from.max(to) + 1));
        let begin_ns = shown.end_ns.saturating_sub(back(from.min(to)));
        let span_ns = end_ns.saturating_sub(begin_ns).max(MIN_WINDOW_NS);
        self.graphs.window = Some((id, GraphWindow { end_ns, span_ns }));
        self.notify("graphs show the selected span; z shows the last minutes again", now);
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        app::HitTarget,
        fixture::{S, Stage},
    };

    fn graph(column: usize) -> HitTarget {
        HitTarget::Graph { column, columns: 60 }
    }

    fn window(stage: &Stage) -> (u64, u64) {
        let model = stage.app.selected().expect("a sample");
        let window = stage.app.graph_window(model);
        (model.target().known_until_ns - window.end_ns, window.span_ns)
    }

    #[test]
    fn drag_selects_a_span_that_stays_until_z() {
        let mut stage = Stage::new();
        stage.pass(60 * S);
        stage.app.click(graph(40), stage.now);
        stage.app.drag(Some(graph(29)));
        assert_eq!(stage.app.graph_drag(30), Some((14, 20)), "a graph of half the width");
        stage.app.drag(Some(graph(30)));
        stage.app.release(stage.now);
        assert_eq!(window(&stage), (19 * S, 11 * S), "from column 30 to the end of column 40");
        stage.pass(5 * S);
        assert_eq!(window(&stage), (24 * S, 11 * S), "the same moments");
        stage.keys("z");
        assert_eq!(window(&stage), (0, 60 * S));
        stage.keys("z");
        assert_eq!(window(&stage), (0, 300 * S));
    }

    #[test]
    fn click_without_a_drag_changes_the_time() {
        let mut stage = Stage::new();
        stage.app.click(graph(40), stage.now);
        stage.app.release(stage.now);
        assert_eq!(window(&stage), (0, 300 * S));
        stage.app.release(stage.now);
        assert_eq!(window(&stage), (0, 300 * S), "no second click");
    }

    #[test]
    fn short_drag_selects_two_seconds() {
        let mut stage = Stage::new();
        stage.pass(60 * S);
        stage.app.click(graph(59), stage.now);
        stage.app.drag(Some(graph(58)));
        stage.app.release(stage.now);
        stage.app.click(graph(10), stage.now);
        stage.app.drag(Some(graph(12)));
        stage.app.release(stage.now);
        assert_eq!(window(&stage).1, 2 * S);
    }
}
