//! Where a task is: the stack of a long poll, the resource that it waits for, or its await point.

use std::sync::Arc;

use ratatui::style::Style;

use super::{Details, resources};
use crate::{
    screens::widgets::{
        canvas::{Spans, paragraph},
        stack,
    },
    snapshot::{Accuracy, Answer, FieldId, LongPoll, Outcome, PollKind, State},
    text::{duration, wrap},
};

/// All lines; none if nothing is known.
pub(super) fn lines(details: &Details<'_>, width: usize) -> Vec<Spans> {
    let running = running_poll(details);
    let of_findings = details.findings().find_map(|finding| finding.evidence.as_ref());
    let mut lines = match running.or(of_findings) {
        Some(poll) => evidence(details, poll, width),
        None => Vec::new(),
    };
    lines.extend(match running {
        // The await point is that of the previous wait.
        Some(_) => Vec::new(),
        None => waits(details, width),
    });
    lines
}

/// The long poll that the task is in.
fn running_poll<'a>(details: &Details<'a>) -> Option<&'a Arc<LongPoll>> {
    let is_in_poll = matches!(details.task.state, State::Polling | State::Dropping);
    let latest = details.model.impact_table().of_task(details.key.id).next()?;
    Some(&latest.evidence).filter(|poll| is_in_poll && !poll.is_ended)
}

/// A line with its indent. What does not fit follows on further lines.
fn hanging(line: &str, width: usize) -> Vec<Spans> {
    let text = line.trim_start();
    let indent = line.len() - text.len();
    let lines = wrap(text, width.saturating_sub(indent + 4)).into_iter().enumerate();
    let indent = |at: usize| " ".repeat(1 + indent + if at > 0 { 2 } else { 0 });
    lines.map(|(at, line)| vec![(indent(at) + &line, Style::new())]).collect()
}

/// The cause of a long poll, its time by function, and its stack.
fn evidence(details: &Details<'_>, poll: &LongPoll, width: usize) -> Vec<Spans> {
    let theme = details.theme;
    let drop = if poll.kind == PollKind::Drop { "drop of the future: " } else { "" };
    let function = poll.function().map(|function| format!(" in {function}"));
    let stack = poll.missing_stack().filter(|_| function.is_none());
    // Without it, the cause would be taken for the current activity of the task.
    let when = if poll.is_ended { "long poll: " } else { "" };
    let head = format!(
        "{when}{drop}{}{}{}",
        poll.cause,
        function.unwrap_or_default(),
        stack.map(|reason| format!("; stack: {reason}")).unwrap_or_default()
    );
    let mut lines = paragraph(&head, width, Style::new());
    lines.extend(poll.profile_summary().iter().flat_map(|it| paragraph(it, width, Style::new())));
    lines.extend(stack::lines(details.app, theme, poll, width));
    lines
}

/// The resource that the task waits for, if it is known, otherwise its await point or the key that
/// requests it.
fn waits(details: &Details<'_>, width: usize) -> Vec<Spans> {
    let Details { app, theme, target, task, key, .. } = *details;
    let description = details.description();
    let resources = target.resources.as_deref();
    if let Ok(Some(resources)) = description.get(FieldId::Resources, resources) {
        let waits = resources::detail::waits_of(theme, target, resources, task.key);
        return match description.accuracy(FieldId::Resources) {
            Accuracy::LowerBound { reason } if waits.is_empty() && task.state == State::Idle => {
                paragraph(&format!("– await point unknown: {reason}"), width, theme.dim())
            }
            _ => waits,
        };
    }
    let is_in_poll = matches!(task.state, State::Polling | State::Dropping);
    let request = app.await_request(key);
    let answer = target.answers.iter().find(|answer| Some(answer.request) == request);
    if let Some(Answer { outcome: Outcome::AwaitPoint(answer), .. }) = answer {
        let ago = target.taken_ns.saturating_sub(answer.requested_ns);
        let title = match is_in_poll {
            true => format!("in a poll; its await point {} ago:", duration(ago)),
            false => format!("await point, requested {} ago", duration(ago)),
        };
        let lines = answer.lines();
        let lines = lines.iter().flat_map(|line| hanging(line, width));
        return paragraph(&title, width, theme.dim()).into_iter().chain(lines).collect();
    }
    let text = match (request, task.state) {
        (Some(_), _) => "await point requested: shown with the next sample",
        (_, State::Idle) if description.has(FieldId::AwaitPoint) => {
            "a: show the await point (polls the task once, not counted)"
        }
        _ => return Vec::new(),
    };
    paragraph(text, width, theme.dim())
}
