//! The hog: its state, its kinds, and the description of the selected one.
//!
//! ```text
//!  hog on (b): spin, yields after 100ms ([ ])
//!  anti-patterns  ▸spin  block  lock  io
//!  fixes           yield  budget  spawn-blocking  own-thread
//!                  block-in-place (f)
//!  Computes without an await, so its worker polls no other task. Yield in between …
//! ```

use super::{Choice, Line, choices};
use crate::{
    app::HitTarget,
    screens::{
        theme::Theme,
        widgets::{canvas::paragraph, header::hold_time},
    },
    snapshot::HogStats,
};

/// The keys of the lab. The help describes all of them.
const KEYS: &str = "b on/off, ← → kind, [ ] hold time, f flavor, w W workers; ↑ ↓ workload: \
                    + - count, p pause, r restart";

/// All lines. `next` is the position of the kind that starts when the selection rests.
pub(super) fn lines(hog: &HogStats, next: Option<usize>, theme: Theme, width: usize) -> Vec<Line> {
    let style = match (hog.on_since_ns, hog.is_fix) {
        (None, _) if hog.restart_pending => theme.warning(),
        (None, _) => theme.title(),
        (Some(_), true) => theme.warning(),
        (Some(_), false) => theme.critical(),
    };
    let mut lines: Vec<Line> = Vec::new();
    let add = |lines: &mut Vec<Line>, text: &str, style| {
        lines.extend(paragraph(text, width, style).into_iter().map(Line::from));
    };
    add(&mut lines, &state(hog), style);
    if let Some(why) = &hog.failure {
        add(&mut lines, &format!("It failed: {why}."), theme.critical());
    }
    lines.extend(kinds("anti-patterns", hog, next, false, theme, width));
    lines.extend(kinds("fixes", hog, next, true, theme, width));
    if let Some((kind, reason)) =
        hog.kinds.iter().find_map(|kind| Some((kind, kind.unavailable.as_ref()?)))
    {
        add(&mut lines, &format!("{} {reason}: f", kind.name), theme.dim());
    }
    add(&mut lines, &format!("{} {}", hog.effect, hog.advice), theme.dim());
    let keys = match theme.ascii {
        true => KEYS.replace("← →", "h l").replace("↑ ↓", "k j"),
        false => KEYS.to_owned(),
    };
    add(&mut lines, &keys, theme.dim());
    lines
}

fn state(hog: &HogStats) -> String {
    let on = match (hog.on_since_ns, hog.restart_pending) {
        (Some(_), _) => "on",
        (None, true) => "restarts after one second of baseline",
        (None, false) => "off (b starts it)",
    };
    let count = if hog.count > 1 { format!("{} × ", hog.count) } else { String::new() };
    format!("hog {on}: {count}{}, {}", hog.kind, hold_time(hog))
}

fn kinds(
    title: &str,
    hog: &HogStats,
    next: Option<usize>,
    fixes: bool,
    theme: Theme,
    width: usize,
) -> Vec<Line> {
    let all = hog.kinds.iter().enumerate().filter(|(_, kind)| kind.is_fix == fixes);
    let all: Vec<_> = all
        .map(|(position, kind)| {
            let is_current = kind.name == hog.kind;
            let style = match () {
                () if next == Some(position) => theme.selected(),
                () if is_current => theme.key(),
                () => theme.dim(),
            };
            Choice { name: &kind.name, is_current, style, target: HitTarget::HogKind(position) }
        })
        .collect();
    choices(title, &all, theme, width)
}
