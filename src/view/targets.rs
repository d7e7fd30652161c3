//! The programs that are watched over connections: how each of them stands, and what to do
//! while there is nothing to show.
//!
//! ```text
//!  ● 127.0.0.1:6669  connected  1,234 tasks   2 events dropped by the target
//!  × /run/app.sock  disconnected for 3.20 s: connection refused; next attempt in 2.00 s
//! ```

use ratatui::{layout::Rect, style::Style};
use unicode_width::UnicodeWidthStr;

use super::{
    canvas::{Canvas, Pieces},
    text::{digits, wrap},
    theme::Look,
};
use crate::{
    app::App,
    model::{Link, TargetFigures},
};

/// What a target needs to be watched.
const NEEDS: &str = "\
The target needs console-subscriber:
  cargo add console-subscriber
  console_subscriber::init();   // first thing in main
  RUSTFLAGS=\"--cfg tokio_unstable\" cargo run
It listens at 127.0.0.1:6669, or where TOKIO_CONSOLE_BIND says.";

/// How many lines the targets take; `None` for a source without any.
pub(super) fn lines(app: &App) -> Option<u16> {
    let targets = &app.model().snapshot()?.targets;
    (!targets.is_empty()).then(|| u16::try_from(targets.len()).unwrap_or(u16::MAX))
}

/// One line for each target; the last line sums up those that have no room.
pub(super) fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let Some(snapshot) = app.model().snapshot() else { return };
    let room = usize::from(area.height);
    let shown = if snapshot.targets.len() > room { room - 1 } else { room };
    let mut y = area.y;
    for target in snapshot.targets.iter().take(shown) {
        canvas.line(area.x, y, area.right(), &line(canvas.look, target, snapshot.taken_ns));
        y += 1;
    }
    let rest = snapshot.targets.get(shown..).unwrap_or_default();
    if !rest.is_empty() {
        let live = rest.iter().filter(|target| target.link.is_live()).count();
        let text = format!(" and {} more targets, {live} of them connected", rest.len());
        canvas.put(area.x, y, area.width, &text, canvas.look.dim());
    }
}

fn line(look: Look, target: &TargetFigures, taken_ns: u64) -> Pieces {
    let (sign, style) = match &target.link {
        Link::Connecting => (look.glyph("○", "o"), look.dim()),
        Link::Connected => (look.glyph("●", "*"), look.good()),
        Link::Stale { .. } => (look.glyph("▲", "!"), look.warning()),
        Link::Lost { .. } => (look.glyph("×", "x"), look.critical()),
    };
    let mut pieces: Pieces = vec![
        (format!(" {sign} "), style),
        (target.name.to_string(), look.title()),
        (format!("  {}", target.status(taken_ns)), style),
    ];
    if target.process > 0 {
        pieces.push((format!("  {} tasks", digits(target.tasks)), Style::new()));
    }
    let words = target.gaps.words();
    if !words.is_empty() {
        let incomplete = if target.gaps.is_incomplete() { "incomplete: " } else { "" };
        pieces.push((format!("  {incomplete}{}", words.join(", ")), look.warning()));
    }
    pieces
}

/// Says what is waited for, if nothing has come from any target yet; returns whether it
/// did.
pub(super) fn waiting(app: &App, canvas: &mut Canvas<'_>, area: Rect) -> bool {
    let Some(snapshot) = app.model().snapshot() else { return false };
    let silent = |target: &TargetFigures| target.process == 0;
    if snapshot.targets.is_empty() || !snapshot.targets.iter().all(silent) {
        return false;
    }
    let look = canvas.look;
    let width = usize::from(area.width).saturating_sub(2);
    let mut lines: Vec<(String, Style)> = Vec::new();
    for target in &snapshot.targets {
        let text = format!("waiting for {}: {}", target.name, target.status(snapshot.taken_ns));
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
