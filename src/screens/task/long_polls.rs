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
    screens::{theme::Look, widgets::canvas::Pieces},
    snapshot::{Cost, PollKind},
    text::duration,
};

/// This many polls are listed, the latest.
const LISTED: usize = 6;
/// This many of those that waited are named.
const NAMED: usize = 4;

/// The lines, none if there was no long poll that matters here.
pub(super) fn lines(model: &TargetModel, look: Look, key: u64) -> Vec<Pieces> {
    let mut lines = Vec::new();
    let now = model.target().taken_ns;
    let own = model.impact_table().of_task(key).count();
    if own > 0 {
        lines.push(Pieces::new());
        let head = format!(" long polls in the last minute: {own}");
        lines.push(vec![(head, look.title())]);
    }
    for entry in model.impact_table().of_task(key).take(LISTED) {
        let evidence = &entry.evidence;
        let cost = match &evidence.cost {
            Some(cost) => cost.sentence().unwrap_or_else(|| "no other task was delayed".to_owned()),
            None => "–  impact not measured".to_owned(),
        };
        let worker = evidence.worker.map(|worker| format!("worker {worker}  "));
        let text = format!(
            "   {}  {}  {}{}  ",
            duration(evidence.length_ns),
            when(entry, now),
            worker.unwrap_or_default(),
            why(entry)
        );
        lines.push(vec![(text, Style::new()), (cost, look.warning())]);
        lines.extend(
            evidence.cost.as_deref().and_then(names).map(|names| vec![(names, look.dim())]),
        );
    }
    let waited = model.impact_table().polls_that_delayed(key).take(LISTED);
    for (n, (entry, nanos)) in waited.enumerate() {
        if n == 0 {
            lines.push(Pieces::new());
            lines.push(vec![(" delayed by other tasks".to_owned(), look.title())]);
        }
        let who = entry.meta.as_ref().map_or("?", |meta| &meta.name);
        let text = format!("   {}  {}  {who}  {}", duration(nanos), when(entry, now), why(entry));
        lines.push(vec![(text, Style::new())]);
    }
    lines
}

fn when(entry: &LongPollEntry, now: u64) -> String {
    match entry.evidence.over {
        true => format!("{} ago", duration(now.saturating_sub(entry.end_ns()))),
        false => "now".to_owned(),
    }
}

fn why(entry: &LongPollEntry) -> String {
    let function = entry.evidence.function().map(|function| format!(" in {function}"));
    let drop = if entry.evidence.kind == PollKind::Drop { "drop: " } else { "" };
    format!("{drop}{}{}", entry.evidence.cause, function.unwrap_or_default())
}

/// Those that waited longest.
fn names(cost: &Cost) -> Option<String> {
    let name =
        |waited: &crate::snapshot::Waited| format!("{} {}", waited.name, duration(waited.nanos));
    let named: Vec<_> = cost.worst.iter().take(NAMED).map(name).collect();
    let more = if cost.tasks > NAMED { ", …" } else { "" };
    (!named.is_empty()).then(|| format!("     {}{more}", named.join(", ")))
}
