//! The line above the body: the title of the screen; the filter, or runnable tasks and queues.

use ratatui::{
    layout::Rect,
    style::{Modifier, Style},
};
use unicode_width::UnicodeWidthStr;

use super::{
    canvas::{Canvas, Spans},
    columns::width_of,
};
use crate::{
    app::{App, Overlay, Prompt},
    model::{Row, field},
    screens::theme::Theme,
    snapshot::FieldId,
    text::{count, optional},
};

/// Draws the title, and the filter or the queues to the right of it.
pub fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect, title: &Spans) {
    let left = canvas.line(area.x, area.y, area.right(), title) + 2;
    let width = usize::from(area.right().saturating_sub(left));
    let mut right = filter(app, canvas.theme, width);
    if right.is_empty() {
        right = vec![(queues(app, width), canvas.theme.dim())];
    }
    canvas.line_right(left, area.y, area.right(), &right);
}

/// The part of a title that names the pinned task or group.
pub fn pin(app: &App, theme: Theme) -> Option<(String, Style)> {
    let pin = app.visible_pin()?;
    Some((format!("  pinned: {}", pin.name()), theme.warning()))
}

/// The part of a title that names the target, on a screen that shows one of several: that of the row
/// that was selected on a screen with the rows of all.
pub fn target(app: &App, theme: Theme) -> Option<(String, Style)> {
    let target = app.selected().filter(|_| app.has_several_targets())?;
    Some((format!("  of {}", target.name()), theme.title()))
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

/// The filter, or the words to find in the help, in `width` columns while they are edited.
fn filter(app: &App, theme: Theme, width: usize) -> Spans {
    let is_edited = matches!(app.prompt, Prompt::Filter | Prompt::HelpSearch);
    let is_help = app.overlay() == Some(&Overlay::Help);
    let text = if is_help { &app.help_search } else { &app.filter };
    let is_hidden = !is_help && (app.overlay().is_some() || !app.has_filter());
    if !is_edited && (text.is_empty() || is_hidden) {
        return Vec::new();
    }
    let style = if is_edited { theme.key() } else { theme.warning() };
    let mut spans = vec![(" / ".to_owned(), style)];
    spans.extend(parts(app, theme, style, width).into_iter().map(|(_, span)| span));
    if !is_edited && app.visible_pin().is_none() {
        // Esc removes the pin first.
        spans.push(("  Esc clears ".into(), theme.dim()));
    }
    spans
}

/// The visible parts of the filter, each with its first byte. The wrong term and the character at the
/// cursor have a style of their own.
fn parts(app: &App, theme: Theme, style: Style, width: usize) -> Vec<(usize, (String, Style))> {
    let is_edited = matches!(app.prompt, Prompt::Filter | Prompt::HelpSearch);
    let is_help = app.overlay() == Some(&Overlay::Help);
    let text = if is_help { &app.help_search } else { &app.filter };
    let error = app.filter_error().filter(|_| !is_help).map_or(0..0, |error| error.at);
    let (visible, cursor) = match is_edited {
        true => (app.editor.visible(width.saturating_sub(4)), Some(app.editor.cursor())),
        false => (0..text.len(), None),
    };
    let after_cursor =
        cursor.and_then(|cursor| Some(cursor + text[cursor..].chars().next()?.len_utf8()));
    let mut ends: Vec<usize> = [error.start, error.end, visible.end]
        .into_iter()
        .chain(cursor)
        .chain(after_cursor)
        .filter(|end| visible.start < *end && *end <= visible.end)
        .collect();
    ends.sort_unstable();
    ends.dedup();
    let (mut at, mut parts) = (visible.start, Vec::new());
    for end in ends {
        let mut of_part = if error.contains(&at) {
            theme.critical().add_modifier(Modifier::UNDERLINED)
        } else {
            style
        };
        if cursor == Some(at) {
            of_part = of_part.add_modifier(Modifier::REVERSED);
        }
        parts.push((at, (text[at..end].to_owned(), of_part)));
        at = end;
    }
    if cursor == Some(text.len()) {
        parts.push((at, (" ".to_owned(), style.add_modifier(Modifier::REVERSED))));
    }
    parts
}

/// Draws what is wrong with the filter below its term, over the line below the title. `title` is the
/// left part of the title.
pub fn draw_filter_error(app: &App, canvas: &mut Canvas<'_>, area: Rect, title: &Spans) {
    let Some(error) = app.filter_error().filter(|_| app.prompt == Prompt::Filter) else { return };
    let theme = canvas.theme;
    let available = usize::from(area.width).saturating_sub(width_of(title) + 2);
    let parts = parts(app, theme, Style::new(), available);
    let to_end: usize = (parts.iter())
        .filter(|(at, _)| *at >= error.at.start)
        .map(|(_, (text, _))| text.width())
        .sum();
    let text = format!("{} {} ", theme.glyph("▲", "^"), error.message);
    let column = usize::from(area.width).saturating_sub(to_end.max(text.width())) as u16;
    let x = area.x + column;
    canvas.clear(Rect { x, y: area.y + 1, width: area.right() - x, height: 1 });
    canvas.put(x, area.y + 1, area.right() - x, &text, theme.critical());
}

/// The runnable tasks of all targets and the queues of the selected one, abbreviated if there is
/// little room.
fn queues(app: &App, width: usize) -> String {
    // A target that has not answered has no queues yet.
    let Some(target) = app.target().filter(|target| target.epoch > 0) else {
        return String::new();
    };
    let runtime = &target.runtime;
    let known = |field, value: u64| optional(target.description.get(field, value).ok(), count);
    let models = app.model().targets().iter();
    let runnable: usize = models.map(|model| model.scheduling_delay().runnable).sum();
    let runnable = count(runnable as u64);
    let (injection, pool) = (
        known(FieldId::InjectionQueue, runtime.injection_queue),
        known(FieldId::BlockingThreads, runtime.blocking_threads),
    );
    let long = format!("runnable {runnable}  injection queue {injection}  blocking pool {pool} ");
    match long.width() <= width {
        true => long,
        false => format!("runnable {runnable}  inj {injection}  pool {pool} "),
    }
}
