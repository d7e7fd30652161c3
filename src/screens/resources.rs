//! The resources that tasks wait for, and the details of one.

use ratatui::{layout::Rect, style::Style};

use super::{
    tasks::head,
    theme::Look,
    widgets::{
        canvas::{Canvas, Pieces},
        table::{Place, Spec, places},
    },
};
use crate::{
    app::App,
    model::{ResourceRow, TargetModel},
    snapshot::{AsyncOpStats, ResourceKey, ResourceStats, Resources, Target},
    text::{compact_count, count, duration},
};

/// A column of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Id,
    Type,
    Kind,
    Waiters,
    Longest,
    Holder,
    State,
    Target,
    Where,
}

const SPECS: [Spec<Part>; 9] = [
    Spec { column: Part::Id, width: 6, grow: 0, rank: 7, right: true },
    Spec { column: Part::Type, width: 12, grow: 8, rank: 1, right: false },
    Spec { column: Part::Kind, width: 6, grow: 4, rank: 8, right: false },
    Spec { column: Part::Waiters, width: 8, grow: 0, rank: 2, right: true },
    Spec { column: Part::Longest, width: 7, grow: 0, rank: 3, right: true },
    Spec { column: Part::Holder, width: 12, grow: 8, rank: 4, right: false },
    Spec { column: Part::State, width: 18, grow: 30, rank: 5, right: false },
    Spec { column: Part::Target, width: 15, grow: 10, rank: 9, right: false },
    Spec { column: Part::Where, width: 15, grow: 47, rank: 6, right: false },
];

fn title(part: Part) -> &'static str {
    match part {
        Part::Id => "ID",
        Part::Type => "RESOURCE",
        Part::Kind => "KIND",
        Part::Waiters => "WAITERS",
        Part::Longest => "LONGEST",
        Part::Holder => "HELD BY",
        Part::State => "STATE",
        Part::Target => "TARGET",
        Part::Where => "CREATED AT",
    }
}

pub(super) fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let look = canvas.look;
    if let (Err(reason), false) = (app.resources(), app.has_several_targets()) {
        canvas.put(area.x, area.y, area.width, &format!(" –  {reason}"), look.dim());
        return;
    }
    let several = app.has_several_targets();
    let specs = SPECS.into_iter().filter(|spec| spec.column != Part::Target || several);
    let places = places(&specs.collect::<Vec<_>>(), Part::Type, area.width);
    for place in &places {
        let sorted = (place.column == Part::Waiters).then_some(true);
        head(canvas, area.y, place, title(place.column), sorted);
    }
    let visible = usize::from(area.height).saturating_sub(1);
    let rows = app.resource_rows().iter().skip(app.resource_cursor.top()).take(visible);
    for (row, y) in rows.zip(area.y + 1..) {
        let Some((target, resource)) = app.resource(row.key) else { continue };
        for place in &places {
            cell(target, canvas, y, place, resource, row);
        }
        if app.resource_cursor.key() == Some(&row.key) {
            canvas.highlight(Rect::new(area.x, y, area.width, 1), look.selected());
        }
    }
    if app.resource_rows().is_empty() && visible > 0 {
        let text = match app.filter.is_empty() {
            true => "no resources: the program has no timer, lock, channel or semaphore of Tokio's",
            false => "no resource matches the filter; Esc clears it",
        };
        canvas.put(area.x + 1, area.y + 1, area.width - 1, text, look.dim());
    }
}

fn cell(
    target: &TargetModel,
    canvas: &mut Canvas<'_>,
    y: u16,
    place: &Place<Part>,
    resource: &ResourceStats,
    row: &ResourceRow,
) {
    let look = canvas.look;
    let plain = Style::new();
    let waits = !row.waiters.is_empty();
    let (text, style) = match place.column {
        Part::Id => (resource.id.to_string(), plain),
        Part::Type => (resource.type_name.to_string(), plain),
        Part::Kind => (resource.kind.to_string(), look.dim()),
        Part::Waiters => (compact_count(row.waiters.len() as u64), plain),
        Part::Longest if waits => (duration(row.longest_ns), plain),
        Part::Longest => ("–".to_owned(), look.dim()),
        Part::Holder => match (resource.holder, resource.is_taken) {
            (Some(key), _) => (name(target.target(), key), plain),
            (None, Some(true)) => ("unknown".to_owned(), plain),
            (None, _) => ("–".to_owned(), look.dim()),
        },
        Part::State => (resource.state.to_string(), plain),
        Part::Target => (target.name().to_string(), look.dim()),
        Part::Where => (resource.location.to_string(), look.dim()),
    };
    place.put(canvas, y, &text, style, place.column == Part::Where);
}

