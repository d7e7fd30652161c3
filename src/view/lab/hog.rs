//! The hog: what it is, what it does and what to do about it, and which kinds there are.
//!
//! ```text
//!  hog on: spin, gives way after 100ms
//!  Computes without an await, so its worker runs nobody else meanwhile. Give way in between …
//!  diseases  ▸spin  block  lock  io
//!  cures      yield  budget  spawn-blocking  block-in-place  own-thread
//! ```

use super::paragraph;
use crate::{
    lab::HogKind,
    model::HogFigures,
    view::{canvas::Pieces, header::turn, theme::Look},
};

/// A hint, not a second keymap: the help has them all.
const KEYS: &str = "b on and off, ← → kind, [ ] hold, f flavour, w W workers; ↑ ↓ select a \
                    workload, + - change it, p pauses it, r starts it anew";

pub(super) fn lines(hog: &HogFigures, look: Look, room: usize) -> Vec<Pieces> {
    let style = match (hog.on_since_ns, hog.cure) {
        (None, _) if hog.restarts => look.warning(),
        (None, _) => look.title(),
        (Some(_), true) => look.warning(),
        (Some(_), false) => look.critical(),
    };
    let mut lines = paragraph(&state(hog), style, room);
    if let Some(why) = &hog.failure {
        lines.extend(paragraph(&format!("It has failed: {why}."), look.critical(), room));
    }
    lines.extend(paragraph(&hog.explained.join(" "), look.dim(), room));
    lines.push(kinds("diseases", hog, false, look));
    lines.push(kinds("cures", hog, true, look));
    lines.extend(paragraph(KEYS, look.dim(), room));
    lines
}

fn state(hog: &HogFigures) -> String {
    let on = match (hog.on_since_ns, hog.restarts) {
        (Some(_), _) => "on",
        (None, true) => "restarts after one second of baseline",
        (None, false) => "off",
    };
    let count = if hog.count > 1 { format!("{} × ", hog.count) } else { String::new() };
    format!("hog {on}: {count}{}, {}", hog.kind, turn(hog))
}

fn kinds(title: &str, hog: &HogFigures, cures: bool, look: Look) -> Pieces {
    let mut pieces = vec![(format!(" {title:<9}"), look.title())];
    for about in HogKind::ALL.iter().map(|kind| kind.about()).filter(|a| a.cure == cures) {
        let is_it = about.name == hog.kind;
        let mark = if is_it { look.glyph("▸", ">") } else { " " };
        let style = if is_it { look.key() } else { look.dim() };
        pieces.push((format!("{mark}{} ", about.name), style));
    }
    pieces
}
