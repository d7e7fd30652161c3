//! A task's long polls with their impact, and the long polls of others that delayed it.
//!
//! ```text
//!  long polls in the last minute: 14
//!    104ms  2.01s ago  computing in hog::spin  impact 1.20 task-seconds (16 tasks)
//!      feed-1 98.0ms, feed-2 97.4ms, feed-3 97.1ms
//!  delayed by other tasks
//!    98.0ms  2.01s ago  hog  computing in hog::spin
//! ```

use ratatui::style::Style;

use crate::{
    model::{LongPollEntry, TargetModel},
    screens::{theme::Theme, widgets::canvas::Spans},
    snapshot::{PollImpact, PollKind},
    text::duration,
};

/// The number of polls listed, latest first.
const MAX_POLLS: usize = 6;
/// The number of delayed tasks named per poll.
const MAX_NAMES: usize = 4;

/// All lines; none without a long poll of the task, or one that delayed it.
pub(super) fn lines(model: &TargetModel, theme: Theme, key: u64) -> Vec<Spans> {
    let mut lines = Vec::new();
    let now = model.target().taken_ns;
    let own = model.impact_table().of_task(key).count();
    if own > 0 {
        lines.push(Spans::new());
        let title = format!(" long polls in the last minute: {own}");
        lines.push(vec![(title, theme.title())]);
    }
    for entry in model.impact_table().of_task(key).take(MAX_POLLS) {
        let evidence = &entry.evidence;
        let cost = match &evidence.impact {
            Some(cost) => cost.sentence().unwrap_or_else(|| "no other task was delayed".to_owned()),
            None => "–  impact not measured".to_owned(),
        };
        let worker = evidence.worker.map(|worker| format!("worker {worker}  "));
        let text = format!(
            "   {}  {}  {}{}  ",
            duration(evidence.length_ns),
            when(entry, now),
            worker.unwrap_or_default(),
            cause(entry)
        );
        lines.push(vec![(text, Style::new()), (cost, theme.warning())]);
        lines.extend(
            evidence.impact.as_deref().and_then(names).map(|names| vec![(names, theme.dim())]),
        );
    }
    let delays = model.impact_table().polls_that_delayed(key).take(MAX_POLLS);
    for (n, (entry, nanos)) in delays.enumerate() {
        if n == 0 {
            lines.push(Spans::new());
            lines.push(vec![(" delayed by other tasks".to_owned(), theme.title())]);
        }
        let name = entry.meta.as_ref().map_or("?", |meta| &meta.name);
        let text =
            format!("   {}  {}  {name}  {}", duration(nanos), when(entry, now), cause(entry));
        lines.push(vec![(text, Style::new())]);
    }
    lines
}

fn when(entry: &LongPollEntry, now: u64) -> String {
    match entry.evidence.is_ended {
        true => format!("{} ago", duration(now.saturating_sub(entry.end_ns()))),
        false => "now".to_owned(),
    }
}

fn cause(entry: &LongPollEntry) -> String {
    let function = entry.evidence.function().map(|function| format!(" in {function}"));
    let drop = if entry.evidence.kind == PollKind::Drop { "drop: " } else { "" };
    format!("{drop}{}{}", entry.evidence.cause, function.unwrap_or_default())
}

/// The tasks with the longest delays.
fn names(impact: &PollImpact) -> Option<String> {
    let name = |waited: &crate::snapshot::DelayedTask| {
        format!("{} {}", waited.name, duration(waited.delay_ns))
    };
    let named: Vec<_> = impact.most_delayed.iter().take(MAX_NAMES).map(name).collect();
    let more = if impact.tasks > MAX_NAMES { ", …" } else { "" };
    (!named.is_empty()).then(|| format!("     {}{more}", named.join(", ")))
}
