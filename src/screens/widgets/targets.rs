//! The programs that are watched over connections: how each of them stands, and what to do
//! while there is nothing to show.
//!
//! ```text
//!  ● 127.0.0.1:6669  connected  1,234 tasks  incomplete: 2 events dropped by the target
//!  × /run/app.sock  disconnected for 3.20 s: connection refused; next attempt in 2.00 s
//! ```

use ratatui::{layout::Rect, style::Style};
use unicode_width::UnicodeWidthStr;

use super::canvas::{Canvas, Pieces};
use crate::{
    app::App,
    screens::theme::Look,
    snapshot::{Connection, Target},
    text::{count, wrap},
};

/// What a target needs to be watched.
const NEEDS: &str = "\
The target needs console-subscriber:
  cargo add console-subscriber
  console_subscriber::init();   // first thing in main
  RUSTFLAGS=\"--cfg tokio_unstable\" cargo run
It listens on 127.0.0.1:6669, or on the address in TOKIO_CONSOLE_BIND.";

/// How many lines the targets take in this width, gaps and all; `None` for a source without
/// any.
pub fn lines(app: &App, width: u16) -> Option<u16> {
    let look = Look::new(app.settings);
    let lines = |target: &Target| all_lines(look, target, width).len();
    let all: usize = app.live_model().remote_targets().map(lines).sum();
    (all > 0).then(|| u16::try_from(all).unwrap_or(u16::MAX))
}

/// All lines of all targets; where there is no room, one line each, those first that are worst
/// off, and a last one that sums up the others.
pub fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    // The state of a connection is the current one, also while the screen is frozen.
    let look = canvas.look;
    let room = usize::from(area.height);
    let all = app.live_model().remote_targets();
    let mut lines: Vec<Pieces> =
        all.clone().flat_map(|target| all_lines(look, target, area.width)).collect();
    if lines.len() > room {
        let mut targets: Vec<_> = all.collect();
        if targets.len() > room {
            targets.sort_by_key(|target| trouble(target));
        }
        let rest = match targets.len() > room {
            true => targets.split_off(room.saturating_sub(1)),
            false => Vec::new(),
        };
        lines = targets.iter().map(|target| line(look, target)).collect();
        let live = rest.iter().filter(|target| target.connection.is_live()).count();
        if !rest.is_empty() {
            let text = format!(" and {} more targets, {live} connected", rest.len());
            lines.push(vec![(text, look.dim())]);
        }
    }
    for (pieces, y) in lines.iter().zip(area.top()..area.bottom()) {
        canvas.line(area.x, y, area.right(), pieces);
    }
}

/// The worse off a target is, the less.
fn trouble(target: &Target) -> u8 {
    match target.connection {
        Connection::Lost { .. } => 0,
        Connection::Stale { .. } => 1,
        Connection::Connecting => 2,
        Connection::Connected if !target.losses.words().is_empty() => 3,
        Connection::Connected | Connection::InProcess => 4,
    }
}

/// A target's line, and more of them if what is known to be missing is longer.
fn all_lines(look: Look, target: &Target, width: u16) -> Vec<Pieces> {
    let whole = line(look, target);
    let wide: usize = whole.iter().map(|(text, _)| text.width()).sum();
    let gaps = gaps(target);
    let (Some(gaps), true) = (gaps, wide > usize::from(width)) else { return vec![whole] };
    const INDENT: &str = "   ";
    let below = wrap(&gaps, usize::from(width).saturating_sub(INDENT.len() + 1));
    let below = below.into_iter().map(|text| vec![(format!("{INDENT}{text}"), look.warning())]);
    [head(look, target)].into_iter().chain(below).collect()
}

/// A target in one line.
fn line(look: Look, target: &Target) -> Pieces {
    let mut pieces = head(look, target);
    pieces.extend(gaps(target).map(|gaps| (format!("  {gaps}"), look.warning())));
    pieces
}

/// How the connection stands, and how many tasks there are.
fn head(look: Look, target: &Target) -> Pieces {
    let (sign, style) = match &target.connection {
        Connection::Connecting => (look.glyph("○", "o"), look.dim()),
        Connection::Connected | Connection::InProcess => (look.glyph("●", "*"), look.good()),
        Connection::Stale { .. } => (look.glyph("▲", "!"), look.warning()),
        Connection::Lost { .. } => (look.glyph("×", "x"), look.critical()),
    };
    let mut pieces: Pieces = vec![
        (format!(" {sign} "), style),
        (target.description.name.to_string(), look.title()),
        (format!("  {}", target.status()), style),
    ];
    if target.epoch > 0 {
        pieces.push((format!("  {} tasks", count(target.runtime.measured_tasks)), Style::new()));
    }
    pieces
}

/// What is known to be missing.
fn gaps(target: &Target) -> Option<String> {
    let incomplete = if target.losses.is_incomplete() { "incomplete: " } else { "" };
    let words = target.losses.words();
    (!words.is_empty()).then(|| format!("{incomplete}{}", words.join(", ")))
}

/// Says what is waited for, if nothing has come from any target yet; returns whether it
/// did.
pub fn waiting(app: &App, canvas: &mut Canvas<'_>, area: Rect) -> bool {
    let mut targets = app.model().remote_targets().peekable();
    let is_silent = |target: &Target| target.epoch == 0;
    if targets.peek().is_none() || !targets.clone().all(is_silent) {
        return false;
    }
    let look = canvas.look;
    let width = usize::from(area.width).saturating_sub(2);
    let mut lines: Vec<(String, Style)> = Vec::new();
    for target in targets {
        let text = format!("waiting for {}: {}", target.description.name, target.status());
        lines.extend(wrap(&text, width).into_iter().map(|line| (line, look.title())));
    }
    lines.push((String::new(), Style::new()));
    for text in NEEDS.lines() {
        // What is to be copied stays as it is.
        let wrapped = match text.starts_with(' ') || text.width() <= width {
            true => vec![text.to_owned()],
            false => wrap(text, width),
        };
        lines.extend(wrapped.into_iter().map(|line| (line, look.dim())));
    }
    canvas.clear(area);
    for ((text, style), y) in lines.iter().zip(area.top()..area.bottom()) {
        canvas.put(area.x + 1, y, area.width - 1, text, *style);
    }
    true
}