/// The name of a task.
fn name(target: &Target, key: u64) -> String {
    target.task(key).map_or("?".to_owned(), |task| task.meta.name.to_string())
}

/// Everything that is known of one resource.
pub(super) fn detail(app: &App, look: Look, key: ResourceKey) -> Vec<Pieces> {
    let Some((model, resource)) = app.resource(key) else {
        let text = " this resource no longer exists; Esc: back";
        return vec![vec![(text.to_owned(), look.dim())]];
    };
    let target = &**model.target();
    let Some(resources) = target.resources.as_deref() else { return Vec::new() };
    let kind = format!("  {}  resource {}", resource.kind, resource.id);
    let holder = match (resource.holder, resource.is_taken) {
        (Some(task), _) => Some(format!("{}, the last task to acquire it", name(target, task))),
        (None, Some(true)) => Some("unknown: acquired before the connection".to_owned()),
        (None, Some(false)) => Some("no task".to_owned()),
        (None, None) => None,
    };
    let mut lines = vec![
        vec![(format!(" {}", resource.type_name), look.title()), (kind, look.dim())],
        vec![(format!(" {}", resource.state), Style::new())],
        vec![(
            match &*resource.location {
                "" => format!(" created {} ago, location unknown", duration(resource.age_ns)),
                place => format!(" created at {place}, {} ago", duration(resource.age_ns)),
            },
            look.dim(),
        )],
    ];
    if let Some(holder) = holder {
        lines.push(vec![(" held by ".to_owned(), look.dim()), (holder, Style::new())]);
    }
    if let Some(parent) = resource.parent.and_then(|parent| resources.resource(parent)) {
        let text = format!(" part of {} {}", parent.type_name, parent.id);
        lines.push(vec![(text, look.dim())]);
    }
    let parts = resources.resources.iter().filter(|part| part.parent == Some(key.id));
    let parts: Vec<&ResourceStats> = parts.collect();
    for part in &parts {
        let text = format!(" contains a {}: {}", part.type_name, part.state);
        lines.push(vec![(text, look.dim())]);
    }
    lines.push(Pieces::new());
    lines.extend(operations(look, target, resources, key.id, &parts));
    lines
}

/// What tasks do with a resource and its parts.
fn operations(
    look: Look,
    target: &Target,
    resources: &Resources,
    key: u64,
    parts: &[&ResourceStats],
) -> Vec<Pieces> {
    let of = |op: &&AsyncOpStats| {
        op.resource == Some(key) || parts.iter().any(|part| op.resource == Some(part.key))
    };
    let ops: Vec<_> = resources.async_ops.iter().filter(of).collect();
    let plural = if ops.len() == 1 { "" } else { "s" };
    let text = format!(" {} async operation{plural}", ops.len());
    let mut lines = vec![vec![(text, look.title())]];
    if !ops.is_empty() {
        lines.push(vec![(
            format!(
                " {:>6} {:<26} {:<20} {:>8} {:>7}  STATE",
                "ID", "OPERATION", "TASK", "SINCE", "POLLS"
            ),
            look.title(),
        )]);
    }
    lines.extend(ops.into_iter().map(|op| operation(look, target, op)));
    lines
}

fn operation(look: Look, target: &Target, op: &AsyncOpStats) -> Pieces {
    let task = op.task.map_or("–".to_owned(), |task| name(target, task));
    let line = format!(
        " {:>6} {:<26} {:<20} {:>8} {:>7}  {}",
        op.id,
        op.source,
        task,
        duration(op.age_ns),
        compact_count(op.polls),
        op.state,
    );
    vec![(line, if op.is_waiting() { Style::new() } else { look.dim() })]
}

/// What a task waits for.
pub(super) fn waits_of(
    look: Look,
    target: &Target,
    resources: &Resources,
    key: u64,
) -> Vec<Pieces> {
    let ops = resources.of_task(key).filter(|op| op.is_waiting());
    // The innermost says the same once more.
    let ops: Vec<&AsyncOpStats> = ops.collect();
    let is_inner = |op: &AsyncOpStats| ops.iter().any(|other| op.parent == Some(other.key));
    let outer = ops.iter().filter(|op| !is_inner(op));
    outer.map(|op| vec![(wait(target, resources, op), look.title())]).collect()
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
            text += &format!(", held by {}", name(target, holder));
        }
    }
    text
}
