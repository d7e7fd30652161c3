//! The help: the keys that work with the target, terms and states.

use ratatui::style::Style;

use super::{theme::Theme, widgets::canvas::Spans};
use crate::{
    app::App,
    snapshot::State,
    text::{bytes, duration, optional, percent, wrap},
};

/// The terms used on the screens.
const TERMS: [(&str, &str); 14] = [
    ("busy", "inside poll, on a worker"),
    ("scheduled", "woken and not yet polled. A task that blocks its worker delays all the others"),
    (
        "idle",
        "waiting for a wake: a timer, a socket, a message. busy + scheduled + idle is the task's \
         lifetime, at every moment",
    ),
    ("poll", "one call of the task's Future::poll: it runs until the next await that has to wait"),
    (
        "slowdown",
        "1 / the mean of (work rate now / work rate of the baseline) over the closed-loop \
         workloads. Now: the last second, or three hold times of the hog if that is longer. \
         Baseline: the last five seconds without a hog. ×4: a quarter of the work is done; ×∞: none",
    ),
    (
        "sched delay",
        "scheduling delay, from wake to poll. p99: 99% of the delays in the last second were at \
         most this long; a runnable task counts with its delay so far",
    ),
    ("runnable", "tasks that are scheduled now"),
    ("injection queue", "tasks in the runtime's global queue, from which all workers take"),
    ("blocking pool", "threads of the blocking pool, idle ones included"),
    ("w0 BUSY", "time in polls, or time not parked, whichever is longer"),
    ("–", "unavailable; screen 3 or the task's details show the reason"),
    (
        "timeline",
        "height of a column: share of its time in polls. Letter and color: the group with most \
         of that time. A name along a line: one single poll. ·: unknown",
    ),
    (
        "estimated",
        "the last 32,768 polls of a worker are kept one by one. For the time before (many polls, \
         or a long refresh interval) only the task in a poll at every 262µs is known",
    ),
    ("tasks 9/10", "ten tasks are alive on the runtime, and nine are measured"),
];

const STATES: [(State, &str); 9] = [
    (State::Polling, "in a poll on a worker"),
    (State::Created, "never polled yet: a future does nothing until its first poll"),
    (State::Scheduled, "woken and not yet polled"),
    (State::Idle, "waiting for a wake"),
    (State::Dropping, "its future is being dropped: destructors run on a worker"),
    (State::Completed, "it returned"),
    (State::Cancelled, "it was dropped before it returned"),
    (State::Panicked, "its poll panicked"),
    (State::Ended, "it has ended; this source does not report how"),
];

/// Width of the first column.
const INDENT: usize = 17;

/// All lines.
pub(super) fn lines(app: &App, theme: Theme, width: u16) -> Vec<Spans> {
    let room = usize::from(width).saturating_sub(INDENT + 1).clamp(16, 90);
    let mut lines = vec![vec![(" Keys (↑ ↓ scroll, Esc closes)".to_owned(), theme.title())]];
    for binding in app.bindings().filter(|binding| app.has(binding.action)) {
        lines.extend(definition(binding.label, binding.help, theme.key(), room));
    }
    lines.push(Spans::new());
    lines.push(vec![(" Terms".to_owned(), theme.title())]);
    for (word, meaning) in TERMS {
        lines.extend(definition(word, meaning, theme.title(), room));
    }
    lines.push(Spans::new());
    lines.push(vec![(" States".to_owned(), theme.title())]);
    for (state, meaning) in STATES {
        let name = format!("{}, {meaning}", state.as_str());
        lines.extend(definition(theme.state_glyph(state), &name, theme.state(state), room));
    }
    if let Some(cost) = &app.own_cost {
        lines.push(Spans::new());
        lines.push(vec![(" Cost of this program, last two seconds".to_owned(), theme.title())]);
        let frame = duration(cost.frame_ns);
        for (name, value) in [
            ("CPU", optional(cost.cpu_share, |share| format!("{} of one CPU", percent(share)))),
            ("memory", optional(cost.memory, bytes)),
            ("frame", format!("{frame} to draw, the longest")),
        ] {
            lines.extend(definition(name, &value, theme.title(), room));
        }
    }
    lines
}

/// A word and its meaning, wrapped.
fn definition(word: &str, meaning: &str, style: Style, room: usize) -> Vec<Spans> {
    let mut word = word;
    let line = |text| {
        let start = format!(" {:<1$}", std::mem::take(&mut word), INDENT - 1);
        vec![(start, style), (text, Style::new())]
    };
    wrap(meaning, room).into_iter().map(line).collect()
}
