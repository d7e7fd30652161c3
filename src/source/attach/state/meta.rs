//! Task metadata, from the announcement of a task.

use std::sync::Arc;

use console_api::{field, tasks};

use crate::{
    snapshot::{TaskKind, TaskMeta, group_name},
    source::attach::{
        limits,
        text::{Texts, truncate},
    },
};

/// The metadata of an announced task.
pub(super) fn announced(
    task: &tasks::Task,
    field_name: impl Fn(&console_api::Field) -> Option<String>,
    texts: &mut Texts,
) -> TaskMeta {
    let id = task.id.map_or(0, |id| id.id);
    let location = texts.location(task.location.as_ref());
    let mut meta = TaskMeta { id, ..TaskMeta::default() };
    let (mut name, mut function, mut fields) = (String::new(), String::new(), String::new());
    for field in task.fields.iter().take(64) {
        let Some(key) = field_name(field) else { continue };
        let value = field.value.as_ref();
        match (&*key, value) {
            ("task.name", Some(value)) => name = value_text(value, texts),
            ("task.id", Some(field::Value::U64Val(number))) => meta.id = *number,
            ("kind", Some(value)) => meta.kind = kind(&value_text(value, texts)),
            // Tokio boxes a large future: then the first is the size of the future, and the
            // second that of the box.
            ("original_size.bytes" | "size.bytes", Some(field::Value::U64Val(size))) => {
                let size = u32::try_from(*size).unwrap_or(u32::MAX);
                meta.future_size = meta.future_size.max(size);
            }
            ("fn", Some(value)) => function = value_text(value, texts),
            _ => texts.add(&mut fields, &key, value, ""),
        }
    }
    if !function.is_empty() {
        let value = field::Value::StrVal(function);
        texts.add(&mut fields, "fn", Some(&value), "");
    }
    // An unnamed task gets the location at which it was spawned as its name.
    let file = location.rsplit(['/', '\\']).next().unwrap_or_default();
    meta.group = match (&*name, file) {
        ("", "") => texts.intern("unnamed"),
        ("", file) => texts.intern(&truncate(file, limits::NAME_BYTES)),
        (name, _) => texts.intern(group_name(name)),
    };
    meta.name = if name.is_empty() { Arc::clone(&meta.group) } else { name.into() };
    meta.location = location;
    meta.fields = fields.into();
    meta
}

/// The metadata of a task that was never announced.
pub(super) fn unannounced(id: u64, texts: &mut Texts) -> TaskMeta {
    let name = texts.intern("(not reported)");
    TaskMeta { id, group: Arc::clone(&name), name, kind: TaskKind::Unknown, ..TaskMeta::default() }
}

/// Whether it is the closure that runs a worker of the multi-thread runtime. One is spawned for each
/// worker at the start of the runtime, and for the worker that `block_in_place` hands over.
pub(in crate::source::attach) fn is_worker(meta: &TaskMeta) -> bool {
    let is_of_worker = |path: &str| {
        ["/multi_thread/worker.rs:", "\\multi_thread\\worker.rs:"]
            .iter()
            .any(|it| path.contains(it))
    };
    meta.kind == TaskKind::Blocking && is_of_worker(&meta.location)
}

fn value_text(value: &field::Value, texts: &mut Texts) -> String {
    match value {
        field::Value::StrVal(text) | field::Value::DebugVal(text) => {
            texts.truncate(text, limits::NAME_BYTES).into_owned()
        }
        other => other.to_string(),
    }
}

/// Converts Tokio's kind: `task`, `local`, `block_on` or `blocking`, which includes the workers.
fn kind(kind: &str) -> TaskKind {
    match kind {
        "task" | "block_in_place" => TaskKind::Spawned,
        "local" => TaskKind::Local,
        "block_on" => TaskKind::BlockOn,
        "blocking" => TaskKind::Blocking,
        _ => TaskKind::Unknown,
    }
}
