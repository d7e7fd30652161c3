//! The help: the keys, from the table that also dispatches them, and what the words mean.

use ratatui::{layout::Rect, style::Style};

use super::{
    canvas::{Canvas, Pieces},
    detail::show,
    theme::Look,
};
use crate::{app::keymap::KEYMAP, probe::State};

/// What the words on the screen mean.
const WORDS: [(&str, &str); 12] = [
    ("busy", "inside poll: the task has a worker"),
    ("scheduled", "woken, and waits for a worker; this is what a hog does to the others"),
    ("idle", "waits for a wake: a timer, a socket, a message"),
    ("", "busy + scheduled + idle is the task's lifetime, at every moment"),
    ("slowdown", "one over the mean share that closed-loop workloads achieve now, over the"),
    ("", "last second (or three turns of the hog), of their rate in the last five"),
    ("", "seconds without a hog; ×∞: nothing gets done"),
    ("lag p99", "99 % of the waits for a worker in the last second were at most this long;"),
    ("", "tasks that still wait count with what they have waited so far"),
    ("busy % of w0", "time in polls, or not parked, whichever of the two counts says more"),
    ("–", "cannot be known from this source; the detail or the worker says why"),
    ("tasks 9/10", "ten live on the runtime, nine of them are measured"),
];

const STATES: [State; 6] = [
    State::Polling,
    State::Scheduled,
    State::Idle,
    State::Completed,
    State::Cancelled,
    State::Panicked,
];

pub(super) fn draw(canvas: &mut Canvas<'_>, area: Rect, scroll: usize) {
    show(canvas, area, &lines(canvas.look), scroll);
}

fn lines(look: Look) -> Vec<Pieces> {
    let pair = |left: &str, right: &str, style: Style| -> Pieces {
        vec![(format!(" {left:<14}"), style), (right.to_owned(), Style::new())]
    };
    let mut lines = vec![vec![(" Keys (↑ ↓ scroll, Esc closes)".to_owned(), look.title())]];
    lines.extend(KEYMAP.iter().map(|binding| pair(binding.label, binding.help, look.key())));
    lines.push(Pieces::new());
    lines.push(vec![(" Words".to_owned(), look.title())]);
    lines.extend(WORDS.iter().map(|(word, meaning)| pair(word, meaning, look.title())));
    lines.push(Pieces::new());
    lines.push(vec![(" States".to_owned(), look.title())]);
    lines.extend(
        STATES.into_iter().map(|state| pair(look.sign(state), state.as_str(), look.state(state))),
    );
    lines
}
