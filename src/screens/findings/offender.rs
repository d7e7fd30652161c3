//! The details of a row of the impact table: fix, cause and stack, and the long polls one by one.

use ratatui::style::Style;

use super::{evidence, fact, facts, wrapped};
use crate::{
    app::App,
    model::{LongPollEntry, OffenderId, OffenderRow},
    screens::{
        theme::Theme,
        widgets::{canvas::Spans, location},
    },
    text::{duration, plural},
};

/// The number of polls that are listed.
const MAX_POLLS: usize = 12;

pub(super) fn title(app: &App, id: &OffenderId) -> String {
    match app.model().offender(id).map(|row| (&row.offender.name, &row.offender.function)) {
        Some((name, Some(function))) => format!("{name}: {function}"),
        Some((name, None)) => name.to_string(),
        None => String::new(),
    }
}

/// All lines.
pub(in crate::screens) fn lines(
    app: &App,
    theme: Theme,
    width: u16,
    id: &OffenderId,
) -> Vec<Spans> {
    let Some(row) = app.model().offender(id) else {
        let text = " the last of these long polls is more than a minute ago; Esc: back";
        return vec![vec![(text.to_owned(), theme.dim())]];
    };
    let mut lines = wrapped(&row.offender.describe(), width, theme.warning());
    for part in [
        wrapped(row.fix(), width, theme.title()),
        cause(app, theme, &row, width),
        polls(theme, &row),
    ] {
        lines.push(Spans::new());
        lines.extend(part);
    }
    lines
}

/// The lines below a table that has the numbers.
pub(super) fn preview(app: &App, theme: Theme, width: u16, id: &OffenderId) -> Vec<Spans> {
    let Some(row) = app.model().offender(id) else { return Vec::new() };
    let mut lines = facts(theme, "fix", row.fix(), width);
    lines.extend(cause(app, theme, &row, width));
    lines.extend(polls(theme, &row));
    lines
}

fn cause(app: &App, theme: Theme, row: &OffenderRow<'_>, width: u16) -> Vec<Spans> {
    let offender = row.offender;
    let mut lines = Vec::new();
    if let Some(line) = offender.evidence.blocked_at() {
        let place = location::blocked_at(&offender.evidence, line, theme, usize::MAX);
        lines.push(fact(theme, "blocked at", place));
    }
    if (1..offender.polls).contains(&offender.polls_without_function) {
        let text = format!(
            "{} without a stack, counted for the only function of the others",
            plural(offender.polls_without_function, "poll")
        );
        lines.push(fact(theme, "of these", text));
    }
    lines.extend(evidence::lines(app, theme, &offender.evidence, width));
    lines
}

/// The long polls, latest first.
fn polls(theme: Theme, row: &OffenderRow<'_>) -> Vec<Spans> {
    let now = row.target.target().taken_ns;
    let all: Vec<_> = row.polls().collect();
    let title = format!(" {}, latest first", plural(all.len() as u64, "long poll"));
    let mut lines = vec![vec![(title, theme.dim())]];
    lines.extend(all.iter().take(MAX_POLLS).map(|entry| {
        let LongPollEntry { meta, evidence } = entry;
        let name = meta.as_ref().map_or("?", |meta| &meta.name);
        let when = match evidence.is_ended {
            true => format!("{} ago", duration(now.saturating_sub(entry.end_ns()))),
            false => "now".to_owned(),
        };
        let impact = evidence.impact.as_ref().and_then(|impact| impact.sentence());
        let text = format!("   {:>8} {:>10}  {name}", duration(entry.net_ns()), when);
        vec![(text, Style::new()), (format!("  {}", impact.unwrap_or_default()), theme.dim())]
    }));
    if all.len() > MAX_POLLS {
        lines.push(vec![(format!("   and {} more", all.len() - MAX_POLLS), theme.dim())]);
    }
    lines
}
