//! The visible part of the timeline, and the poll under its cursor.

use std::time::Duration;

use super::{Action, App};
use crate::model::{ColumnSpan, Timeline, WorkerActivity, column_bounds};

/// The spans that can be shown, in ns.
const SPANS: [u64; 19] = {
    let decades = [10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];
    let mut spans = [10_000_000_000; 19];
    let mut at = 0;
    while at < 18 {
        spans[at] = decades[at / 3] * [1, 2, 5][at % 3];
        at += 1;
    }
    spans
};

/// The visible part of the timeline.
///
/// It ends at the latest moment unless the screen is frozen. On a frozen screen, the right edge and the
/// cursor are moments, so that they stay at the same poll.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineView {
    /// Index into `SPANS`.
    zoom: usize,
    /// The right edge, if it is not the latest moment.
    end_ns: Option<u64>,
    cursor_ns: Option<u64>,
}

impl Default for TimelineView {
    fn default() -> Self {
        TimelineView { zoom: SPANS.len() - 1, end_ns: None, cursor_ns: None }
    }
}

impl TimelineView {
    /// The time between the edges, in ns.
    pub fn span_ns(&self) -> u64 {
        SPANS[self.zoom]
    }

    /// The moments at the edges.
    pub fn window(&self, timeline: &Timeline) -> (u64, u64) {
        let end = self.end_ns.unwrap_or(timeline.now_ns());
        (end.saturating_sub(self.span_ns()), end)
    }

    /// The moment that the cursor points to.
    pub fn cursor_ns(&self) -> Option<u64> {
        self.cursor_ns
    }

    /// The column of the cursor, out of `columns`.
    pub fn cursor_column(&self, timeline: &Timeline, columns: usize) -> Option<usize> {
        let (from, to) = self.window(timeline);
        let past = self.cursor_ns?.checked_sub(from)?;
        let span = u128::from(to - from).max(1);
        let column = (u128::from(past) * columns as u128 / span) as usize;
        Some(column.min(columns.saturating_sub(1)))
    }

    /// Moves the cursor to a moment, and the edges so that a quarter of the span is visible beyond it.
    fn go_to(&mut self, moment: u64, timeline: &Timeline) {
        let (from, to) = self.window(timeline);
        let moment = moment.clamp(timeline.begin_ns(), timeline.now_ns());
        self.cursor_ns = Some(moment);
        let quarter = self.span_ns() / 4;
        if moment < from {
            self.show_until(moment.saturating_add(3 * quarter), timeline);
        } else if moment >= to {
            self.show_until(moment.saturating_add(quarter), timeline);
        }
    }

    fn show_until(&mut self, end: u64, timeline: &Timeline) {
        let earliest = timeline.begin_ns().saturating_add(self.span_ns());
        let end = end.max(earliest).min(timeline.now_ns());
        self.end_ns = (end != timeline.now_ns()).then_some(end);
    }

    /// Zooms by one step; the cursor stays in its column. Returns whether the span changed.
    fn zoom(&mut self, closer: bool, timeline: &Timeline) -> bool {
        let (from, to) = self.window(timeline);
        let zoom = self.zoom.saturating_add_signed(if closer { -1 } else { 1 });
        let zoom = zoom.min(SPANS.len() - 1);
        let changed = zoom != self.zoom;
        self.zoom = zoom;
        if let Some(cursor) = self.cursor_ns {
            let share = cursor.saturating_sub(from) as f64 / (to - from).max(1) as f64;
            let before = (self.span_ns() as f64 * share) as u64;
            let end = cursor.saturating_sub(before).saturating_add(self.span_ns());
            self.show_until(end, timeline);
        }
        changed
    }
}

impl App {
    /// The worker whose polls the cursor moves over.
    pub fn timeline_worker(&self) -> usize {
        self.selected_worker().unwrap_or(0)
    }

    /// The poll under the cursor; without a cursor, that at the latest moment.
    pub fn timeline_activity(&self) -> WorkerActivity {
        let timeline = self.polls();
        let (from, to) = self.timeline.window(timeline);
        let columns = self.viewport.timeline_columns;
        let column = self.timeline.cursor_column(timeline, columns).unwrap_or(columns - 1);
        let at = self.timeline.cursor_ns().unwrap_or(to.saturating_sub(1));
        let (from, to) = column_bounds(from, to, column, columns);
        timeline.activity(self.timeline_worker(), ColumnSpan { from, to, at })
    }

    /// Shows the latest moment, with a cursor on it if the screen is frozen.
    pub(super) fn place_cursor(&mut self) {
        let timeline = self.polls();
        let cursor = self.is_frozen().then(|| {
            let column = self.timeline.span_ns() / self.viewport.timeline_columns as u64;
            timeline.now_ns().saturating_sub(column / 2 + 1)
        });
        self.timeline = TimelineView { zoom: self.timeline.zoom, end_ns: None, cursor_ns: cursor };
    }

    /// Moves the cursor by a number of columns.
    pub(super) fn move_cursor(&mut self, columns: i64, now: Duration) {
        let column = self.timeline.span_ns() / self.viewport.timeline_columns as u64;
        self.point(now, |at, _| {
            Some(at.saturating_add_signed(columns * column.max(1).cast_signed()))
        });
    }

    /// Moves the cursor to the next or the previous poll.
    pub(super) fn step_poll(&mut self, forward: bool, now: Duration) {
        if self.screen().key(Action::NextPoll).is_none() {
            self.notify("open screen 4 to step through polls", now);
            return;
        }
        let worker = self.timeline_worker();
        self.point(now, |at, timeline| timeline.step(worker, at, forward));
    }

    /// Moves the cursor to the oldest or to the latest moment.
    pub(super) fn move_cursor_to_end(&mut self, end: bool, now: Duration) {
        self.point(now, |_, timeline| {
            Some(if end { timeline.now_ns().saturating_sub(1) } else { timeline.begin_ns() })
        });
    }

    /// Moves the cursor to a column.
    pub(super) fn point_at(&mut self, column: usize, now: Duration) {
        let (from, to) = self.timeline.window(self.polls());
        let (begin, end) = column_bounds(from, to, column, self.viewport.timeline_columns);
        self.point(now, |_, _| Some(begin + (end - begin) / 2));
    }

    /// Freezes the screen and moves the cursor to the moment that `to` derives from the current one.
    fn point(&mut self, now: Duration, to: impl FnOnce(u64, &Timeline) -> Option<u64>) {
        if !self.is_frozen() {
            self.freeze();
            self.notify("the screen is frozen: Space resumes", now);
        }
        if self.timeline.cursor_ns.is_none() {
            self.place_cursor();
        }
        let mut view = self.timeline.clone();
        let timeline = self.polls();
        if let Some(moment) = view.cursor_ns.and_then(|at| to(at, timeline)) {
            view.go_to(moment, timeline);
        }
        self.timeline = view;
    }

    pub(super) fn zoom(&mut self, closer: bool, now: Duration) {
        let mut view = self.timeline.clone();
        if !view.zoom(closer, self.polls()) {
            self.notify("cannot zoom any further", now);
        }
        self.timeline = view;
    }
}

#[cfg(test)]
mod tests {
    use super::SPANS;

    #[test]
    fn spans_are_steps_of_one_two_and_five() {
        assert_eq!(SPANS[..4], [10_000, 20_000, 50_000, 100_000]);
        assert_eq!(SPANS[6..9], [1_000_000, 2_000_000, 5_000_000]);
        assert_eq!(SPANS[16..], [2_000_000_000, 5_000_000_000, 10_000_000_000]);
        assert!(SPANS.is_sorted());
    }
}
