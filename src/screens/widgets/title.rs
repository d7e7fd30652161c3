//! The line above the body: the title of the screen; the filter, or runnable tasks and queues.

use ratatui::{
    layout::Rect,
    style::{Modifier, Style},
};
use unicode_width::UnicodeWidthStr;

use super::canvas::{Canvas, Spans};
use crate::{
    app::{App, Prompt},
    model::{Row, field},
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

/// The part of a title that states the order of tasks or groups.
pub fn order<R: Row>(app: &App, theme: Theme) -> Option<(String, Style)> {
    let query = app.row_query().query()?;
    Some(sorted_by(theme, field::<R>(query.sort)?.title, query.descending))
}

/// The part of a title that states the order of the rows.
pub fn sorted_by(theme: Theme, column: &str, descending: bool) -> (String, Style) {
    let mark = if descending { theme.glyph("▼", "v") } else { theme.glyph("▲", "^") };
    (format!("  by {} {mark}", column.to_lowercase()), theme.dim())
}

fn filter(app: &App, theme: Theme) -> Spans {
    let text = &app.filter;
    let is_edited = app.prompt == Prompt::Filter;
    if !is_edited && (text.is_empty() || app.overlay().is_some()) {
        return Vec::new();
    }
    let style = if is_edited { theme.key() } else { theme.warning() };
    let at = app.filter_error().map_or(0..0, |error| error.at);
    let mut spans = vec![
        (format!(" / {}", &text[..at.start]), style),
        (text[at.clone()].to_owned(), theme.critical().add_modifier(Modifier::UNDERLINED)),
        (text[at.end..].to_owned(), style),
    ];
    if is_edited {
        spans.push((theme.glyph("▏", "_").into(), style));
    } else if app.group().is_none() {
        // In a group, Esc leaves the group first.
        spans.push(("  Esc clears ".into(), theme.dim()));
    }
    spans
}

/// Draws what is wrong with the filter below its term, over the line below the title.
pub fn draw_filter_error(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let Some(error) = app.filter_error().filter(|_| app.prompt == Prompt::Filter) else { return };
    let theme = canvas.theme;
    let spans = filter(app, theme);
    let width = |spans: &[(String, Style)]| -> usize { spans.iter().map(|it| it.0.width()).sum() };
    let to_end = width(&spans) - width(&spans[..1]);
    let text = format!("{} {} ", theme.glyph("▲", "^"), error.message);
    let column = usize::from(area.width).saturating_sub(to_end.max(text.width())) as u16;
    let x = area.x + column;
    canvas.clear(Rect { x, y: area.y + 1, width: area.right() - x, height: 1 });
    canvas.put(x, area.y + 1, area.right() - x, &text, theme.critical());
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
