//! The states of the connections to targets in other processes, and instructions while none of them
//! has answered.
//!
//! ```text
//!  ● 127.0.0.1:6669  connected  1,234 tasks  incomplete: 2 events dropped by the target
//!  × /run/app.sock  disconnected for 3.20 s: connection refused; next attempt in 2.00 s
//! ```

use ratatui::{layout::Rect, style::Style};
use unicode_width::UnicodeWidthStr;

use super::{
    canvas::{Canvas, Spans},
    columns::width_of,
};
use crate::{
    app::App,
    screens::theme::Theme,
    snapshot::{Connection, Target},
    text::{clauses, count, wrap},
};

/// The steps that prepare a target.
const INSTRUCTIONS: &str = "\
The target needs console-subscriber:
  cargo add console-subscriber
  console_subscriber::init();   // first thing in main
  RUSTFLAGS=\"--cfg tokio_unstable\" cargo run
It listens on 127.0.0.1:6669, or on the address in TOKIO_CONSOLE_BIND.";

/// The lines that the targets need in this width; `None` without targets in other processes.
pub fn line_count(app: &App, width: u16) -> Option<u16> {
    let theme = Theme::new(app.settings);
    let lines = |target: &Target| all_lines(theme, target, width).len();
    let all: usize = app.live_model().remote_targets().map(lines).sum();
    (all > 0).then(|| u16::try_from(all).unwrap_or(u16::MAX))
}

/// Draws all lines of all targets. Without room for them, draws one line per target, in order of
/// trouble, and a last one that sums up the others.
pub fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    // The states are the current ones, also while the screen is frozen.
    let theme = canvas.theme;
    let height = usize::from(area.height);
    let all = app.live_model().remote_targets();
    let mut lines: Vec<Spans> =
        all.clone().flat_map(|target| all_lines(theme, target, area.width)).collect();
    if lines.len() > height {
        let mut targets: Vec<_> = all.collect();
        if targets.len() > height {
            targets.sort_by_key(|target| trouble(target));
        }
        let rest = match targets.len() > height {
            true => targets.split_off(height.saturating_sub(1)),
            false => Vec::new(),
        };
        lines = targets.iter().map(|target| line(theme, target, area.width)).collect();
        let live = rest.iter().filter(|target| target.connection.is_live()).count();
        if !rest.is_empty() {
            let text = format!(" and {} more targets, {live} connected", rest.len());
            lines.push(vec![(text, theme.dim())]);
        }
    }
    for (spans, y) in lines.iter().zip(area.top()..area.bottom()) {
        canvas.line(area.x, y, area.right(), spans);
    }
}

/// Orders targets: those in trouble come first.
fn trouble(target: &Target) -> u8 {
    match target.connection {
        Connection::Lost { .. } => 0,
        Connection::Stale { .. } => 1,
        Connection::Connecting { .. } => 2,
        Connection::Connected if !target.losses.descriptions().is_empty() => 3,
        Connection::Connected | Connection::InProcess => 4,
    }
}

/// The line of a target, and more lines if its state or its losses do not fit.
fn all_lines(theme: Theme, target: &Target, width: u16) -> Vec<Spans> {
    const INDENT: &str = "   ";
    let fits = |line: &Spans| width_of(line) <= usize::from(width);
    let below = |text: &str, style: Style| -> Vec<Spans> {
        let lines = wrap(text, usize::from(width).saturating_sub(INDENT.len() + 1));
        lines.into_iter().map(|text| vec![(format!("{INDENT}{text}"), style)]).collect()
    };
    let (status, losses) = (target.status(), losses(target));
    // The time of the next attempt makes room for the reason of the failure.
    let has_reason = |part: &&str| *part == status || part.contains(": ");
    let mut heads = clauses(&status).filter(has_reason).map(|part| head(theme, target, part));
    let head = heads.find(fits).unwrap_or_else(|| head(theme, target, &status));
    let with_losses = with_losses(head.clone(), losses.as_deref(), theme);
    if fits(&with_losses) {
        return vec![with_losses];
    }
    let mut lines = if fits(&head) {
        vec![head]
    } else {
        let (_, style) = sign(theme, target);
        let name = self::head(theme, target, "");
        [name].into_iter().chain(below(&status, style)).collect()
    };
    lines.extend(losses.iter().flat_map(|losses| below(losses, theme.warning())));
    lines
}

