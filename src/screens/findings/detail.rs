//! The details of one finding: sentence, fix, location, cause, stack and affected tasks.

use ratatui::style::Style;

use super::{evidence, fact, facts, wrapped};
use crate::{
    app::App,
    model::{AffectedTask, Finding, FindingId, TargetModel},
    screens::{
        theme::Theme,
        widgets::{bars::bar, canvas::Spans},
    },
    text::{count, duration, plural},
};

/// The number of occurrences that are listed.
const MAX_SPANS: usize = 5;

/// All lines.
pub(in crate::screens) fn lines(app: &App, theme: Theme, width: u16, id: &FindingId) -> Vec<Spans> {
    let Some((target, finding)) = finding(app, id) else {
        let text = " this finding is resolved and no longer kept; Esc: back";
        return vec![vec![(text.to_owned(), theme.dim())]];
    };
    let mut lines = wrapped(&finding.sentence, width, theme.severity(finding.severity));
    let parts = [
        wrapped(finding.fix, width, theme.title()),
        about(app, theme, target, finding, width),
        cause(app, theme, finding, width),
        affected_tasks(theme, finding),
    ];
    for part in parts.into_iter().filter(|part| !part.is_empty()) {
        lines.push(Spans::new());
        lines.extend(part);
    }
    lines
}

/// The lines below a list that has the sentence: fix, cause, stack and affected tasks first.
pub(super) fn preview(app: &App, theme: Theme, width: u16, id: &FindingId) -> Vec<Spans> {
    let Some((target, finding)) = finding(app, id) else { return Vec::new() };
    let mut lines = facts(theme, "fix", finding.fix, width);
    lines.extend(cause(app, theme, finding, width));
    lines.extend(affected_tasks(theme, finding));
    lines.extend(about(app, theme, target, finding, width));
    lines
}

fn finding<'a>(app: &'a App, id: &FindingId) -> Option<(&'a TargetModel, &'a Finding)> {
    Some((app.model().target(id.target)?, app.model().finding(id)?))
}

/// The subject, when it was seen, and the rule.
fn about(
    app: &App,
    theme: Theme,
    target: &TargetModel,
    finding: &Finding,
    width: u16,
) -> Vec<Spans> {
    let now = target.target().taken_ns;
    let ago = |then: u64| duration(now.saturating_sub(then));
    let last = match finding.active {
        true => "active now".to_owned(),
        false => format!("resolved, last {} ago", ago(finding.last_seen_ns)),
    };
    let times = match finding.count {
        0 | 1 => "once".to_owned(),
        n => format!("{} times", count(n)),
    };
    let mut lines = vec![fact(
        theme,
        "seen",
        format!("{times}, first {} ago; {last}", ago(finding.first_seen_ns)),
    )];
    if finding.spans.len() > 1 {
        let spans = finding.spans.iter().rev().take(MAX_SPANS);
        let spans = spans.map(|span| {
            let length = duration(span.to_ns.saturating_sub(span.from_ns));
            format!("{} ago for {length}", ago(span.from_ns))
        });
        lines.extend(facts(theme, "latest", &spans.collect::<Vec<_>>().join("; "), width));
    }
    let id = finding.task_id.map_or_else(String::new, |id| format!(", task {id}"));
    lines.push(fact(theme, "subject", format!("{}{id}", finding.subject)));
    if app.has_several_targets() {
        lines.push(fact(theme, "target", target.name().to_string()));
    }
    if let Some(location) = &finding.location {
        lines.push(fact(theme, finding.location_label(), location.to_string()));
    }
    let rule =
        format!("{}, {}: {}", finding.rule, finding.severity.as_str(), finding.rule.rule().meaning);
    lines.extend(facts(theme, "rule", &rule, width));
    // Their sentences may have the numbers of another moment.
    let parts = app.model().covered_findings().iter();
    let of_this = |part: &&std::sync::Arc<Finding>| {
        part.part_of == Some(finding.rule) && part.has_subject_of(finding)
    };
    for part in parts.filter(of_this) {
        let text = format!("{}: {}", part.rule, part.rule.rule().meaning);
        lines.extend(facts(theme, "also", &text, width));
    }
    lines
}

/// The impact, the cause and the stack.
fn cause(app: &App, theme: Theme, finding: &Finding, width: u16) -> Vec<Spans> {
    let Some(evidence) = &finding.evidence else { return Vec::new() };
    let impact = evidence.impact.as_ref().and_then(|impact| impact.sentence());
    let impact = impact.map(|impact| fact(theme, "this poll", impact));
    impact.into_iter().chain(evidence::lines(app, theme, evidence, width)).collect()
}

/// The affected tasks, each with a bar for its delay.
fn affected_tasks(theme: Theme, finding: &Finding) -> Vec<Spans> {
    if finding.affected_tasks == 0 {
        return Vec::new();
    }
    let more = finding.affected_tasks.saturating_sub(finding.affected.len());
    let when = if finding.active { "delayed now" } else { "were delayed at its worst" };
    let tasks = plural(finding.affected_tasks as u64, "task");
    let title = format!(" {tasks} {when}, longest delay first");
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
