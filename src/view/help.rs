//! The help: the keys, from the table that also dispatches them, and what the words mean.

use ratatui::style::Style;

use super::{canvas::Pieces, theme::Look};
use crate::{
    app::{App, keymap::KEYMAP},
    probe::State,
    text::wrap,
};

/// What the words on the screen mean.
const WORDS: [(&str, &str); 13] = [
    ("busy", "inside poll: the task has a worker"),
    ("scheduled", "woken, and waits for a worker; this is what a hog does to the others"),
    (
        "idle",
        "waits for a wake: a timer, a socket, a message. busy + scheduled + idle is the task's \
         lifetime, at every moment",
    ),
    ("poll", "one call of the task's Future::poll: it runs until the next await that has to wait"),
    (
        "slowdown",
        "one over the mean share that the closed-loop workloads achieve of their own rate from \
         before the hog. Now: the last second, or three turns of the hog if that is longer. \
         Before: the last five seconds without a hog. ×4: a quarter gets done; ×∞: nothing does",
    ),
    (
        "lag p99",
        "99% of the waits for a worker in the last second were at most this long; tasks that \
         still wait count with what they have waited so far",
    ),
    ("waiting", "tasks that wait for a worker right now"),
    ("queue", "tasks in the runtime's global (injection) queue"),
    ("busy of w0", "time in polls, or not parked, whichever of the two counts says more"),
    ("–", "cannot be known from this source; screen 3 or the task's details say why"),
    (
        "timeline",
        "the height of a column is the share of its time in polls, its letter and colour are \
         of the group that had most of it; a name along a line is one single poll. · is not \
         known",
    ),
    (
        "estimated",
        "a worker keeps its last 32,768 polls one by one. Further back (many polls, or a long \
         time between looks) the timeline goes by who was found in a poll each 262µs",
    ),
    ("tasks 9/10", "ten live on the runtime, nine of them are measured"),
];

const STATES: [(State, &str); 9] = [
    (State::Polling, "a worker runs it right now"),
    (State::Created, "a future that nobody has polled yet: it does nothing until then"),
    (State::Scheduled, "waits for a worker"),
    (State::Idle, "waits for a wake"),
    (State::Dropping, "its future is dropped: the destructors of what it owns run on a worker"),
    (State::Completed, "it returned"),
    (State::Cancelled, "it was dropped before it returned"),
    (State::Panicked, "its poll panicked"),
    (State::Ended, "it is gone; how it ended is not known from this source"),
];

/// Where the meanings begin.
const INDENT: usize = 15;

/// The lines, as many as there are.
pub(super) fn lines(app: &App, look: Look, width: u16) -> Vec<Pieces> {
    let room = usize::from(width).saturating_sub(INDENT + 1).clamp(16, 90);
    let mut lines = vec![vec![(" Keys (↑ ↓ scroll, Esc closes)".to_owned(), look.title())]];
    for binding in KEYMAP.iter().filter(|binding| app.knows(binding.action)) {
        lines.extend(pair(binding.label, binding.help, look.key(), room));
    }
    lines.push(Pieces::new());
    lines.push(vec![(" Words".to_owned(), look.title())]);
    for (word, meaning) in WORDS {
        lines.extend(pair(word, meaning, look.title(), room));
    }
    lines.push(Pieces::new());
    lines.push(vec![(" States".to_owned(), look.title())]);
    for (state, meaning) in STATES {
        let name = format!("{}, {meaning}", state.as_str());
        lines.extend(pair(look.sign(state), &name, look.state(state), room));
    }
    lines
}

/// A word and its meaning, which may take several lines.
fn pair(word: &str, meaning: &str, style: Style, room: usize) -> Vec<Pieces> {
    let mut word = word;
    let line = |text| {
        let head = format!(" {:<1$}", std::mem::take(&mut word), INDENT - 1);
        vec![(head, style), (text, Style::new())]
    };
    wrap(meaning, room).into_iter().map(line).collect()
}
