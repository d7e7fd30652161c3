//! The split of a task's lifetime, and its counters.

use ratatui::style::Style;

use super::Details;
use crate::{
    model::TaskHistory,
    screens::{
        tasks::task_history,
        widgets::{bars::bar, canvas::Spans},
    },
    snapshot::{FieldId, Histogram, State},
    text::{UNAVAILABLE, count, duration, optional, percent, rate, wrap},
};

/// The width of the labels.
const LABEL: usize = 11;

/// Busy, scheduled and idle time, which add up to the lifetime.
pub(super) fn split(details: &Details<'_>, width: usize) -> Vec<Spans> {
    let Details { theme, task, .. } = *details;
    let description = details.description();
    let share = |part: u64| match task.lifetime_ns {
        0 => 0.0,
        whole => part as f64 / whole as f64,
    };
    let row = |name: &str, nanos: u64| format!(" {name:<LABEL$}{:>7}", duration(nanos));
    let bar_width = width.saturating_sub(LABEL + 18).min(40);
    let bar_width = if bar_width < 8 { 0 } else { bar_width };
    let parts = [
        ("busy", FieldId::Busy, task.busy_ns, theme.busy()),
        ("scheduled", FieldId::Scheduled, task.scheduled_ns, theme.warning()),
        ("idle", FieldId::Idle, task.idle_ns, Style::new()),
    ];
    let is_whole = parts.iter().all(|(_, field, ..)| description.has(*field));
    let part = |(name, field, nanos, style)| match description.get(field, nanos) {
        Err(reason) => fact(details, name, &format!("{UNAVAILABLE}  {reason}"), theme.dim(), width),
        Ok(nanos) if !is_whole => vec![vec![(row(name, nanos), Style::new())]],
        Ok(nanos) => vec![vec![
            (row(name, nanos), Style::new()),
            (format!(" {:>6}  ", percent(share(nanos))), Style::new()),
            (bar(theme, share(nanos), bar_width), style),
        ]],
    };
    let is_least = description.accuracy(FieldId::Lifetime).is_lower_bound();
    let lifetime = if is_least { "observed" } else { "lifetime" };
    let is_whole = is_whole && description.has(FieldId::Lifetime);
    let lifetime = is_whole.then(|| vec![(row(lifetime, task.lifetime_ns), theme.title())]);
    lifetime.into_iter().chain(parts.into_iter().flat_map(part)).collect()
}

/// The last seconds of the task.
pub(super) fn strip(details: &Details<'_>) -> Vec<Spans> {
    let Details { theme, rates, .. } = *details;
    if !details.description().has(FieldId::BusyShare) {
        return Vec::new();
    }
    let label = format!(" {:<LABEL$}", format!("last {}s", TaskHistory::SPAN_NS / 1_000_000_000));
    let mut line = vec![(label, Style::new())];
    line.extend(task_history(theme, rates.history, TaskHistory::CELLS));
    vec![line]
}

/// A label and a text, wrapped to `width` columns.
fn fact(details: &Details<'_>, label: &str, text: &str, style: Style, width: usize) -> Vec<Spans> {
    let mut label = label;
    let line = |text: String| {
        let start = format!(" {:<LABEL$}", std::mem::take(&mut label));
        vec![(start, details.theme.dim()), (text, style)]
    };
    wrap(text, width.saturating_sub(LABEL + 2).max(16)).into_iter().map(line).collect()
}

/// Polls, wakes and wakers.
pub(super) fn counts(details: &Details<'_>, width: usize) -> Vec<Spans> {
    let Details { theme, task, rates, .. } = *details;
    let description = details.description();
    let [longest_poll, longest_delay] = longest(details);
    let known =
        |field, text: String| if description.has(field) { text } else { UNAVAILABLE.into() };
    let mean = match (description.has(FieldId::Busy), description.has(FieldId::Polls)) {
        (true, true) => duration(task.busy_ns.checked_div(task.polls).unwrap_or(0)),
        _ => UNAVAILABLE.to_owned(),
    };
    let rate = |value| if rates.unknown { UNAVAILABLE.to_owned() } else { rate(value) };
    let (poll_rate, wake_rate) = (rate(rates.shown.polls), rate(rates.wakes));
    let self_wakes = known(FieldId::SelfWakes, count(task.self_wakes));
    let wakers = description.get_some(FieldId::LiveWakers, task.live_wakers);
    let lost = task.state == State::Idle && wakers == Ok(0);
    let wakers = match wakers {
        _ if task.state.is_done() => UNAVAILABLE.to_owned(),
        _ if lost => "0: nothing can wake this task, so it will never run again".to_owned(),
        wakers => optional(wakers.ok(), |wakers| wakers.to_string()),
    };
    let facts = [
        ("polls", FieldId::Polls, format!("{}, {poll_rate} per second", count(task.polls))),
        ("max poll", FieldId::MaxPoll, format!("{longest_poll}, mean {mean}")),
        ("max delay", FieldId::MaxDelay, format!("{longest_delay} from wake to poll")),
        (
            "wakes",
            FieldId::Wakes,
            format!("{}, {wake_rate} per second; {self_wakes} self-wakes", count(task.wakes)),
        ),
        ("wakers", FieldId::LiveWakers, wakers),
    ];
    // Fields that are unavailable for the same reason share a line.
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut lines = Vec::new();
    for (name, field, text) in facts {
        let Some(reason) = description.reason(field) else {
            let style = if lost && name == "wakers" { theme.critical() } else { Style::new() };
            lines.extend(fact(details, name, &text, style, width));
            continue;
        };
        match reasons.iter_mut().find(|(of, _)| *of == reason) {
            Some((_, names)) => names.push(name),
            None => reasons.push((reason, vec![name])),
        }
    }
    for (reason, names) in reasons {
        let text = format!("{}: {reason}", names.join(", "));
        lines.extend(fact(details, UNAVAILABLE, &text, theme.dim(), width));
    }
    lines
}

/// The longest poll and the longest scheduling delay of a task. Where those of the list are lower
/// bounds, the distributions may have larger ones.
fn longest(details: &Details<'_>) -> [String; 2] {
    let found = details.recorded_distributions();
    let of = |field: FieldId, known: u64, all: Option<&Histogram>| {
        let all = all.and_then(|all| all.quantile(1.0)).unwrap_or(0);
        match details.description().accuracy(field).is_lower_bound() {
            true => format!("{} {}", details.theme.glyph("≥", ">="), duration(known.max(all))),
            false => duration(known),
        }
    };
    let task = details.task;
    [
        of(FieldId::MaxPoll, task.max_poll_ns, found.map(|all| &all.poll_times)),
        of(FieldId::MaxDelay, task.max_delay_ns, found.map(|all| &all.delays)),
    ]
}
