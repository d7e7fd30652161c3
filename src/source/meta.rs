//! What does not change over a task's life, made once for each task.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasherDefault, Hasher},
    panic::Location,
    sync::Arc,
};

use crate::{
    model::{TaskMeta, group_name},
    probe::TaskView,
};

/// The metas of the tasks in the last snapshot.
#[derive(Default)]
pub(super) struct Metas {
    by_key: HashMap<u64, Known, BuildHasherDefault<KeyHasher>>,
    groups: HashSet<Arc<str>>,
    locations: HashMap<&'static Location<'static>, Arc<str>>,
    /// Counts snapshots.
    round: u64,
}

struct Known {
    meta: Arc<TaskMeta>,
    /// The last round that met this task.
    round: u64,
}

impl Metas {
    pub(super) fn begin_round(&mut self) {
        self.round += 1;
    }

    /// The meta of a task; made if it is not known yet.
    pub(super) fn of(&mut self, task: &TaskView<'_>) -> Arc<TaskMeta> {
        if let Some(known) = self.by_key.get_mut(&task.key()) {
            known.round = self.round;
            return Arc::clone(&known.meta);
        }
        let meta = Arc::new(TaskMeta {
            id: task.id(),
            name: task.name().into(),
            group: self.group(group_name(task.name())),
            location: self.location(task.location()),
            future_size: task.future_size(),
            ..TaskMeta::default()
        });
        let known = Known { meta: Arc::clone(&meta), round: self.round };
        self.by_key.insert(task.key(), known);
        meta
    }

    /// Forgets the tasks that this round did not meet; it met `met` of them.
    pub(super) fn end_round(&mut self, met: usize) {
        if self.by_key.len() == met {
            return;
        }
        self.by_key.retain(|_, known| known.round == self.round);
        // Names may be endless ("conn 10.0.0.1:4711"), and with them groups.
        self.groups.retain(|group| Arc::strong_count(group) > 1);
    }

    fn group(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.groups.get(name) {
            return Arc::clone(known);
        }
        let group: Arc<str> = name.into();
        self.groups.insert(Arc::clone(&group));
        group
    }

    fn location(&mut self, location: &'static Location<'static>) -> Arc<str> {
        let text = || format!("{}:{}", short_path(location.file()), location.line()).into();
        Arc::clone(self.locations.entry(location).or_insert_with(text))
    }
}

/// A path as short as it can be without losing where it belongs: one's own crate's paths
/// are relative already, those of other crates begin with the crate's folder.
pub(super) fn short_path(path: &str) -> &str {
    let is_separator = |c| c == '/' || c == '\\';
    let absolute = path.starts_with(is_separator) || path.get(1..2) == Some(":");
    if !absolute {
        return path;
    }
    let source = ["/src/", "\\src\\"].iter().filter_map(|src| path.rfind(src)).max();
    let Some(source) = source else { return path };
    path[..source].rfind(is_separator).map_or(path, |parent| &path[parent + 1..])
}

/// Scans meet keys in the order of their low bits. Those stay as they are, so that a scan
/// goes through the table from its beginning to its end instead of to and fro in memory;
/// the top bits, by which the table tells neighbours apart, are mixed.
#[derive(Default)]
struct KeyHasher(u64);

const TOP_BITS: u64 = 0x7F << 57;

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(self.0 << 8 | u64::from(*byte));
        }
    }

    fn write_u64(&mut self, key: u64) {
        let mixed = key.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = key & !TOP_BITS | mixed & TOP_BITS;
    }
}

#[cfg(test)]
mod tests {
    use super::short_path;

    #[test]
    fn paths_are_as_short_as_they_can_be() {
        for (path, short) in [
            ("src/main.rs", "src/main.rs"),
            ("examples/web.rs", "examples/web.rs"),
            ("crates/app/src/main.rs", "crates/app/src/main.rs"),
            ("/home/me/app/src/main.rs", "app/src/main.rs"),
            ("/home/me/.cargo/registry/src/index-1/hyper-1.6.0/src/rt.rs", "hyper-1.6.0/src/rt.rs"),
            ("C:\\code\\app\\src\\main.rs", "app\\src\\main.rs"),
            ("/opt/main.rs", "/opt/main.rs"),
            ("/src/main.rs", "/src/main.rs"),
            ("", ""),
        ] {
            assert_eq!(short_path(path), short, "{path}");
        }
    }
}
