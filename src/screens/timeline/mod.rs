//! The timeline: one row per worker, with its polls over time.
//!
//! ```text
//!  w0 ▂ ▁  ▃   ▁▂██████████████████████    how much of each column was spent in polls
//!     H T  C   HThog───────────────────    the groups polled: letters, or a name along one poll
//!     │-8s    │-6s    │-4s    │-2s   now
//!  w0 at -1.27s polls hog (task 26) for 2.31s, still running  after heartbeat-2
//!  H heartbeat 1.2%  T tcp 3.0%  C cruncher 10.1%  O hog 23%   idle 63%
//! ```

mod axis;
mod lines;
mod track;

use crossterm::event::{KeyCode, KeyModifiers};
use ratatui::layout::Rect;

use super::{
    ScreenEntry,
    theme::Theme,
    widgets::canvas::{Canvas, Spans},
};
use crate::{
    app::{
        Action, App, HitTarget, List, Opened, Overlay, ScreenId, ScreenKey, ScreenSpec, Viewport,
        keymap::Binding,
    },
    model::{self, WorkerActivity},
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
        list: List::Workers,
        needs: Some(FieldId::Timeline),
        keys: &[
            ScreenKey::new(Action::Left, Action::MoveCursor(-1)),
            ScreenKey::new(Action::Right, Action::MoveCursor(1)),
            ScreenKey::new(Action::First, Action::CursorToStart),
            ScreenKey::new(Action::Last, Action::CursorToEnd),
            ScreenKey::new(Action::NextPoll, Action::NextPoll),
            ScreenKey::new(Action::PreviousPoll, Action::PreviousPoll),
            ScreenKey::new(Action::Raise, Action::ZoomIn).in_footer("in", 3),
            ScreenKey::new(Action::Lower, Action::ZoomOut).in_footer("out", 3),
            ScreenKey::new(Action::Freeze, Action::Freeze).in_footer("freeze", 3),
        ],
        subscribe: |subscription| subscription.timeline = true,
        open: |app| match (app.timeline_activity(), app.target()) {
            (WorkerActivity::Poll { poll, .. }, Some(target)) => {
                Ok(Opened::Overlay(Overlay::Task(target.task_key(poll.key))))
            }
            _ => Err("no poll at the cursor; n and N move it to one"),
        },
    },
    title,
    viewport: |app, size| Viewport {
        timeline_columns: columns(size.width),
        ..Viewport::with_rows(Plan::new(app, size.height).workers.into())
    },
    draw,
};

/// The width of the labels to the left of the tracks.
const LABEL: u16 = 5;

/// The number of columns of a track.
fn columns(width: u16) -> usize {
    usize::from(width.saturating_sub(LABEL).max(1))
}

fn title(app: &App, theme: Theme) -> Spans {
    let (from, to) = app.timeline.window(app.polls());
    let span = duration(to.saturating_sub(from));
    vec![(" Timeline".into(), theme.title()), (format!("  {span} across"), theme.dim())]
}

/// The heights of the parts. As the height shrinks, tracks become lower first; then the legend, the
/// description of the cursor and the axis are dropped.
struct Plan {
    /// Lines of a track.
    track: u16,
    /// Tracks that fit.
    workers: u16,
    axis: bool,
    /// Lines that describe the cursor.
    cursor: u16,
    legend: u16,
}

impl Plan {
    fn new(app: &App, height: u16) -> Plan {
        let axis = height >= 3;
        let (cursor, legend) = match height {
            ..5 => (0, 0),
            5 => (1, 0),
            6..12 => (1, 1),
            12..24 => (2, 2),
            _ => (2, 3),
        };
        let left = height - u16::from(axis) - cursor - legend;
        let workers = u16::try_from(app.polls().workers().max(1)).unwrap_or(u16::MAX);
        let track = (left / workers).clamp(1, 5);
        Plan { track, workers: (left / track).max(1), axis, cursor, legend }
    }
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
    let plan = Plan::new(app, area.height);
    let (from, to) = app.timeline.window(timeline);
    let count = columns(area.width);
    // The bars of all workers: the legend includes those that are not visible.
    let bars: Vec<_> =
        (0..timeline.workers()).map(|worker| timeline.bar(worker, from, to, count)).collect();
    let mut y = area.y;
    let visible = bars.iter().enumerate().skip(app.cursor().top()).take(plan.workers.into());
    for (worker, bar) in visible {
        let track = Rect::new(area.x, y, area.width, plan.track);
        track::draw(app, canvas, track, worker, bar);
        let polls = Rect { x: area.x + LABEL, width: area.width.saturating_sub(LABEL), ..track };
        canvas.on_click(polls, HitTarget::Moment { worker, column: 0 });
        y += plan.track;
    }
    if plan.axis {
        axis::draw(app, canvas, Rect::new(area.x, y, area.width, 1), (from, to));
        y += 1;
    }
    let mut lines = Vec::new();
    match (plan.cursor, lines::cursor(app, canvas.theme)) {
        (0, _) => {}
        (1, cursor) => lines.push(cursor.concat()),
        (_, cursor) => lines.extend(cursor),
    }
    let shares = model::group_shares(&bars);
    lines.extend(lines::legend(app, canvas.theme, area.width, plan.legend, &shares, &bars));
    for (line, y) in lines.iter().zip(y..area.bottom()) {
        canvas.line(area.x, y, area.right(), line);
    }
}