/// A target in one line, with as much of its state as fits.
fn line(theme: Theme, target: &Target, width: u16) -> Spans {
    let status = target.status();
    let heads = clauses(&status).map(|part| head(theme, target, part));
    let mut fitting = heads.filter(|line| width_of(line) <= usize::from(width));
    let head = fitting.next().unwrap_or_else(|| head(theme, target, &status));
    with_losses(head, losses(target).as_deref(), theme)
}

fn with_losses(mut head: Spans, losses: Option<&str>, theme: Theme) -> Spans {
    head.extend(losses.map(|losses| (format!("  {losses}"), theme.warning())));
    head
}

fn sign(theme: Theme, target: &Target) -> (&'static str, Style) {
    match &target.connection {
        Connection::Connecting { .. } => (theme.glyph("○", "o"), theme.dim()),
        Connection::Connected | Connection::InProcess => (theme.glyph("●", "*"), theme.good()),
        Connection::Stale { .. } => (theme.glyph("▲", "!"), theme.warning()),
        Connection::Lost { .. } => (theme.glyph("×", "x"), theme.critical()),
    }
}

/// The name, the state of the connection, and the number of tasks.
fn head(theme: Theme, target: &Target, status: &str) -> Spans {
    let (sign, style) = sign(theme, target);
    let mut spans: Spans =
        vec![(format!(" {sign} "), style), (target.description.name.to_string(), theme.title())];
    if !status.is_empty() {
        spans.push((format!("  {status}"), style));
    }
    if target.epoch > 0 {
        spans.push((format!("  {} tasks", count(target.runtime.measured_tasks)), Style::new()));
    }
    spans
}

/// The known losses of data.
fn losses(target: &Target) -> Option<String> {
    let incomplete = if target.losses.is_incomplete() { "incomplete: " } else { "" };
    let words = target.losses.descriptions();
    (!words.is_empty()).then(|| format!("{incomplete}{}", words.join(", ")))
}

/// Until the first target in another process has answered, draws the state of each connection, and
/// instructions. Returns whether that is so.
pub fn draw_waiting(app: &App, canvas: &mut Canvas<'_>, area: Rect) -> bool {
    let mut targets = app.model().remote_targets().peekable();
    let is_silent = |target: &Target| target.epoch == 0;
    if targets.peek().is_none() || !targets.clone().all(is_silent) {
        return false;
    }
    let theme = canvas.theme;
    let width = usize::from(area.width).saturating_sub(2);
    let mut lines: Vec<(String, Style)> = Vec::new();
    // A process of this machine needs no preparation.
    let is_process = |target: &Target| target.description.process_id.is_some();
    let instructions = if targets.clone().all(is_process) { "" } else { INSTRUCTIONS };
    for target in targets {
        let text = format!("waiting for {}: {}", target.description.name, target.status());
        lines.extend(wrap(&text, width).into_iter().map(|line| (line, theme.title())));
    }
    lines.push((String::new(), Style::new()));
    for text in instructions.lines() {
        // Commands to copy are not wrapped.
        let wrapped = match text.starts_with(' ') || text.width() <= width {
            true => vec![text.to_owned()],
            false => wrap(text, width),
        };
        lines.extend(wrapped.into_iter().map(|line| (line, theme.dim())));
    }
    canvas.clear(area);
    for ((text, style), y) in lines.iter().zip(area.top()..area.bottom()) {
        canvas.put(area.x + 1, y, area.width - 1, text, *style);
    }
    true
}
