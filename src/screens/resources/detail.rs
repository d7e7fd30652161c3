//! The details of a resource: state, holder, parts and async operations.

use std::cmp::Reverse;

use ratatui::style::Style;

use super::task_name;
use crate::{
    app::App,
    screens::{theme::Theme, widgets::canvas::Spans},
    snapshot::{AsyncOpStats, ResourceKey, ResourceStats, Resources, Target},
    text::{compact_count, count, duration},
};

/// All lines.
pub(in crate::screens) fn lines(app: &App, theme: Theme, key: ResourceKey) -> Vec<Spans> {
    let Some((model, resource)) = app.resource(key) else {
        let text = " this resource no longer exists; Esc: back";
        return vec![vec![(text.to_owned(), theme.dim())]];
    };
    let target = &**model.target();
    let Some(resources) = target.resources.as_deref() else { return Vec::new() };
    let kind = format!("  {}  resource {}", resource.kind, resource.id);
    let holder = match (resource.holder, resource.is_taken) {
        (Some(task), _) => {
            let when = resource.held_ns.map(|held| format!(" {} ago", duration(held)));
            let guard = match resource.is_guard_owned {
                true => "its owned guard may be held by another task",
                false => "it probably holds it",
            };
            let (name, when) = (task_name(target, task), when.unwrap_or_default());
            Some(format!("{name}{when}; {guard}"))
        }
        (None, Some(true)) => {
            Some("unknown: before the connection, by try_lock, or by several tasks".to_owned())
        }
        (None, Some(false)) => Some("no task".to_owned()),
        (None, None) => None,
    };
    let mut lines = vec![
        vec![(format!(" {}", resource.type_name), theme.title()), (kind, theme.dim())],
        vec![(format!(" {}", resource.state), Style::new())],
        vec![(
            match &*resource.location {
                "" => format!(" created {} ago, location unknown", duration(resource.age_ns)),
                place => format!(" created at {place}, {} ago", duration(resource.age_ns)),
            },
            theme.dim(),
        )],
    ];
    if let Some(holder) = holder {
        lines.push(vec![(" acquired by ".to_owned(), theme.dim()), (holder, Style::new())]);
    }
    if let Some(parent) = resource.parent.and_then(|parent| resources.resource(parent)) {
        let text = format!(" part of {} {}", parent.type_name, parent.id);
        lines.push(vec![(text, theme.dim())]);
    }
    let parts = resources.resources.iter().filter(|part| part.parent == Some(key.id));
    let parts: Vec<&ResourceStats> = parts.collect();
    for part in &parts {
        let text = format!(" contains a {}: {}", part.type_name, part.state);
        lines.push(vec![(text, theme.dim())]);
    }
    lines.push(Spans::new());
    if !resource.reports_waits {
        let text = " – tasks that wait for it: not reported with this version of Tokio";
        lines.push(vec![(text.to_owned(), theme.dim())]);
        return lines;
    }
    lines.extend(operations(theme, target, resources, key.id, &parts));
    lines
}

/// The async operations on a resource and its parts: those that wait first, longest first.
fn operations(
    theme: Theme,
    target: &Target,
    resources: &Resources,
    key: u64,
    parts: &[&ResourceStats],
) -> Vec<Spans> {
    let of = |op: &&AsyncOpStats| {
        op.resource == Some(key) || parts.iter().any(|part| op.resource == Some(part.key))
    };
    let mut ops: Vec<_> = resources.async_ops.iter().filter(of).collect();
    ops.sort_by_key(|op| (!op.is_waiting(), Reverse(op.age_ns)));
    let plural = if ops.len() == 1 { "" } else { "s" };
    let text = format!(" {} async operation{plural}", ops.len());
    let mut lines = vec![vec![(text, theme.title())]];
    if !ops.is_empty() {
        lines.push(vec![(
            format!(" {:<20} {:>8}  {:<24} {:>7}  STATE", "TASK", "SINCE", "OPERATION", "POLLS"),
            theme.title(),
        )]);
    }
    lines.extend(ops.into_iter().map(|op| operation(theme, target, op)));
    lines
}

fn operation(theme: Theme, target: &Target, op: &AsyncOpStats) -> Spans {
    let task = op.task.map_or("–".to_owned(), |task| task_name(target, task));
    let line = format!(
        " {:<20} {:>8}  {:<24} {:>7}  {}",
        task,
        duration(op.age_ns),
        op.source,
        compact_count(op.polls),
        op.state,
    );
    vec![(line, if op.is_waiting() { Style::new() } else { theme.dim() })]
}

/// The operations that a task waits for, with their resources.
pub(in crate::screens) fn waits_of(
    theme: Theme,
    target: &Target,
    resources: &Resources,
    key: u64,
) -> Vec<Spans> {
    let ops = resources.of_task(key).filter(|op| op.is_waiting());
    // The inner operation of one that is listed adds nothing.
    let ops: Vec<&AsyncOpStats> = ops.collect();
    let is_inner = |op: &AsyncOpStats| ops.iter().any(|other| op.parent == Some(other.key));
    let outer = ops.iter().filter(|op| !is_inner(op));
    outer.map(|op| vec![(wait(target, resources, op), theme.title())]).collect()
}

fn wait(target: &Target, resources: &Resources, op: &AsyncOpStats) -> String {
    let resource = op.resource.and_then(|key| resources.resource(key));
    let mut text = format!(" waiting for {} in {}", duration(op.age_ns), op.source);
    if let Some(resource) = resource {
        text += &format!(", {} {}", resource.type_name, count(resource.id));
        if !resource.state.is_empty() {
            text += &format!(" ({})", resource.state);
        }
        if let Some(holder) = resource.holder {
            text += &format!(", acquired by {}", task_name(target, holder));
        }
    }
    text
}
