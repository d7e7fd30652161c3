//! The hog: its state, its description, and the other kinds.
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
        theme::Theme,
        widgets::{canvas::Spans, header::hold_time},
    },
    snapshot::HogStats,
};

/// The keys of the lab. The help describes all of them.
const KEYS: &str = "b on/off, ← → kind, [ ] hold time, f flavor, w W workers; ↑ ↓ select a \
                    workload, + - change its count, p pause, r restart";

pub(super) fn lines(hog: &HogStats, theme: Theme, room: usize) -> Vec<Spans> {
    let style = match (hog.on_since_ns, hog.is_fix) {
        (None, _) if hog.restart_pending => theme.warning(),
        (None, _) => theme.title(),
        (Some(_), true) => theme.warning(),
        (Some(_), false) => theme.critical(),
    };
    let mut lines = paragraph(&state(hog), style, room);
    if let Some(why) = &hog.failure {
        lines.extend(paragraph(&format!("It failed: {why}."), theme.critical(), room));
    }
    lines.extend(paragraph(&format!("{} {}", hog.effect, hog.advice), theme.dim(), room));
    lines.push(kinds("anti-patterns", hog, false, theme));
    lines.push(kinds("fixes", hog, true, theme));
    lines.extend(paragraph(KEYS, theme.dim(), room));
    lines
}

fn state(hog: &HogStats) -> String {
    let on = match (hog.on_since_ns, hog.restart_pending) {
        (Some(_), _) => "on",
        (None, true) => "restarts after one second of baseline",
        (None, false) => "off",
    };
    let count = if hog.count > 1 { format!("{} × ", hog.count) } else { String::new() };
    format!("hog {on}: {count}{}, {}", hog.kind, hold_time(hog))
}

fn kinds(title: &str, hog: &HogStats, fixes: bool, theme: Theme) -> Spans {
    let mut spans = vec![(format!(" {title:<14}"), theme.title())];
    for info in HogKind::ALL.iter().map(|kind| kind.info()).filter(|info| info.is_fix == fixes) {
        let is_current = info.name == &*hog.kind;
        let mark = if is_current { theme.glyph("▸", ">") } else { " " };
        let style = if is_current { theme.key() } else { theme.dim() };
        spans.push((format!("{mark}{} ", info.name), style));
    }
    spans
}
