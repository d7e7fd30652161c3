//! The visible part of the timeline, and the poll under its cursor.

use std::time::Duration;

use super::{App, RowKey, cursor::Step};
use crate::{
    model::{ColumnSpan, Timeline, TimelinePoll, WorkerActivity, column_bounds},
    snapshot::TaskKey,
};

pub(super) const NO_POLL: &str = "no poll at the cursor; n and N move it to one";

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

/// The shortest and the longest span.
const MIN_SPAN_NS: u64 = SPANS[0];
const MAX_SPAN_NS: u64 = SPANS[SPANS.len() - 1];

/// The visible part of the timeline.
///
/// It ends at the latest moment unless the screen is frozen. On a frozen screen, the right edge and the
/// cursor are moments, so that they stay at the same poll.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineView {
    span_ns: u64,
    /// The right edge, if it is not the latest moment.
    end_ns: Option<u64>,
    cursor_ns: Option<u64>,
    /// The columns at which a drag began and at which it is now.
    drag: Option<(usize, usize)>,
    /// Whether keys move through the list of the longest polls, instead of the workers.
    in_list: bool,
}

impl Default for TimelineView {
    fn default() -> Self {
        let span_ns = MAX_SPAN_NS;
        TimelineView { span_ns, end_ns: None, cursor_ns: None, drag: None, in_list: false }
    }
}

impl TimelineView {
    /// The moments at the edges. In the first seconds of a target, they are closer together than the
    /// chosen span.
    pub fn window(&self, timeline: &Timeline) -> (u64, u64) {
        let end = self.end_ns.unwrap_or(timeline.now_ns());
        (end.saturating_sub(self.span_ns), end)
    }

    /// The moment that the cursor points to.
    pub fn cursor_ns(&self) -> Option<u64> {
        self.cursor_ns
    }

    /// The columns that are selected by a drag: the first and the last one.
    pub fn dragged(&self) -> Option<(usize, usize)> {
        self.drag.filter(|(from, to)| from != to).map(|(from, to)| (from.min(to), from.max(to)))
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
        let quarter = self.span_ns / 4;
        if moment < from {
            self.show_until(moment.saturating_add(3 * quarter), timeline);
        } else if moment >= to {
            self.show_until(moment.saturating_add(quarter), timeline);
        }
    }

    fn show_until(&mut self, end: u64, timeline: &Timeline) {
        let earliest = timeline.begin_ns().saturating_add(self.span_ns);
        let end = end.max(earliest).min(timeline.now_ns());
        self.end_ns = (end != timeline.now_ns()).then_some(end);
    }

    /// Zooms by one step; `fixed`, or else the cursor, stays in its column. Returns whether the span
    /// changed.
    fn zoom(&mut self, closer: bool, fixed: Option<u64>, timeline: &Timeline) -> bool {
        let (from, to) = self.window(timeline);
        let next = match closer {
            true => SPANS.into_iter().rev().find(|span| *span < self.span_ns),
            false => SPANS.into_iter().find(|span| *span > self.span_ns),
        };
        let Some(next) = next else { return false };
        self.span_ns = next;
        if let Some(fixed) = fixed.or(self.cursor_ns) {
            let share = fixed.saturating_sub(from) as f64 / (to - from).max(1) as f64;
            let before = (next as f64 * share) as u64;
            self.show_until(fixed.saturating_sub(before).saturating_add(next), timeline);
        }
        true
    }
}

impl App {
    /// The worker whose polls the cursor moves over.
    pub fn timeline_worker(&self) -> usize {
        let first = || self.worker_order().first().copied();
        self.selected_worker().or_else(first).unwrap_or(0)
    }

    /// The poll under the cursor; without a cursor, that at the latest moment.
    pub fn timeline_activity(&self) -> WorkerActivity {
        let timeline = self.polls();
        let (_, to) = self.timeline.window(timeline);
        let columns = self.viewport.timeline_columns;
        let column = self.timeline.cursor_column(timeline, columns).unwrap_or(columns - 1);
        let at = self.timeline.cursor_ns().unwrap_or(to.saturating_sub(1));
        let (from, to) = self.timeline_column(column);
        timeline.activity(self.timeline_worker(), ColumnSpan { from, to, at })
    }

