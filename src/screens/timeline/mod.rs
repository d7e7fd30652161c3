//! The timeline: one row per worker, with its polls over time.
//!
//! ```text
//!  w0 ▂ ▁  ▃   ▁▂██████████████████████    how much of each column was spent in polls
//!     H T  C   HThog───────────────────    whose polls: letters, or a name along one poll
//!     │-8s    │-6s    │-4s    │-2s   now
//!  w0 at -1.27s polls hog (task 26) for 2.31s, still running  after heartbeat-2
//!  H heartbeat 1.2%  T tcp 3.0%  C cruncher 10.1%  O hog 23%   idle 63%
//! ```

mod axis;
mod lines;
mod track;

use ratatui::layout::Rect;

use super::widgets::canvas::Canvas;
use crate::{
    app::{App, HitTarget},
    model,
};

/// What stands to the left of the bars.
const LABEL: u16 = 5;

/// How many columns the bars have.
pub(super) fn columns(width: u16) -> usize {
    usize::from(width.saturating_sub(LABEL).max(1))
}

/// Where the parts are. As the height shrinks the bars become lower first, then the
/// legend leaves, the reading, and the axis.
struct Plan {
    /// Lines for each worker.
    tall: u16,
    /// Workers that there is room for.
    workers: u16,
    axis: bool,
    /// Lines for what is under the cursor.
    reading: u16,
    legend: u16,
}

impl Plan {
    fn new(app: &App, height: u16) -> Plan {
        let axis = height >= 3;
        let (reading, legend) = match height {
            ..5 => (0, 0),
            5 => (1, 0),
            6..12 => (1, 1),
            12..24 => (2, 2),
            _ => (2, 3),
        };
        let left = height - u16::from(axis) - reading - legend;
        let workers = u16::try_from(app.polls().workers().max(1)).unwrap_or(u16::MAX);
        let tall = (left / workers).clamp(1, 5);
        Plan { tall, workers: (left / tall).max(1), axis, reading, legend }
    }
}

/// How many workers there is room for.
pub(super) fn workers(app: &App, body: usize) -> usize {
    usize::from(Plan::new(app, u16::try_from(body).unwrap_or(u16::MAX)).workers)
}

pub(super) fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let timeline = app.polls();
    if timeline.workers() == 0 {
        for (line, y) in
            lines::nothing(app, canvas.look, area.width).iter().zip(area.top()..area.bottom())
        {
            canvas.line(area.x, y, area.right(), line);
        }
        return;
    }
    let plan = Plan::new(app, area.height);
    let (from, to) = app.timeline.window(timeline);
    let count = columns(area.width);
    // All of them: those that are scrolled away count in the legend.
    let bars: Vec<_> =
        (0..timeline.workers()).map(|worker| timeline.bar(worker, from, to, count)).collect();
    let mut y = area.y;
    let visible = bars.iter().enumerate().skip(app.workers.top()).take(plan.workers.into());
    for (worker, bar) in visible {
        let place = Rect::new(area.x, y, area.width, plan.tall);
        track::draw(app, canvas, place, worker, bar);
        y += plan.tall;
    }
    if plan.axis {
        axis::draw(app, canvas, Rect::new(area.x, y, area.width, 1), (from, to));
        y += 1;
    }
    let mut lines = Vec::new();
    match (plan.reading, lines::reading(app, canvas.look)) {
        (0, _) => {}
        (1, reading) => lines.push(reading.concat()),
        (_, reading) => lines.extend(reading),
    }
    let shares = model::group_shares(&bars);
    lines.extend(lines::legend(app, canvas.look, area.width, plan.legend, &shares, &bars));
    for (line, y) in lines.iter().zip(y..area.bottom()) {
        canvas.line(area.x, y, area.right(), line);
    }
}

/// The moment that is shown at this place.
pub(super) fn moment_at(app: &App, body: Rect, x: u16, y: u16) -> Option<HitTarget> {
    let plan = Plan::new(app, body.height);
    let row = y.checked_sub(body.y)? / plan.tall;
    let worker = app.workers.top() + usize::from(row);
    let column = usize::from(x.checked_sub(body.x + LABEL)?);
    let shown = row < plan.workers && worker < app.polls().workers();
    shown.then_some(HitTarget::Moment { worker, column })
}
