//! The fields of resources.

use super::{Emphasis, Field, FieldKind::*, Row, Value};
use crate::{
    model::{ResourceRow, TargetModel},
    snapshot::ResourceStats,
};

type ResourceField = Field<ResourceRow>;

impl Row for ResourceRow {
    const TABLE: &'static str = "resources";

    fn fields() -> &'static [Field<Self>] {
        FIELDS
    }
}

fn stats<'a>(target: &'a TargetModel, row: &ResourceRow) -> Option<&'a ResourceStats> {
    target.target().resources.as_deref()?.resources.get(row.at)
}

fn text<'a>(stats: Option<&'a ResourceStats>, of: fn(&ResourceStats) -> &str) -> Value<'a> {
    stats.map(of).into()
}

/// The fields of a resource; those with a rank are shown by default, from left to right.
#[rustfmt::skip]
static FIELDS: &[ResourceField] = &[
    ResourceField::new("id", "ID", "number of the resource", Id, |t, r| stats(t, r).map(|it| it.id).into())
        .shown(7, 6, 6, 6),
    ResourceField::new("type_name", "RESOURCE", "timer, lock, channel or semaphore", Text, |t, r| text(stats(t, r), |it| &it.type_name))
        .shown(1, 12, 12, 20),
    ResourceField::new("kind", "KIND", "kind that Tokio reports", Text, |t, r| text(stats(t, r), |it| &it.kind))
        .shown(8, 6, 6, 10)
        .styled(|_, _| Emphasis::Dim),
    // Of equally many waiting tasks, those that have waited for longest come first.
    ResourceField::new("waiters", "WAITERS", "tasks that wait for it", Count, waiters)
        .shown(2, 8, 8, 8)
        .ordered_by(|_, r| ((r.waiters.len() as u64) << 40) + (r.longest_ns / 1_000_000).min((1 << 40) - 1)),
    ResourceField::new("longest_ns", "LONGEST", "longest time that a task has waited", Duration, |_, r| Some(r.longest_ns).filter(|_| !r.waiters.is_empty()).into())
        .shown(3, 7, 7, 7),
    ResourceField::new("holder", "ACQUIRED BY", "last task known to have acquired it, which probably holds it", Text, holder)
        .shown(4, 12, 12, 20),
    ResourceField::new("state", "STATE", "state that Tokio reports", Text, state)
        .shown(5, 12, 18, 48)
        .exact(|t, r| text(stats(t, r), |it| &it.state)),
    ResourceField::new("target", "TARGET", "watched program", Text, |t, _| (&**t.name()).into())
        .shown(9, 10, 15, 25)
        .styled(|_, _| Emphasis::Dim),
    ResourceField::new("location", "CREATED AT", "where it was created", Path, |t, r| text(stats(t, r), |it| &it.location))
        .shown(6, 12, 15, 62)
        .styled(|_, _| Emphasis::Dim),
    ResourceField::new("age_ns", "AGE", "time since it was created", Duration, |t, r| stats(t, r).map(|it| it.age_ns).into()),
];

/// The state without limits that do not change.
fn state<'a>(target: &'a TargetModel, row: &'a ResourceRow) -> Value<'a> {
    let Some(stats) = stats(target, row) else { return Value::Unknown };
    let parts = stats.state.split(' ').filter(|part| !part.starts_with("max_readers="));
    parts.collect::<Vec<_>>().join(" ").into()
}

fn waiters<'a>(target: &'a TargetModel, row: &'a ResourceRow) -> Value<'a> {
    match stats(target, row) {
        Some(stats) if stats.reports_waits || !row.waiters.is_empty() => row.waiters.len().into(),
        _ => Value::Unknown,
    }
}

fn holder<'a>(target: &'a TargetModel, row: &'a ResourceRow) -> Value<'a> {
    let Some(stats) = stats(target, row) else { return Value::Unknown };
    match (stats.holder, stats.is_taken) {
        (Some(key), _) => target.target().task(key).map_or("?", |task| &task.meta.name).into(),
        (None, Some(true)) => "unknown".into(),
        (None, _) => Value::Unknown,
    }
}
