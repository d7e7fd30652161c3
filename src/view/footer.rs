//! The line above the list and the last line: what is shown, what was typed, which keys
//! there are, what the lab answered.

use ratatui::{layout::Rect, style::Style};
use unicode_width::UnicodeWidthStr;

use super::canvas::{Canvas, Pieces};
use crate::app::{Action, App, Overlay, Prompt, Screen, keymap::KEYMAP};

/// What the list is, how it is sorted, and the filter.
pub(super) fn title(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let look = canvas.look;
    let mark = |descending| {
        if descending { look.glyph("▼", "v") } else { look.glyph("▲", "^") }
    };
    let mut left: Pieces = Vec::new();
    match (&app.overlay, app.screen) {
        (Overlay::Help { .. }, _) => left.push((" Help".into(), look.title())),
        (Overlay::Task { .. }, _) => left.push((" Task".into(), look.title())),
        (_, Screen::Tasks) => {
            left.push((format!(" Tasks {}", tasks(app)), look.title()));
            if let Some(group) = &app.query.group {
                left.push((format!("  of group {group}"), look.title()));
            }
            let sort = app.query.sort.title().to_lowercase();
            left.push((format!("  by {sort} {}", mark(app.query.descending)), look.dim()));
        }
        (_, Screen::Groups) => {
            let (sort, descending) = app.group_sort;
            left.push((format!(" Groups {}", app.group_rows().len()), look.title()));
            let sort = sort.title().to_lowercase();
            left.push((format!("  by {sort} {}", mark(descending)), look.dim()));
        }
        (_, Screen::Workers) => {
            left.push((format!(" Workers {}", app.model().workers().len()), look.title()));
        }
        (_, Screen::Lab) => left.push((" Lab".into(), look.title())),
    }
    let x = canvas.line(area.x, area.y, area.right(), &left);
    canvas.line_right(x + 1, area.y, area.right(), &filter(app, canvas));
}

/// Shown tasks, living tasks, and those that nobody measures.
fn tasks(app: &App) -> String {
    let Some(snapshot) = app.model().snapshot() else { return "–".into() };
    let measured = snapshot.runtime.measured_tasks;
    let alive = match snapshot.runtime.alive_tasks.value() {
        // Between Tokio's count and ours tasks come and go: a few more are no news.
        Some(alive) if alive > measured + 2 => {
            format!("{measured}/{alive} ({} not measured)", alive - measured)
        }
        _ => measured.to_string(),
    };
    let shown = app.order().len();
    if app.query.filter.is_empty() && app.query.group.is_none() {
        alive
    } else {
        format!("{shown} of {alive}")
    }
}

fn filter(app: &App, canvas: &Canvas<'_>) -> Pieces {
    let look = canvas.look;
    match (&app.prompt, app.filter.as_str()) {
        (Prompt::Filter, text) => {
            vec![(format!(" / {text}"), look.key()), (look.glyph("▏", "_").into(), look.key())]
        }
        (_, "") => Vec::new(),
        (_, text) => {
            vec![(format!(" / {text}"), look.warning()), ("  Esc clears ".into(), look.dim())]
        }
    }
}

/// The last line: a question, an answer, or the keys.
pub(super) fn keys(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    if urgent(app, canvas, area) {
        return;
    }
    let look = canvas.look;
    let mut x = area.x;
    for binding in KEYMAP.iter().filter(|binding| !binding.short.is_empty()) {
        let width = (binding.label.width() + binding.short.width() + 3) as u16;
        if x + width > area.right() {
            continue;
        }
        let here = binding.action == Action::Show(app.screen);
        let style = if here { look.selected() } else { Style::new() };
        let label = binding.label.split(' ').next().unwrap_or_default();
        x += canvas.put(x, area.y, area.width, &format!(" {label}"), look.key());
        x += canvas.put(x, area.y, area.width, &format!(" {}", binding.short), style);
    }
}

/// A question or an answer, over whatever is in the last line of the area. Returns whether
/// there was one.
pub(super) fn urgent(app: &App, canvas: &mut Canvas<'_>, area: Rect) -> bool {
    let look = canvas.look;
    let (text, style) = match (&app.prompt, app.message()) {
        (Prompt::Cancel { name, .. }, _) => {
            (format!(" cancel {name}? x again does it, Esc does not"), look.warning())
        }
        (Prompt::Filter, _) => {
            (" words to find: Enter keeps them, Esc clears them".to_owned(), look.dim())
        }
        (_, Some(message)) => (format!(" {message}"), look.title()),
        _ => return false,
    };
    let last = Rect::new(area.x, area.bottom().saturating_sub(1), area.width, 1);
    canvas.clear(last);
    canvas.put(last.x, last.y, last.width, &text, style);
    true
}
