//! A task's long polls with their impact, and the long polls of others that delayed it, one line
//! each.
//!
//! ```text
//!  long polls, last minute: 14, newest first
//!     now        104ms  16 tasks, 1.20 task-s  hog::spin  feed-1 98.0ms, feed-2 97.4ms
//!     2.01s ago  202ms  68 tasks, 2.54 task-s  hog::spin  feed-16 56.0ms
//!     … 12 more
//!  delayed by other tasks, newest first
//!     2.01s ago  98.0ms  hog  hog::spin
//! ```

use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

use super::Details;
use crate::{
    model::LongPollEntry,
    screens::{
        theme::Theme,
        widgets::canvas::{Spans, paragraph},
    },
    snapshot::{FieldId, PollImpact, PollKind},
    text::{UNAVAILABLE, duration, fit, plural},
};

/// The number of delayed tasks named per poll.
const MAX_NAMES: usize = 4;

/// All lines, each cut to `width` columns: about `max` of them, if there are that many polls. None
/// without a long poll of the task, or one that delayed it.
pub(super) fn lines(details: &Details<'_>, width: usize, max: usize) -> Vec<Spans> {
    let Details { theme, model, target, key, .. } = *details;
    let (now, table) = (target.taken_ns, model.impact_table());
    let own = table.of_task(key.id).count();
    let delayed_by = table.polls_that_delayed(key.id).count();
    let title = |text: &str, count: usize| match count {
        0 => None,
        _ => Some(vec![(format!(" {text}: {count}, newest first"), theme.title())]),
    };
    // The first of `texts` that fits, or else the last one, cut.
    let line = |entry: &LongPollEntry, length: u64, first: (String, Style), texts: &[String]| {
        let when = format!("   {:>9} {:>7}  ", when(entry, now), duration(length));
        let left = width.saturating_sub(when.width() + first.0.width());
        let fitting = texts.iter().find(|text| text.width() <= left).or(texts.last());
        let text = fitting.map_or_else(String::new, |text| fit(text, left, theme.ascii).into());
        vec![(when, Style::new()), first, (text, Style::new())]
    };
    let more = |listed: usize, all: usize| {
        let rest = all.saturating_sub(listed);
        (rest > 0).then(|| vec![(format!("   {rest} more"), theme.dim())])
    };
    // Each list has a title, and a line with the number of further polls.
    let lists = usize::from(own > 0) + usize::from(delayed_by > 0);
    let max = max.saturating_sub(2 * lists).max(2);
    // The task's own polls have the space that the others leave, at least half of it.
    let own_max = own.min(max - delayed_by.min(max / 2));
    let others_max = delayed_by.min(max - own_max);
    let mut lines: Vec<Spans> = title("long polls, last minute", own).into_iter().collect();
    lines.extend(table.of_task(key.id).take(own_max).map(|entry| {
        let impact = impact(theme, entry.evidence.impact.as_deref());
        let names = |count| names(entry.evidence.impact.as_deref(), count);
        let rest = (0..=MAX_NAMES).rev().map(|count| format!("{}{}", cause(entry), names(count)));
        let style = if entry.evidence.impact.is_some() { theme.warning() } else { theme.dim() };
        line(entry, entry.evidence.length_ns, (impact, style), &rest.collect::<Vec<_>>())
    }));
    lines.extend(more(own_max, own));
    lines.extend(title("delayed by other tasks, last minute", delayed_by));
    lines.extend(table.polls_that_delayed(key.id).take(others_max).map(|(entry, nanos)| {
        let name = entry.meta.as_ref().map_or("?", |meta| &meta.name);
        line(entry, nanos, (format!("{name}  "), theme.title()), &[cause(entry)])
    }));
    lines.extend(more(others_max, delayed_by));
    lines
}

/// The statement that there are none, or the reason why they are unknown.
pub(super) fn none(details: &Details<'_>, width: usize) -> Vec<Spans> {
    let reason = |field| details.description().reason(field);
    let text = match (reason(FieldId::LongPolls), reason(FieldId::MaxPoll)) {
        (Some(reason), _) => format!("{UNAVAILABLE} long polls: {reason}"),
        // The threshold does not apply to polls that are not timed.
        (None, Some(reason)) => format!("no long poll recorded: {reason}"),
        (None, None) => {
            format!("no poll of {} or longer recorded", duration(details.model.long_poll_ns()))
        }
    };
    paragraph(&text, width, details.theme.dim())
}

fn when(entry: &LongPollEntry, now: u64) -> String {
    match entry.evidence.is_ended {
        true => format!("{} ago", duration(now.saturating_sub(entry.end_ns()))),
        false => "now".to_owned(),
    }
}

/// `16 tasks, 1.20 task-s`.
fn impact(theme: Theme, impact: Option<&PollImpact>) -> String {
    match impact {
        None => "impact –  ".to_owned(),
        Some(impact) if impact.tasks == 0 => "no task delayed  ".to_owned(),
        Some(impact) => {
            let seconds = theme.task_seconds(impact.accuracy, impact.total_ns);
            format!("{}, {seconds} task-s  ", plural(impact.tasks as u64, "task"))
        }
    }
}

/// The function, or the cause without a stack.
fn cause(entry: &LongPollEntry) -> String {
    let drop = if entry.evidence.kind == PollKind::Drop { "drop: " } else { "" };
    match entry.evidence.function() {
        Some(function) => format!("{drop}{function}"),
        None => format!("{drop}{}", entry.evidence.cause),
    }
}

/// The `max` tasks with the longest delays.
fn names(impact: Option<&PollImpact>, max: usize) -> String {
    let Some(impact) = impact.filter(|impact| max > 0 && !impact.most_delayed.is_empty()) else {
        return String::new();
    };
    let name = |waited: &crate::snapshot::DelayedTask| {
        format!("{} {}", waited.name, duration(waited.delay_ns))
    };
    let named: Vec<_> = impact.most_delayed.iter().take(max).map(name).collect();
    let more = if impact.tasks > named.len() { ", …" } else { "" };
    format!("  {}{more}", named.join(", "))
}
