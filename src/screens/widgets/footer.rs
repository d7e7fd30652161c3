//! The last line: a prompt, a message, or the keys of the screen.

use std::borrow::Cow;

use ratatui::{layout::Rect, style::Style};
use unicode_width::UnicodeWidthStr;

use super::canvas::Canvas;
use crate::{
    app::{Action, App, HitTarget, List, Overlay, Prompt, keymap::Binding},
    model::Severity,
    screens::theme::Theme,
    snapshot::LabCommand,
    text::wrap,
};

/// A key in the footer.
#[derive(Clone)]
pub struct FooterKey {
    pub action: Action,
    label: &'static str,
    word: Cow<'static, str>,
    /// Keys with a high rank are dropped first.
    rank: u8,
}

impl FooterKey {
    /// Removes the name of a screen, but not the number of findings after it.
    fn drop_name(&mut self) {
        self.word = self.word.split_once(' ').map_or("", |(_, mark)| mark).to_owned().into();
    }

    fn width(&self) -> u16 {
        (self.label.width() + usize::from(!self.word.is_empty()) + self.word.width()) as u16
    }
}

/// Keys from this rank on are dropped before the names of the other screens.
const LESS_IMPORTANT_THAN_NAMES: u8 = 6;
/// The maximum height of a message.
const MESSAGE_LINES: u16 = 3;
/// Columns reserved for keys beside a message: those that quit and show the help.
const KEYS_BESIDE_MESSAGE: u16 = 16;

/// The message, if it fits beside the keys, with a space at both ends.
fn message_beside_keys(app: &App, width: u16) -> Option<String> {
    let message = app.message().filter(|_| app.prompt == Prompt::None)?;
    let text = format!(" {message} ");
    (text.width() + usize::from(KEYS_BESIDE_MESSAGE) <= usize::from(width)).then_some(text)
}

/// The keys that fit, each with its column. Without room for all, other screens have no name; then
/// keys are dropped, and those that quit and show the help stay the longest.
pub fn keys(app: &App, width: u16) -> Vec<(u16, FooterKey)> {
    let message = message_beside_keys(app, width);
    let width = width - message.map_or(0, |text| text.width() as u16);
    let mut keys: Vec<FooterKey> = app.bindings().filter_map(|key| footer_key(app, key)).collect();
    keys.sort_by_key(|key| place(key.action));
    let total = |keys: &[FooterKey], gap: u16| -> u16 {
        keys.iter().map(|key| key.width() + gap).sum::<u16>()
    };
    // The names of the other screens are worth more than the least important keys.
    let mut named: Vec<FooterKey> = keys.clone();
    while total(&named, 1) + 1 > width && drop_key(&mut named, LESS_IMPORTANT_THAN_NAMES) {}
    if total(&named, 1) < width {
        keys = named;
    } else {
        let current = app.screen().spec.id;
        let others = keys
            .iter_mut()
            .filter(|key| matches!(key.action, Action::Show(screen) if screen != current));
        others.for_each(FooterKey::drop_name);
    }
    while total(&keys, 1) + 1 > width && drop_key(&mut keys, 0) {}
    let gap = if total(&keys, 2) < width { 2 } else { 1 };
    let mut x = 1;
    let place = |key: FooterKey| {
        let at = x;
        x += key.width() + gap;
        (at, key)
    };
    keys.into_iter().map(place).collect()
}

/// Drops the last of the keys with the highest rank, if that is `from` or higher. Returns whether there
/// was one.
fn drop_key(keys: &mut Vec<FooterKey>, from: u8) -> bool {
    let rank = keys.iter().map(|key| key.rank).max().filter(|rank| *rank >= from);
    let last = rank.and_then(|rank| keys.iter().rposition(|key| key.rank == rank));
    last.map(|last| keys.remove(last)).is_some()
}

/// The entry of a key, if the footer shows it now.
fn footer_key(app: &App, key: &Binding) -> Option<FooterKey> {
    let can_go_back =
        app.overlay().is_some() || app.visible_pin().is_some() || !app.filter.is_empty();
    let of_screen = app.screen().key(key.action).filter(|own| !own.short.is_empty());
    let has_rows = app.has(Action::Show(app.screen().spec.id));
    if !app.has(key.action) || is_about_rows(app, key.action) && !has_rows {
        return None;
    }
    let findings = app.screens().find(|spec| spec.list == List::Findings).map(|spec| spec.id);
    let mark = match key.action {
        Action::Show(screen) if Some(screen) == findings => urgent(app),
        _ => None,
    };
    let (rank, word) = match (key.action, app.overlay(), of_screen) {
        (_, None, Some(own)) => (own.rank, own.short),
        (Action::Quit, ..) => (0, key.short),
        (Action::Help, ..) => (1, key.short),
        (Action::Back, ..) if can_go_back => (2, "back"),
        (Action::Show(screen), ..) if screen == app.screen().spec.id => (2, key.short),
        (Action::Lab(LabCommand::ToggleHog), ..) => (3, key.short),
        // This screen stays when others are dropped, if there is something on it.
        (Action::Show(_), ..) if mark.is_some() => (3, key.short),
        (Action::Show(_), ..) => (4, key.short),
        (Action::AwaitPoint, Some(Overlay::Task(key)), _) if app.is_in_long_poll(*key) => {
            return None;
        }
        (Action::AwaitPoint, Some(Overlay::Task(_)), _) => (4, key.short),
        (Action::Open, Some(Overlay::Finding(_) | Overlay::Offender(_)), _) => (5, "task"),
        (Action::Filter, Some(Overlay::Help), _) => (2, "find"),
        (Action::Filter, ..) if app.has_filter() => (5, key.short),
        (Action::Left, None, _) if app.has_filter() => (6, "sort"),
        (Action::Reverse, None, _) if app.has_filter() => (8, "reverse"),
        (Action::SwitchMode, None, _) if app.has_modes() => (4, "mode"),
        (Action::ChangeHogKind(_), None, _) => (7, "kind"),
        (Action::Freeze, ..) => (6, key.short),
        (Action::Lab(LabCommand::SwitchFlavor), ..) => (7, key.short),
        (
            Action::EditSource,
            Some(Overlay::Task(_) | Overlay::Finding(_) | Overlay::Offender(_)),
            _,
        ) => (6, key.short),
        (Action::Pin, None, _) if app.has_pin_key() => (9, key.short),
        (Action::ChooseColumns, None, _) if app.has_columns() => (9, key.short),
        (Action::Copy | Action::Export, ..) => (10, key.short),
        _ => return None,
    };
    // A key that the footer shows together with the opposite one.
    let label = match key.action {
        Action::Left if app.settings.ascii => "h l",
        Action::Left => "← →",
        Action::Raise => "+ -",
        Action::Lab(LabCommand::ShortenHold) => "[ ]",
        _ => key.label.split(' ').next().unwrap_or_default(),
    };
    let word = match mark {
        Some(mark) => format!("{word} {mark}").into(),
        None => word.into(),
    };
    Some(FooterKey { action: key.action, label, word, rank })
}

