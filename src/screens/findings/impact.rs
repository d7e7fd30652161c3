//! The impact table: the long polls of the last minute by task.
//!
//! ```text
//!  TASK-SECONDS  TASKS   POLLS  BLOCKED  OFFENDER
//!          3.20     16      12    1.30s  hog  hog::spin src/lab/workload/hog.rs:61
//!        ≤ 0.31      4       3   45.0ms  parser  app::parse src/parse.rs:20
//! ```
//!
//! The delays of all tasks are added: 16 tasks that are delayed by one second each are 16
//! task-seconds.

use std::sync::Arc;

use ratatui::{layout::Rect, style::Style};

use crate::{
    app::App,
    model::{Offender, OffenderRow},
    screens::{
        theme::Theme,
        widgets::canvas::{Canvas, Spans},
    },
    text::{compact_count, duration, task_seconds},
};

/// Minimum height of the body that includes the table.
const MIN_BODY: u16 = 10;
const MAX_ROWS: u16 = 5;

/// The height of the table in a body of this height.
pub(super) fn height(app: &App, body: u16) -> u16 {
    let offenders: usize =
        app.model().targets().iter().map(|t| t.impact_table().offenders().len()).sum();
    match u16::try_from(offenders).unwrap_or(u16::MAX) {
        0 => 0,
        _ if body < MIN_BODY => 0,
        // A blank line and the titles.
        n => 2 + n.min(MAX_ROWS).min(body / 4),
    }
}

/// Draws the table into the last lines of `area`.
pub(super) fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let lines = height(app, area.height);
    let Some(rows) = lines.checked_sub(2) else { return };
    let top = area.bottom() - lines + 1;
    let titles =
        format!(" {:>12}{:>7}{:>8}{:>9}  OFFENDER", "TASK-SECONDS", "TASKS", "POLLS", "BLOCKED");
    canvas.line(area.x, top, area.right(), &vec![(titles, canvas.theme.title())]);
    let several = app.has_several_targets();
    let impact = app.model().offenders().into_iter().take(usize::from(rows));
    for (OffenderRow { target, offender }, y) in impact.zip(top + 1..) {
        let line = line(canvas.theme, offender, several.then(|| target.name()));
        canvas.line(area.x, y, area.right(), &line);
    }
}

fn line(theme: Theme, offender: &Offender, target: Option<&Arc<str>>) -> Spans {
    // While other workers polled, not every delay was caused by this task.
    let cost = offender.impact.map_or("–".to_owned(), |cost| {
        let at_most = if cost.exact { "" } else { theme.glyph("≤ ", "<= ") };
        format!("{at_most}{}", task_seconds(cost.total_ns))
    });
    let tasks = offender.impact.map_or("–".to_owned(), |cost| compact_count(cost.tasks as u64));
    let (polls, held) = (compact_count(offender.polls), duration(offender.blocked_ns));
    let function = offender.function.as_deref().unwrap_or("– no stack");
    let of = target.map(|target| format!(" of {target}")).unwrap_or_default();
    let place = offender.place.as_deref().unwrap_or_default();
    vec![
        (format!(" {cost:>12}"), theme.warning()),
        (
            format!("{tasks:>7}{polls:>8}{held:>9}  {}{of}  {function} ", offender.name),
            Style::new(),
        ),
        (place.to_owned(), theme.dim()),
    ]
}
