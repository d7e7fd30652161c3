//! The hog: its state, what it does, its fix, and the other kinds.
//!
//! ```text
//!  hog on: spin, yields after 100ms
//!  Computes without an await, so its worker polls no other task. Yield in between …
//!  anti-patterns ▸spin  block  lock  io
//!  fixes          yield  budget  spawn-blocking  block-in-place  own-thread
//! ```

use asynctop_lab::HogKind;

use super::paragraph;
use crate::{
    screens::{
        theme::Look,
        widgets::{canvas::Pieces, header::turn},
    },
    snapshot::HogStats,
};

/// A hint, not a second keymap: the help has them all.
const KEYS: &str = "b on/off, ← → kind, [ ] hold time, f flavor, w W workers; ↑ ↓ select a \
                    workload, + - change its count, p pause, r restart";

pub(super) fn lines(hog: &HogStats, look: Look, room: usize) -> Vec<Pieces> {
    let style = match (hog.on_since_ns, hog.is_fix) {
        (None, _) if hog.restarts => look.warning(),
        (None, _) => look.title(),
        (Some(_), true) => look.warning(),
        (Some(_), false) => look.critical(),
    };
    let mut lines = paragraph(&state(hog), style, room);
    if let Some(why) = &hog.failure {
        lines.extend(paragraph(&format!("It failed: {why}."), look.critical(), room));
    }
    lines.extend(paragraph(&hog.explained.join(" "), look.dim(), room));
    lines.push(kinds("anti-patterns", hog, false, look));
    lines.push(kinds("fixes", hog, true, look));
    lines.extend(paragraph(KEYS, look.dim(), room));
    lines
}

fn state(hog: &HogStats) -> String {
    let on = match (hog.on_since_ns, hog.restarts) {
        (Some(_), _) => "on",
        (None, true) => "restarts after one second of baseline",
        (None, false) => "off",
    };
    let count = if hog.count > 1 { format!("{} × ", hog.count) } else { String::new() };
    format!("hog {on}: {count}{}, {}", hog.kind, turn(hog))
}

fn kinds(title: &str, hog: &HogStats, are_fixes: bool, look: Look) -> Pieces {
    let mut pieces = vec![(format!(" {title:<14}"), look.title())];
    for about in HogKind::ALL.iter().map(|kind| kind.about()).filter(|a| a.is_fix == are_fixes) {
        let is_it = about.name == &*hog.kind;
        let mark = if is_it { look.glyph("▸", ">") } else { " " };
        let style = if is_it { look.key() } else { look.dim() };
        pieces.push((format!("{mark}{} ", about.name), style));
    }
    pieces
}
