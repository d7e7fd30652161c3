//! The line above the body: the title of the screen; the filter, or runnable tasks and queues.

use ratatui::{layout::Rect, style::Style};
use unicode_width::UnicodeWidthStr;

use super::canvas::{Canvas, Spans};
use crate::{
    app::{App, Prompt},
    screens::theme::Theme,
    snapshot::FieldId,
    text::optional,
};

/// Draws the title, and the filter or the queues to the right of it.
pub fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect, title: &Spans) {
    let left = canvas.line(area.x, area.y, area.right(), title) + 2;
    let mut right = filter(app, canvas.theme);
    if right.is_empty() {
        let room = usize::from(area.right().saturating_sub(left));
        right = vec![(queues(app, room), canvas.theme.dim())];
    }
    canvas.line_right(left, area.y, area.right(), &right);
}

/// The part of a title that states the order of the rows.
pub fn sorted_by(theme: Theme, column: &str, descending: bool) -> (String, Style) {
    let mark = if descending { theme.glyph("▼", "v") } else { theme.glyph("▲", "^") };
    (format!("  by {} {mark}", column.to_lowercase()), theme.dim())
}

fn filter(app: &App, theme: Theme) -> Spans {
    let text = &app.filter;
    if app.prompt == Prompt::Filter {
        return vec![
            (format!(" / {text}"), theme.key()),
            (theme.glyph("▏", "_").into(), theme.key()),
        ];
    }
    if text.is_empty() || app.overlay().is_some() {
        return Vec::new();
    }
    let mut spans = vec![(format!(" / {text} "), theme.warning())];
    // In a group, Esc leaves the group first.
    if app.group().is_none() {
        spans.push((" Esc clears ".into(), theme.dim()));
    }
    spans
}

/// The runnable tasks of all targets and the queues of the selected one, abbreviated if there is
/// little room.
fn queues(app: &App, room: usize) -> String {
    let Some(target) = app.target() else { return String::new() };
    let runtime = &target.runtime;
    let count = |field, value: u64| {
        optional(target.description.get(field, value).ok(), |value| value.to_string())
    };
    let runnable: usize =
        app.model().targets().iter().map(|model| model.scheduling_delay().runnable).sum();
    let (injection, pool) = (
        count(FieldId::InjectionQueue, runtime.injection_queue),
        count(FieldId::BlockingThreads, runtime.blocking_threads),
    );
    let long = format!("runnable {runnable}  injection queue {injection}  blocking pool {pool} ");
    match long.width() <= room {
        true => long,
        false => format!("runnable {runnable}  inj {injection}  pool {pool} "),
    }
}
