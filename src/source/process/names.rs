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
        let own = names.location.as_ref().or_else(|| most_likely(names));
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

/// The line that is most likely the future's own: in the file of a module of its type, such as
/// `src/server.rs` of `app::server::Conn::run`, or else the first one.
fn most_likely(names: &TypeNames) -> Option<&CodeLocation> {
    let is_of_type = |location: &&CodeLocation| {
        let path = location.file.strip_suffix("/mod.rs").unwrap_or(&location.file);
        let module = path.rsplit('/').next().map(|file| file.trim_end_matches(".rs"));
        let modules = names.futures.iter().flat_map(|future| future.split("::"));
        modules.into_iter().any(|part| Some(part) == module)
    };
    names.contains.iter().find(is_of_type).or(names.contains.first())
}

/// `src/server/conn.rs:42`
fn place(location: &CodeLocation) -> String {
    sanitize(&format!("{}:{}", short_source_path(&location.file), location.line)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_in_the_file_of_the_type_is_most_likely() {
        let of = |futures: &[&str], files: &[&str]| {
            let at = |file: &&str| CodeLocation { file: (*file).to_owned(), line: 1, column: 1 };
            let mut names = TypeNames::default();
            names.contains = files.iter().map(at).collect();
            names.futures = futures.iter().map(|future| (*future).to_owned()).collect();
            most_likely(&names).map(|location| location.file.clone())
        };
        let files = ["src/cmd/get.rs", "src/db/mod.rs", "src/server.rs"];
        let future = ["app::server::Listener::run::{{closure}}"];
        assert_eq!(of(&future, &files).as_deref(), Some("src/server.rs"));
        assert_eq!(of(&["app::db::purge"], &files).as_deref(), Some("src/db/mod.rs"));
        assert_eq!(of(&["app::other::run"], &files).as_deref(), Some("src/cmd/get.rs"));
        assert_eq!(of(&[], &[]), None);
    }
}