    /// The task of the poll under the cursor; without a cursor, of that at the latest moment.
    pub fn polled_task(&self) -> Result<TaskKey, &'static str> {
        match (self.timeline_activity(), self.target()) {
            (WorkerActivity::Poll { poll, .. }, Some(target)) => Ok(target.task_key(poll.key)),
            _ => Err(NO_POLL),
        }
    }

    /// Start and end of a column.
    fn timeline_column(&self, column: usize) -> (u64, u64) {
        let (from, to) = self.timeline.window(self.polls());
        column_bounds(from, to, column, self.viewport.timeline_columns)
    }

    /// The longest polls in view, longest first, each with the index of its worker: as many as the
    /// screen lists.
    pub fn longest_polls(&self) -> Vec<(usize, TimelinePoll)> {
        let (from, to) = self.timeline.window(self.polls());
        match self.viewport.timeline_polls {
            0 => Vec::new(),
            count => self.polls().longest(from, to, count, &self.poll_scope()),
        }
    }

    /// The position of the poll under the cursor among the longest ones, if keys move through these.
    pub fn selected_poll(&self, polls: &[(usize, TimelinePoll)]) -> Option<usize> {
        let cursor = self.timeline.cursor_ns.filter(|_| self.timeline.in_list)?;
        let worker = self.timeline_worker();
        let is_at = |(of, poll): &(usize, TimelinePoll)| {
            *of == worker && (poll.began..=poll.ended).contains(&cursor)
        };
        polls.iter().position(is_at)
    }

    /// Shows the latest moment, with a cursor on it if the screen is frozen.
    pub(super) fn place_cursor(&mut self) {
        let (from, to) =
            TimelineView { end_ns: None, ..self.timeline.clone() }.window(self.polls());
        let column = (to - from) / self.viewport.timeline_columns as u64;
        let cursor_ns = self.is_frozen().then(|| to.saturating_sub(column / 2 + 1));
        let span_ns = self.timeline.span_ns;
        self.timeline = TimelineView { span_ns, cursor_ns, ..TimelineView::default() };
    }

    /// Moves the cursor by a number of columns.
    pub(super) fn move_cursor(&mut self, columns: i64, now: Duration) {
        let (from, to) = self.timeline.window(self.polls());
        let column = (to - from) / self.viewport.timeline_columns as u64;
        self.point(now, |at, _| {
            Some(at.saturating_add_signed(columns * column.max(1).cast_signed()))
        });
    }

    /// Moves the cursor to the next or the previous poll of the worker; if a task or group is pinned,
    /// to that of the pin, on any worker.
    pub(super) fn step_poll(&mut self, forward: bool, now: Duration) {
        self.freeze_timeline(now);
        let (scope, timeline) = (self.poll_scope(), self.polls());
        let workers = match scope.is_all() {
            true => self.timeline_worker()..self.timeline_worker() + 1,
            false => 0..timeline.workers(),
        };
        let Some(at) = self.timeline.cursor_ns() else { return };
        let next = workers
            .filter_map(|worker| Some((timeline.step(worker, at, forward, &scope)?, worker)));
        let next = if forward { next.min() } else { next.max() };
        if let Some((moment, worker)) = next {
            self.select_worker(worker);
            self.point(now, |_, _| Some(moment));
        }
    }

    /// Moves the cursor to the oldest or to the latest moment.
    pub(super) fn move_cursor_to_end(&mut self, end: bool, now: Duration) {
        self.point(now, |_, timeline| {
            Some(if end { timeline.now_ns().saturating_sub(1) } else { timeline.begin_ns() })
        });
    }

    /// Selects the next worker or, below the last one, the next of the longest polls.
    pub(super) fn move_on_timeline(&mut self, down: bool, now: Duration) {
        let polls = self.longest_polls();
        let is_last_worker = self.cursor().row() + 1 >= self.row_count();
        match (self.selected_poll(&polls), down) {
            (Some(0), false) => self.timeline.in_list = false,
            (Some(at), false) => self.select_poll(at - 1, now),
            (Some(at), true) => self.select_poll((at + 1).min(polls.len() - 1), now),
            (None, true) if is_last_worker && !polls.is_empty() => self.select_poll(0, now),
            (None, down) => {
                self.timeline.in_list = false;
                self.step(Step::By(if down { 1 } else { -1 }));
            }
        }
    }

    /// Moves the cursor to one of the longest polls.
    pub(super) fn select_poll(&mut self, position: usize, now: Duration) {
        let Some(&(worker, poll)) = self.longest_polls().get(position) else { return };
        let (from, to) = self.timeline.window(self.polls());
        self.select_worker(worker);
        // The middle of its visible part, so that the edges stay.
        let (began, ended) = (poll.began.max(from), poll.ended.min(to.saturating_sub(1)));
        self.point(now, |_, _| Some(began + ended.saturating_sub(began) / 2));
        self.timeline.in_list = true;
    }

    /// Selects the row of a worker.
    pub(super) fn select_worker(&mut self, worker: usize) {
        if let Some(row) = self.row_of(&RowKey::Worker(worker)) {
            self.step(Step::To(row));
        }
    }

    /// Moves the cursor to a column of a worker; a drag may follow.
    pub(super) fn point_at(&mut self, worker: usize, column: usize, now: Duration) {
        self.select_worker(worker);
        let (begin, end) = self.timeline_column(column);
        self.point(now, |_, _| Some(begin + (end - begin) / 2));
        self.timeline.drag = Some((column, column));
    }

    /// Extends the selected span to a column.
    pub(super) fn drag_to(&mut self, column: usize) {
        if let Some((_, to)) = &mut self.timeline.drag {
            *to = column;
        }
    }

    /// Zooms to the span that a drag has selected.
    pub(super) fn end_drag(&mut self, now: Duration) {
        let dragged = self.timeline.dragged();
        self.timeline.drag = None;
        let Some((first, last)) = dragged else { return };
        let (from, to) = (self.timeline_column(first).0, self.timeline_column(last).1);
        let mut view = self.timeline.clone();
        view.span_ns = (to - from).clamp(MIN_SPAN_NS, MAX_SPAN_NS);
        view.show_until(to.max(from + view.span_ns), self.polls());
        self.timeline = view;
        self.notify("zoomed to the selected span; - zooms out, Space resumes", now);
    }

    /// Freezes the screen and moves the cursor to the moment that `to` derives from the current one.
    fn point(&mut self, now: Duration, to: impl FnOnce(u64, &Timeline) -> Option<u64>) {
        self.freeze_timeline(now);
        let mut view = self.timeline.clone();
        let timeline = self.polls();
        if let Some(moment) = view.cursor_ns.and_then(|at| to(at, timeline)) {
            view.go_to(moment, timeline);
        }
        view.in_list = false;
        self.timeline = view;
    }

    /// Freezes the screen, with a cursor.
    fn freeze_timeline(&mut self, now: Duration) {
        if !self.is_frozen() {
            self.toggle_freeze();
            self.notify("the screen is frozen: Space resumes", now);
        }
        if self.timeline.cursor_ns.is_none() {
            self.place_cursor();
        }
    }

    pub(super) fn zoom(&mut self, closer: bool, now: Duration) {
        self.zoom_at(closer, None, now);
    }

    /// Zooms at a column, which stays in its place: zooming in freezes the screen.
    pub(super) fn zoom_at_column(&mut self, closer: bool, column: usize, now: Duration) {
        if closer {
            self.freeze_timeline(now);
        }
        let (begin, end) = self.timeline_column(column);
        let fixed = self.is_frozen().then_some(begin + (end - begin) / 2);
        self.zoom_at(closer, fixed, now);
    }

    fn zoom_at(&mut self, closer: bool, fixed: Option<u64>, now: Duration) {
        let mut view = self.timeline.clone();
        if !view.zoom(closer, fixed, self.polls()) {
            self.notify("cannot zoom any further", now);
        }
        self.timeline = view;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        app::{HitTarget, Overlay},
        fixture::{S, Stage, World},
    };

    #[test]
    fn spans_are_steps_of_one_two_and_five() {
        assert_eq!(SPANS[..4], [10_000, 20_000, 50_000, 100_000]);
        assert_eq!(SPANS[6..9], [1_000_000, 2_000_000, 5_000_000]);
        assert_eq!(SPANS[16..], [2_000_000_000, 5_000_000_000, 10_000_000_000]);
        assert!(SPANS.is_sorted());
    }

    /// The timeline with a hog, drawn once.
    fn stage() -> Stage {
        let mut stage = Stage::new();
        stage.keys("4").pass(9 * S);
        stage.hog(2 * S);
        stage.screen(120, 36);
        stage
    }

    fn moment(column: usize) -> HitTarget {
        HitTarget::Moment { worker: 0, column }
    }

    fn cursor_column(stage: &Stage) -> Option<usize> {
        stage.app.timeline.cursor_column(stage.app.polls(), 110)
    }

    #[test]
    fn cursor_is_where_the_mouse_was_also_in_the_first_seconds() {
        let mut stage =
            Stage::with(World { now: S, ..World::new() }, crate::app::Settings::default());
        stage.keys("4").pass(S);
        stage.screen(120, 36);
        let (from, to) = stage.app.timeline.window(stage.app.polls());
        assert!(to - from < MAX_SPAN_NS, "less than the span has passed");
        stage.app.click(moment(100), stage.now);
        assert_eq!(cursor_column(&stage), Some(100));
        stage.keys("<Left>");
        assert_eq!(cursor_column(&stage), Some(99));
    }

    #[test]
    fn drag_zooms_to_the_selected_span() {
        let mut stage = stage();
        let bounds = |stage: &Stage, column| stage.app.timeline_column(column);
        stage.app.click(moment(70), stage.now);
        let expected = (bounds(&stage, 30).0, bounds(&stage, 70).1);
        stage.app.drag(Some(moment(30)));
        assert_eq!(stage.app.timeline.dragged(), Some((30, 70)));
        stage.app.release(stage.now);
        assert_eq!(stage.app.timeline.window(stage.app.polls()), expected);
        // The next step is the smallest round span that is longer.
        stage.keys("-");
        assert_eq!(stage.app.timeline.span_ns, 5 * S);
    }

    #[test]
    fn click_without_a_drag_does_not_zoom() {
        let mut stage = stage();
        stage.app.click(moment(70), stage.now);
        stage.app.release(stage.now);
        assert_eq!((stage.app.timeline.span_ns, cursor_column(&stage)), (MAX_SPAN_NS, Some(70)));
    }

    #[test]
    fn n_moves_the_cursor_to_the_start_of_a_poll() {
        let mut stage = stage();
        stage.keys(" N");
        let hog = stage.app.longest_polls()[0].1;
        assert_eq!(stage.app.timeline.cursor_ns(), Some(hog.began));
    }

    #[test]
    fn wheel_zooms_at_the_mouse() {
        let mut stage = stage();
        let middle = |stage: &Stage| {
            let (from, to) = stage.app.timeline_column(50);
            from + (to - from) / 2
        };
        let before = middle(&stage);
        stage.app.wheel(false, Some(moment(50)), stage.now);
        assert!(stage.app.is_frozen());
        assert_eq!(stage.app.timeline.span_ns, 5 * S);
        assert!(middle(&stage).abs_diff(before) <= 5 * S / 110, "the moment stays in its column");
        stage.app.wheel(true, Some(moment(50)), stage.now);
        assert_eq!(stage.app.timeline.span_ns, MAX_SPAN_NS);
    }

    #[test]
    fn keys_and_mouse_select_one_of_the_longest_polls() {
        let mut stage = stage();
        stage.keys("j");
        let polls = stage.app.longest_polls();
        assert_eq!(stage.app.selected_poll(&polls), Some(0), "below the only worker");
        assert_eq!(polls[0].1.key, 26, "the hog");
        stage.keys("<Enter>");
        assert!(matches!(stage.app.overlay(), Some(Overlay::Task(key)) if key.id == 26));
        stage.keys("<Esc>jk");
        assert_eq!(stage.app.selected_poll(&polls), Some(0));
        stage.keys("k");
        assert_eq!(stage.app.selected_poll(&polls), None);
        stage.app.click(HitTarget::Poll(2), stage.now);
        assert_eq!(stage.app.selected_poll(&polls), Some(2));
    }
}
