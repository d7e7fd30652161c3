//! The timeline: one row per worker, with its polls over time.
//!
//! ```text
//!  w0  100% ▂ ▁  ▃   ▁▂██████████████████████    how much of each column was spent in polls
//!           H T  C   HThog───────────────────    the groups polled: letters, or a name along one poll
//!  runnable ▁▁▁▁▁▁▁▁▁▁▂▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆
//!           │-8s    │-6s    │-4s    │-2s   now
//!  w0 at -1.27s polls hog (task 26) for 2.31s, still running  after heartbeat-2
//!  H heartbeat 1.2%  T tcp 3.0%  C cruncher 10.1%  O hog 23%   idle 63%
//!  longest polls in view
//!  ▸ -2.31s  2.31s  w0  hog  hog::spin  workload/hog.rs:42  16 tasks, 36.1 task-s
//! ```

mod axis;
mod lane;
mod lines;
mod plan;
mod polls;
mod track;

use crossterm::event::{KeyCode, KeyModifiers};
use plan::Plan;
use ratatui::layout::Rect;

use super::{
    ScreenEntry,
    theme::Theme,
    widgets::{
        canvas::{Canvas, Spans},
        title,
    },
};
use crate::{
    app::{
        Action, App, HitTarget, List, Opened, Overlay, ScreenId, ScreenKey, ScreenSpec, Viewport,
        keymap::Binding,
    },
    model,
    snapshot::FieldId,
    text::duration,
};

pub(super) const ID: ScreenId = ScreenId("timeline");

pub(super) const SCREEN: ScreenEntry = ScreenEntry {
    spec: ScreenSpec {
        id: ID,
        binding: Binding {
            keys: &[(KeyModifiers::NONE, KeyCode::Char('4'))],
            label: "4",
            action: Action::Show(ID),
            short: "Timeline",
            help: "timeline: each worker's polls in the last seconds",
        },
        list: List::Tracks,
        needs: Some(FieldId::Timeline),
        keys: &[
            ScreenKey::new(Action::Open, Action::Open).help("open the task of the poll"),
            ScreenKey::new(Action::Move(-1), Action::MoveOnTimeline(false))
                .help("previous worker, or one of the longest polls"),
            ScreenKey::new(Action::Move(1), Action::MoveOnTimeline(true))
                .help("next worker; below the last one, the longest polls"),
            ScreenKey::new(Action::Left, Action::MoveCursor(-1))
                .in_footer("cursor", 4)
                .help("move the cursor left"),
            ScreenKey::new(Action::Right, Action::MoveCursor(1)).help("move the cursor right"),
            ScreenKey::new(Action::First, Action::CursorToStart).help("oldest moment"),
            ScreenKey::new(Action::Last, Action::CursorToEnd).help("latest moment"),
            ScreenKey::new(Action::NextMatch, Action::NextPoll).help(
                "move the cursor to the next poll of the worker or, on any worker, of the pin",
            ),
            ScreenKey::new(Action::PreviousMatch, Action::PreviousPoll)
                .help("move the cursor to the previous poll of the worker or of the pin"),
            ScreenKey::new(Action::Raise, Action::ZoomIn)
                .in_footer("zoom", 3)
                .help("zoom in; the wheel zooms at the mouse, a drag to its span"),
            ScreenKey::new(Action::Lower, Action::ZoomOut).help("zoom out"),
            ScreenKey::new(Action::Freeze, Action::Freeze).in_footer("freeze", 3),
        ],
        subscribe: |subscription| subscription.timeline = true,
        open: |app| app.polled_task().map(|key| Opened::Overlay(Overlay::Task(key))),
    },
    title,
    viewport: |app, size| {
        let plan = Plan::new(app, size);
        Viewport {
            timeline_columns: plan.columns(size.width),
            timeline_polls: usize::from(plan.polls.saturating_sub(1)),
            ..Viewport::with_rows(plan.workers.into())
        }
    },
    draw,
};

fn title(app: &App, theme: Theme) -> Spans {
    let (from, to) = app.timeline.window(app.polls());
    let mut spans = vec![(" Timeline".into(), theme.title())];
    if to > from {
        spans.push((format!("  {} across", duration(to - from)), theme.dim()));
    }
    spans.extend(title::target(app, theme));
    spans.extend(title::pin(app, theme));
    let (first, count) = (app.cursor().top(), app.polls().workers());
    let last = (first + app.cursor().height()).min(count);
    if last - first.min(last) < count {
        let order = if app.worker_order().is_sorted() { "" } else { ", busiest first" };
        let (first, dash) = (first + 1, theme.glyph("–", "-"));
        let text = format!("  workers: rows {first}{dash}{last} of {count}{order}");
        spans.push((text, theme.dim()));
    }
    spans
}

fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let timeline = app.polls();
    if timeline.workers() == 0 {
        for (line, y) in
            lines::unavailable(app, canvas.theme, area.width).iter().zip(area.top()..area.bottom())
        {
            canvas.line(area.x, y, area.right(), line);
        }
        return;
    }
    let plan = Plan::new(app, area.as_size());
    let (from, to) = app.timeline.window(timeline);
    let count = plan.columns(area.width);
    // The bars of all workers: the legend includes those that are not visible.
    let scope = app.poll_scope();
    let bar = |worker| timeline.bar(worker, (from, to), count, &scope);
    let bars: Vec<_> = (0..timeline.workers()).map(bar).collect();
    let mut y = area.y;
    let part = |y: u16, height: u16| Rect { y, height, ..area };
    let rows = app.worker_order().iter().filter_map(|worker| Some((*worker, bars.get(*worker)?)));
    for (worker, bar) in rows.skip(app.cursor().top()).take(plan.workers.into()) {
        track::draw(app, canvas, part(y, plan.track), plan.label, worker, bar);
        let columns = Rect {
            x: area.x + plan.label,
            width: area.width.saturating_sub(plan.label),
            ..part(y, plan.track)
        };
        canvas.on_click(columns, HitTarget::Moment { worker, column: 0 });
        y += plan.track;
    }
    if plan.lane > 0 {
        lane::draw(app, canvas, part(y, plan.lane), plan.label, count, (from, to));
        y += plan.lane;
    }
    if plan.axis {
        axis::draw(app, canvas, part(y, 1), plan.label, count, (from, to));
        y += 1;
    }
    let mut lines = Vec::new();
    match (plan.cursor, lines::cursor(app, canvas.theme, area.width, plan.cursor)) {
        (0, _) => {}
        (1, cursor) => lines.push(cursor.concat()),
        (_, cursor) => lines.extend(cursor),
    }
    let shares = model::group_shares(&bars);
    lines.extend(match app.pin() {
        Some(pin) => vec![lines::pin_legend(canvas.theme, pin.name(), &shares, &bars)],
        None => lines::legend(app, canvas.theme, area.width, plan.legend, &shares, &bars),
    });
    for line in lines.iter().take(usize::from(area.bottom() - y)) {
        canvas.line(area.x, y, area.right(), line);
        y += 1;
    }
    if plan.polls > 0 {
        polls::draw(app, canvas, part(area.bottom() - plan.polls, plan.polls), (from, to));
    }
}
