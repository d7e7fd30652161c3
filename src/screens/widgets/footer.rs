//! The last line: a question, an answer, or the keys that matter here.

use ratatui::{layout::Rect, style::Style};
use unicode_width::UnicodeWidthStr;

use super::canvas::Canvas;
use crate::app::{
    Action, App, Overlay, Prompt, Screen,
    keymap::{Binding, KEYMAP},
};

/// A key in its place on the bar.
pub struct Entry {
    x: u16,
    width: u16,
    label: &'static str,
    word: &'static str,
    pub action: Action,
}

impl Entry {
    pub fn covers(&self, x: u16) -> bool {
        (self.x..self.x + self.width).contains(&x)
    }
}

/// Columns that keys get beside a message: for those that lead out and to all the other keys.
const KEYS_BESIDE_MESSAGE: u16 = 16;

/// The message, if it has room beside the keys, with a space at both ends.
fn message_beside_keys(app: &App, width: u16) -> Option<String> {
    let message = app.message().filter(|_| app.prompt == Prompt::None)?;
    let text = format!(" {message} ");
    (text.width() + usize::from(KEYS_BESIDE_MESSAGE) <= usize::from(width)).then_some(text)
}

/// The keys that have room. There is always a way out, and a way to all the other keys.
pub fn entries(app: &App, width: u16) -> Vec<Entry> {
    let message = message_beside_keys(app, width);
    let width = width - message.map_or(0, |text| text.width() as u16);
    let mut bar: Vec<(u8, Entry)> = KEYMAP.iter().filter_map(|key| entry(app, key)).collect();
    bar.sort_by_key(|(_, entry)| place(entry.action));
    let wide = |bar: &[(u8, Entry)], gap: u16| -> u16 {
        bar.iter().map(|(_, entry)| entry.width + gap).sum::<u16>()
    };
    while wide(&bar, 1) + 1 > width {
        let Some(rank) = bar.iter().map(|(rank, _)| *rank).max() else { break };
        let Some(last) = bar.iter().rposition(|(one, _)| *one == rank) else { break };
        bar.remove(last);
    }
    let gap = if wide(&bar, 2) < width { 2 } else { 1 };
    let mut x = 1;
    for (_, entry) in &mut bar {
        entry.x = x;
        x += entry.width + gap;
    }
    bar.into_iter().map(|(_, entry)| entry).collect()
}

/// How a key is shown here, and its rank: the greatest is the first to leave.
fn entry(app: &App, key: &Binding) -> Option<(u8, Entry)> {
    let over = app.overlay != Overlay::None;
    let back = over || app.query.group.is_some() || !app.filter.is_empty();
    if !app.has(key.action) {
        return None;
    }
    let (rank, word) = match key.action {
        Action::Back if back => (2, "back"),
        Action::Raise | Action::Lower if app.screen == Screen::Lab && !over => (3, key.short),
        Action::Pause | Action::Restart if app.screen == Screen::Lab && !over => (8, key.short),
        Action::Raise if app.screen == Screen::Timeline && !over => (3, "in"),
        Action::Lower if app.screen == Screen::Timeline && !over => (3, "out"),
        Action::AskWhere if matches!(app.overlay, Overlay::Task { .. }) => (4, key.short),
        Action::Open if app.screen == Screen::Groups && !over => (5, "tasks"),
        Action::Open if matches!(app.overlay, Overlay::Finding { .. }) => (5, "task"),
        Action::Open if app.screen == Screen::Findings && !over => (5, "why"),
        Action::Quit => (0, key.short),
        Action::Help => (1, key.short),
        Action::ToggleHog => (3, key.short),
        Action::Show(screen) if screen == app.screen => (2, key.short),
        Action::Show(_) => (4, key.short),
        Action::Freeze if app.screen == Screen::Timeline => (3, key.short),
        Action::Freeze => (6, key.short),
        Action::Filter
            if matches!(app.screen, Screen::Tasks | Screen::Groups | Screen::Resources) =>
        {
            (5, key.short)
        }
        Action::SwitchFlavor => (7, key.short),
        _ => return None,
    };
    let label = key.label.split(' ').next().unwrap_or_default();
    let width = (label.width() + 1 + word.width()) as u16;
    Some((rank, Entry { x: 0, width, label, word, action: key.action }))
}

/// What leads away comes last, what is only here comes before it.
fn place(action: Action) -> u8 {
    match action {
        Action::Show(_) => 0,
        Action::Open | Action::Raise | Action::Lower | Action::Pause | Action::Restart => 1,
        Action::Help | Action::Quit => 4,
        Action::Back => 3,
        _ => 2,
    }
}

/// The bar, with a message at its right end if there is room. Otherwise a question or a message
/// takes the line.
pub fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let look = canvas.look;
    match message_beside_keys(app, area.width) {
        Some(text) => canvas.put_right(area.x, area.y, area.width, &text, look.title()),
        None if urgent(app, canvas, area) => return,
        None => {}
    }
    for entry in entries(app, area.width) {
        let here = entry.action == Action::Show(app.screen);
        let style = if here { look.selected() } else { Style::new() };
        let x = entry.x + canvas.put(entry.x, area.y, area.width, entry.label, look.key()) + 1;
        canvas.put(x, area.y, area.width.saturating_sub(x), entry.word, style);
    }
}

/// A question or an answer, over whatever is in the last line of the area. Returns whether
/// there was one.
pub fn urgent(app: &App, canvas: &mut Canvas<'_>, area: Rect) -> bool {
    let look = canvas.look;
    let (text, style) = match (&app.prompt, app.message()) {
        (Prompt::Cancel { name, .. }, _) => {
            (format!(" cancel {name}? x to confirm, Esc to keep it"), look.warning())
        }
        (Prompt::Filter, _) => {
            let text =
                " filter words: Enter applies, Esc clears, Ctrl-w deletes a word, Ctrl-u all";
            (text.to_owned(), look.dim())
        }
        (_, Some(message)) => (format!(" {message}"), look.title()),
        _ => return false,
    };
    let last = Rect::new(area.x, area.bottom().saturating_sub(1), area.width, 1);
    canvas.clear(last);
    canvas.put(last.x, last.y, last.width, &text, style);
    true
}
