//! The details of one finding: sentence, fix, location, cause, stack and affected tasks.

use std::sync::Arc;

use ratatui::style::Style;

use crate::{
    app::App,
    model::{AffectedTask, Finding, FindingId},
    probe::PollKind,
    screens::{
        theme::Theme,
        widgets::{bars::bar, canvas::Spans, stack},
    },
    text::{count, duration, percent, wrap},
    watch::LongPoll,
};

/// All lines.
pub(in crate::screens) fn lines(app: &App, theme: Theme, width: u16, id: &FindingId) -> Vec<Spans> {
    let Some(finding) = app.model().finding(id) else {
        let text = " this finding is resolved and no longer kept; Esc: back";
        return vec![vec![(text.to_owned(), theme.dim())]];
    };
    let Some(target) = app.model().target(id.target) else { return Vec::new() };
    let now = target.target().taken_ns;
    let room = usize::from(width.saturating_sub(2)).min(110);
    let mut lines = wrapped(&finding.sentence, room, theme.severity(finding.severity));
    lines.push(Spans::new());
    lines.extend(wrapped(finding.fix, room, theme.title()));
    lines.push(Spans::new());
    let name = app.has_several_targets().then(|| target.name());
    lines.extend(facts(theme, finding, name, room, now));
    lines.extend(partial_findings(app, theme, finding, room));
    let cost = finding.evidence.as_ref().and_then(|evidence| evidence.impact.as_ref()?.sentence());
    lines.extend(cost.map(|cost| fact(theme, "impact", cost)));
    if let Some(evidence) = &finding.evidence {
        lines.push(Spans::new());
        lines.extend(cause(theme, evidence));
        lines.extend(stack::lines(theme, evidence, room));
    }
    if finding.affected_tasks > 0 {
        lines.push(Spans::new());
        lines.extend(affected_tasks(theme, finding));
    }
    lines
}

fn wrapped(text: &str, room: usize, style: Style) -> Vec<Spans> {
    wrap(text, room).into_iter().map(|line| vec![(format!(" {line}"), style)]).collect()
}

/// A line with a label.
fn fact(theme: Theme, label: &str, text: String) -> Spans {
    vec![(format!(" {label:<11}"), theme.dim()), (text, Style::new())]
}

fn facts(
    theme: Theme,
    finding: &Finding,
    target: Option<&Arc<str>>,
    room: usize,
    now: u64,
) -> Vec<Spans> {
    let ago = |then: u64| duration(now.saturating_sub(then));
    let last = match finding.active {
        true => "last now".to_owned(),
        false => format!("last {} ago, resolved", ago(finding.last_seen_ns)),
    };
    let times = match finding.count {
        0 | 1 => "once".to_owned(),
        n => format!("{} times", count(n)),
    };
    let since = format!("first {} ago, {last}; {times}", ago(finding.first_seen_ns));
    let mut lines = vec![fact(theme, "seen", since)];
    let id = finding.task_id.map_or_else(String::new, |id| format!(", task {id}"));
    lines.push(fact(theme, "subject", format!("{}{id}", finding.subject)));
    lines.extend(target.map(|target| fact(theme, "target", target.to_string())));
    if let Some(location) = &finding.location {
        lines.push(fact(theme, "spawned at", location.to_string()));
    }
    let mut word = "rule";
    let meaning = finding.rule.rule().meaning;
    let text = format!("{}, {}: {meaning}", finding.rule, finding.severity.as_str());
    for line in wrap(&text, room.saturating_sub(11).max(20)) {
        lines.push(fact(theme, std::mem::take(&mut word), line));
    }
    lines
}

/// The findings of other rules on the same polls.
fn partial_findings(app: &App, theme: Theme, finding: &Finding, room: usize) -> Vec<Spans> {
    let parts = app.model().covered_findings().iter();
    let of_this =
        parts.filter(|part| part.part_of == Some(finding.rule) && part.has_subject_of(finding));
    let mut lines = Vec::new();
    for part in of_this {
        let mut word = "also";
        for line in wrap(&format!("{}: {}", part.rule, part.sentence), room.saturating_sub(11)) {
            lines.push(fact(theme, std::mem::take(&mut word), line));
        }
    }
    lines
}

/// The cause of a long poll, and its time by function.
fn cause(theme: Theme, evidence: &LongPoll) -> Vec<Spans> {
    let mut lines = Vec::new();
    if evidence.kind == PollKind::Drop {
        lines.push(fact(theme, "during", "drop of the future, not a poll".to_owned()));
    }
    lines.push(fact(theme, "cause", evidence.cause.to_string()));
    if let Some(reason) = evidence.missing_stack() {
        lines.push(fact(theme, "stack", reason));
    }
    if evidence.profile.len() > 1 {
        for entry in &evidence.profile {
            let place = entry.location.as_ref().map(|p| format!(" at {p}")).unwrap_or_default();
            let shown = format!("{:>6}  {}{place}", percent(entry.share), entry.function);
            lines.push(vec![
                (format!(" {:<11}", ""), Style::new()),
                (bar(theme, entry.share, 10), theme.busy()),
                (shown, Style::new()),
            ]);
        }
    }
    lines
}

/// The affected tasks, each with a bar for its delay.
fn affected_tasks(theme: Theme, finding: &Finding) -> Vec<Spans> {
    let more = finding.affected_tasks.saturating_sub(finding.affected.len());
    let plural = if finding.affected_tasks == 1 { "" } else { "s" };
    let title = format!(" {} affected task{plural}, longest delay first", finding.affected_tasks);
    let mut lines = vec![vec![(title, theme.dim())]];
    let longest = finding.affected.iter().map(|task| task.delay_ns).max().unwrap_or(1).max(1);
    lines.extend(finding.affected.iter().map(|AffectedTask { name, delay_ns, .. }| {
        vec![
            (format!("   {:>8} ", duration(*delay_ns)), Style::new()),
            (bar(theme, *delay_ns as f64 / longest as f64, 12), theme.warning()),
            (format!("  {name}"), Style::new()),
        ]
    }));
    if more > 0 {
        lines.push(vec![(format!("   and {more} more"), theme.dim())]);
    }
    lines
}
