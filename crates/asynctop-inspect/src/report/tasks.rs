//! Tasks as text: their names and locations. Equal tasks share a line.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use super::TextOptions;
use crate::{CodeLocation, TaskInfo, TaskKind, names::shorten::short_type};

pub(super) fn write_tasks(
    tasks: &[&TaskInfo],
    options: TextOptions,
    out: &mut dyn Write,
) -> io::Result<()> {
    if options.all {
        return tasks.iter().try_for_each(|task| writeln!(out, "{}", line(task)));
    }
    let mut groups: BTreeMap<_, Vec<&TaskInfo>> = BTreeMap::new();
    for task in tasks {
        let key =
            (task.state, task.kind, task_name(task), locations(task), task.can_never_be_woken());
        groups.entry(key).or_default().push(task);
    }
    for group in groups.values() {
        let [first, others @ ..] = group.as_slice() else { continue };
        match others.len() {
            0 => writeln!(out, "{}", line(first))?,
            more => writeln!(out, "{}, and {more} more like it", line(first))?,
        }
    }
    Ok(())
}

fn line(task: &TaskInfo) -> String {
    let mut line = format!("task {} [{}]: {}", task.id, task.state, task_name(task));
    let locations = locations(task);
    if !locations.is_empty() {
        line.push(' ');
        line.push_str(&locations);
    }
    if task.is_canceled {
        line.push_str(", aborted");
    }
    if task.can_never_be_woken() {
        line.push_str(", no waker exists");
    }
    line
}

/// The future type of a task in its short form, or a description if it is not known.
pub fn task_name(task: &TaskInfo) -> String {
    let mut names: Vec<String> =
        task.names.futures.iter().map(|future| short_type(future)).collect();
    names.sort();
    names.dedup();
    match (names.as_slice(), task.kind) {
        ([], TaskKind::Blocking | TaskKind::Worker) => "blocking closure".to_owned(),
        // A stripped program has no types; the line of the code distinguishes the tasks.
        ([], _) => match (first_location(task), &task.spawned_at) {
            (Some(location), _) => format!("async code at {location}"),
            (None, Some(spawned)) => format!("async code spawned at {spawned}"),
            (None, None) => "(type without a name)".to_owned(),
        },
        ([only], _) => only.clone(),
        (several, _) => format!("one of {}", several.join(" | ")),
    }
}

/// The locations at which the task's code begins, and at which it was spawned.
fn locations(task: &TaskInfo) -> String {
    // Without types, the name of the task already has the first location.
    let is_first_in_name = task.names.futures.is_empty();
    let mut text = match (&task.names.location, task.names.contains.as_slice()) {
        (Some(_), _) | (None, [_]) if is_first_in_name => String::new(),
        (Some(location), _) => location.to_string(),
        (None, []) => String::new(),
        (None, [_, others @ ..]) if is_first_in_name => contained_code(others),
        (None, several) => contained_code(several),
    };
    if let Some(spawned) = &task.spawned_at {
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(&format!("spawned at {spawned}"));
    }
    text
}

/// The line of a task's `async fn`, or else that of the first one that it contains.
fn first_location(task: &TaskInfo) -> Option<&CodeLocation> {
    task.names.location.as_ref().or(task.names.contains.first())
}

fn contained_code(locations: &[CodeLocation]) -> String {
    /// More would make the line too long.
    const MAX_LOCATIONS: usize = 3;
    let shown: Vec<String> =
        locations.iter().take(MAX_LOCATIONS).map(ToString::to_string).collect();
    let more = if locations.len() > MAX_LOCATIONS { ", …" } else { "" };
    format!("with async code from {}{more}", shown.join(", "))
}
