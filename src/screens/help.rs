//! The help: the keys that work with the target, states, symbols and terms.

use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

use super::{
    theme::Theme,
    widgets::{canvas::Spans, columns},
};
use crate::{
    app::{Action, App},
    model::Severity,
    snapshot::State,
    text::{bytes, duration, optional, percent, wrap},
};

/// The terms used on the screens.
const TERMS: [(&str, &str); 16] = [
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
        "1 / the mean of (work rate now / work rate of the baseline) over the closed-loop workloads. \
         Now: the last second, or three hold times of the hog if that is longer. \
         Baseline: the last five seconds without a hog. ×4: a quarter of the work is done; ×∞: none",
    ),
    (
        "closed-loop",
        "of a workload whose instances await each result before they ask for the next. The work of \
         the others, such as heartbeats, has no slowdown",
    ),
    (
        "task-seconds",
        "scheduling delay that long polls caused, added up over the delayed tasks: 16 tasks delayed \
         for 2 s are 32",
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
         of that time, the same for the whole session. R3: one poll of the task of group R \
         with this number in its name. \
         A name along a line: one single poll",
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

/// The maximum width of the first column.
const MAX_INDENT: usize = 17;

/// An entry: a word and its meaning.
type Entry = (String, Style, String);

/// A title with its entries.
type Section = (String, Vec<Entry>);

/// All lines: keys first, those of this screen before the others; on a wide screen, symbols and terms
/// beside them. During a search, only the entries that contain its words.
pub(super) fn lines(app: &App, theme: Theme, width: u16) -> Vec<Spans> {
    let words = app.help_search.to_lowercase();
    let is_found = |(word, _, meaning): &Entry| {
        let text = format!("{word} {meaning}").to_lowercase();
        words.split_whitespace().all(|word| text.contains(word))
    };
    let find = |sections: Vec<Section>| -> Vec<Section> {
        let found = sections.into_iter().map(|(title, mut entries)| {
            entries.retain(is_found);
            (title, entries)
        });
        found.filter(|(_, entries)| !entries.is_empty()).collect()
    };
    let (keys, rest) = (find(keys(app, theme)), find(symbols(app, theme)));
    if keys.is_empty() && rest.is_empty() {
        let text = format!(" nothing about {}; Esc shows all", app.help_search);
        return vec![vec![(text, theme.dim())]];
    }
    if let Some([left, right]) = columns::widths(width).filter(|_| !keys.is_empty()) {
        return columns::beside(draw(keys, theme, left), draw(rest, theme, right), left, theme);
    }
    draw([keys, rest].concat(), theme, usize::from(width))
}

/// The keys that work with the target.
fn keys(app: &App, theme: Theme) -> Vec<Section> {
    let screen = app.screen();
    let is_of_list = |action| {
        use Action::*;
        let is = matches!(
            action,
            Open | Left | Right | Reverse | Filter | NextMatch | PreviousMatch | ChooseColumns
        );
        is && app.has_filter()
    };
    let section = |action: Action| match action {
        action if screen.key(action).is_some() || is_of_list(action) => 0,
        Action::Show(_) | Action::NextScreen | Action::PreviousScreen => 2,
        action if action.is_of_lab() => 3,
        _ => 1,
    };
    let titles = [
        format!("Keys of {}", screen.spec.binding.short),
        "On all screens".to_owned(),
        "Screens".to_owned(),
        "The lab".to_owned(),
    ];
    let mut sections: Vec<Section> = titles.map(|title| (title, Vec::new())).into();
    for binding in app.bindings().filter(|binding| app.has(binding.action)) {
        let of_screen = screen.key(binding.action).map_or("", |key| key.help);
        let help = if of_screen.is_empty() { binding.help } else { of_screen };
        let entry = (binding.label.to_owned(), theme.key(), help.to_owned());
        sections[section(binding.action)].1.push(entry);
    }
    sections
}

fn symbols(app: &App, theme: Theme) -> Vec<Section> {
    let entry = |word: &str, meaning: &str| (word.to_owned(), theme.title(), meaning.to_owned());
    let state = |(state, meaning): (State, &str)| {
        let text = format!("{}, {meaning}", state.as_str());
        (theme.state_glyph(state).to_owned(), theme.state(state), text)
    };
    let severity = |severity: Severity, meaning: &str| {
        let glyph = theme.severity_glyph(severity).to_owned();
        (glyph, theme.severity(severity), meaning.to_owned())
    };
    let glyph = |glyph, ascii, meaning| entry(theme.glyph(glyph, ascii), meaning);
    let symbols = vec![
        severity(Severity::Critical, "critical finding: other tasks are stopped"),
        severity(Severity::Warning, "warning: a finding that costs performance"),
        severity(Severity::Info, "finding for information"),
        ("name".to_owned(), theme.new_row(), "a task that has just started".to_owned()),
        glyph("● ○ ↻", "H h R", "on a graph: hog on, hog off, another runtime"),
        glyph("▸", ">", "selected, or the offending frame of a stack"),
        glyph("▼ ▲", "v ^", "sort order: largest first, smallest first"),
        glyph("~29ms", "~29ms", "from a histogram: within a factor of 1.225"),
        glyph("≥", ">=", "at least"),
        glyph("╌", "~", "on the timeline: not recorded, or dropped"),
    ];
    let mut sections = vec![
        ("States".to_owned(), STATES.map(state).into()),
        ("Symbols".to_owned(), symbols),
        ("Terms".to_owned(), TERMS.map(|(word, meaning)| entry(word, meaning)).into()),
    ];
    let mut program = vec![entry(
        "interval",
        &format!("{} between samples", duration(app.interval.as_nanos() as u64)),
    )];
    if let Some(cost) = &app.own_cost {
        let cpu = optional(cost.cpu_share, |share| format!("{} of one CPU", percent(share)));
        program.push(entry("CPU", &cpu));
        program.push(entry("memory", &optional(cost.memory, bytes)));
        program.push(entry("frame", &format!("{} to draw, the longest", duration(cost.frame_ns))));
    }
    program.extend(app.measuring_share().map(|share| {
        entry("measuring", &format!("{} of one CPU, estimated: 53ns per poll", percent(share)))
    }));
    sections.push(("asynctop itself, last two seconds".to_owned(), program));
    sections
}

/// The sections, in `width` columns.
fn draw(sections: Vec<Section>, theme: Theme, width: usize) -> Vec<Spans> {
    let words = sections.iter().flat_map(|(_, entries)| entries);
    let widest = words.map(|(word, ..)| word.width()).max().unwrap_or(0);
    let indent = (widest + 3).min(MAX_INDENT);
    let meaning_width = width.saturating_sub(indent + 1).clamp(16, 90);
    let mut lines = Vec::new();
    for (title, entries) in sections {
        if !lines.is_empty() {
            lines.push(Spans::new());
        }
        lines.push(vec![(format!(" {title}"), theme.title())]);
        for (word, style, meaning) in entries {
            lines.extend(definition(&word, &meaning, style, (indent, meaning_width)));
        }
    }
    lines
}

/// A word and its meaning, wrapped.
fn definition(
    word: &str,
    meaning: &str,
    style: Style,
    (indent, width): (usize, usize),
) -> Vec<Spans> {
    let mut word = word;
    let line = |text| {
        let start = format!(" {:<1$}", std::mem::take(&mut word), indent - 1);
        vec![(start, style), (text, Style::new())]
    };
    wrap(meaning, width).into_iter().map(line).collect()
}