/// Whether a key has an effect only on a screen with rows.
fn is_about_rows(app: &App, action: Action) -> bool {
    let is_general = matches!(
        action,
        Action::Open
            | Action::Left
            | Action::Filter
            | Action::Reverse
            | Action::ChooseColumns
            | Action::Copy
            | Action::Export
    );
    app.overlay().is_none() && (is_general || app.screen().key(action).is_some())
}

/// The worst severity and the number of active findings, apart from those for information.
fn urgent(app: &App) -> Option<String> {
    let severities = app.model().findings().iter().map(|finding| finding.severity);
    let urgent = severities.filter(|severity| *severity > Severity::Info);
    let sign = Theme::new(app.settings).severity_glyph(urgent.clone().max()?);
    Some(format!("{sign}{}", urgent.count()))
}

/// The order of the keys: screens, keys of this screen, other keys, keys that leave.
fn place(action: Action) -> u8 {
    match action {
        Action::Show(_) => 0,
        Action::Open
        | Action::Left
        | Action::Raise
        | Action::Lower
        | Action::Lab(LabCommand::ShortenHold)
        | Action::SwitchMode
        | Action::Pause
        | Action::Restart => 1,
        Action::Help | Action::Quit => 4,
        Action::Back => 3,
        _ => 2,
    }
}

/// Draws the keys, with a message to their right if there is room. Otherwise a prompt or a message
/// takes the line.
pub fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let theme = canvas.theme;
    match message_beside_keys(app, area.width) {
        Some(text) => canvas.put_right(area.x, area.y, area.width, &text, theme.title()),
        None if draw_urgent(app, canvas, area) => return,
        None => {}
    }
    for (x, key) in keys(app, area.width) {
        let is_current = key.action == Action::Show(app.screen().spec.id);
        let style = if is_current { theme.selected() } else { Style::new() };
        canvas.on_click(Rect::new(x, area.y, key.width(), 1), HitTarget::Key(key.action));
        let x = x + canvas.put(x, area.y, area.width, key.label, theme.key()) + 1;
        canvas.put(x, area.y, area.width.saturating_sub(x), &key.word, style);
    }
}

/// Draws a prompt or a message over the last line of the area, and over those above it if it is
/// longer. Returns whether there is one.
pub fn draw_urgent(app: &App, canvas: &mut Canvas<'_>, area: Rect) -> bool {
    let theme = canvas.theme;
    let (text, style) = match (&app.prompt, app.message()) {
        (Prompt::Cancel { name, .. }, _) => {
            (format!(" cancel {name}? x to confirm, Esc to keep it"), theme.warning())
        }
        (Prompt::Columns { .. }, _) => {
            let text =
                " Space shows or hides, ← → move the column, a shows all, r restores, Esc closes";
            let text = if theme.ascii { text.replace("← →", "h l") } else { text.to_owned() };
            (text, theme.dim())
        }
        (Prompt::Filter, _) => {
            let long = " words, or terms such as busy>10% name:conn state:idle max_poll>5ms; Enter \
                        applies, Esc clears";
            let short = " words, or terms such as busy>10% name:conn; Enter applies, Esc clears";
            let text = if long.width() <= usize::from(area.width) { long } else { short };
            (text.to_owned(), theme.dim())
        }
        (Prompt::HelpSearch, _) => {
            (" words to find; Enter keeps the lines, Esc shows all".to_owned(), theme.dim())
        }
        (_, Some(message)) => (format!(" {message}"), theme.title()),
        _ => return false,
    };
    let lines = wrap(&text, usize::from(area.width.saturating_sub(2)));
    let height = (lines.len() as u16).min(MESSAGE_LINES).min(area.bottom());
    let area = Rect::new(area.x, area.bottom() - height, area.width, height);
    canvas.clear(area);
    for (line, y) in lines.iter().zip(area.y..area.bottom()) {
        canvas.put(area.x + 1, y, area.width.saturating_sub(1), line, style);
    }
    true
}
