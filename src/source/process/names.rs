//! The names of tasks: the short type of the future and the line of its code.

use std::{collections::HashMap, sync::Arc};

use asynctop_inspect::{CodeLocation, TaskInfo, TaskKind, TypeNames, report};

use crate::{
    snapshot::{self, TaskMeta, group_name},
    text::{file_and_folder, sanitize, short_source_path},
};

/// Maximum number of lines of code that are listed for a future without a line of its own.
const MAX_LINES: usize = 4;

/// The names of each type of task. All tasks of a type share one copy.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<usize, Named>);

#[derive(Clone, Debug)]
struct Named {
    name: Arc<str>,
    group: Arc<str>,
    location: Arc<str>,
    fields: Arc<str>,
    /// Its address is the key. It is kept so that no other type gets that address.
    names: Arc<TypeNames>,
}

impl Names {
    /// The metadata of a task.
    pub(super) fn meta(&mut self, task: &TaskInfo) -> TaskMeta {
        let key = Arc::as_ptr(&task.names) as usize;
        let named = self.0.entry(key).or_insert_with(|| Named::new(task));
        let spawned = task.spawned_at.as_ref().map(|at| place(at).into());
        TaskMeta {
            id: task.id,
            name: Arc::clone(&named.name),
            group: Arc::clone(&named.group),
            location: spawned.unwrap_or_else(|| Arc::clone(&named.location)),
            future_size: u32::try_from(task.size).unwrap_or(u32::MAX),
            kind: snapshot::TaskKind::Spawned,
            fields: match task.kind {
                TaskKind::Local => format!("in a LocalSet {}", named.fields).into(),
                _ => Arc::clone(&named.fields),
            },
        }
    }

    /// Removes the types that no task has.
    pub(super) fn remove_unused(&mut self) {
        self.0.retain(|_, named| Arc::strong_count(&named.names) > 1);
    }
}

impl Named {
    fn new(task: &TaskInfo) -> Named {
        let names = &task.names;
        let own = names.location.as_ref().or(names.contains.first());
        // A stripped program has no types; the line of the code distinguishes the tasks.
        let spawned = task.spawned_at.as_ref();
        let name = match (&names.futures[..], own, spawned) {
            ([], Some(location), _) => file_and_folder(&place(location)).to_owned(),
            ([], None, Some(spawned)) => {
                format!("spawned at {}", file_and_folder(&place(spawned)))
            }
            _ => report::task_name(task),
        };
        let name = sanitize(&name);
        let types = names.futures.iter().map(|future| format!("type={future}"));
        let lines = match names.location {
            Some(_) => &[][..],
            None => &names.contains[..],
        };
        let lines = lines.iter().take(MAX_LINES).map(|line| format!("contains={}", place(line)));
        let fields: Vec<String> = types.chain(lines).collect();
        Named {
            group: group_name(&name).into(),
            name: name.into(),
            location: own.map(place).unwrap_or_default().into(),
            fields: sanitize(&fields.join(" ")).into(),
            names: Arc::clone(names),
        }
    }
}

/// `src/server/conn.rs:42`
fn place(location: &CodeLocation) -> String {
    sanitize(&format!("{}:{}", short_source_path(&location.file), location.line)).into_owned()
}
