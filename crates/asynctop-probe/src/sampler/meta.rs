//! What stays the same during a task's life, created once per task.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasherDefault, Hasher},
    panic::Location,
    sync::Arc,
};

use asynctop_snapshot::{TaskMeta, group_name, text::short_source_path};

use crate::accounting::TaskView;

/// The `TaskMeta` of each task in the last snapshot.
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
    /// The last round in which the task was seen.
    round: u64,
}

impl Metas {
    pub(super) fn begin_round(&mut self) {
        self.round += 1;
    }

    /// The `TaskMeta` of a task; created if it is not known yet.
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

    /// Removes the tasks that were not seen in this round, in which `seen` were.
    pub(super) fn end_round(&mut self, seen: usize) {
        if self.by_key.len() == seen {
            return;
        }
        self.by_key.retain(|_, known| known.round == self.round);
        // The number of names ("conn 10.0.0.1:4711"), and so of groups, may be unbounded.
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
        let text = || format!("{}:{}", short_source_path(location.file()), location.line()).into();
        Arc::clone(self.locations.entry(location).or_insert_with(text))
    }
}

/// A scan visits keys in the order of their low bits. They stay as they are, so that a scan also
/// visits the table in order of memory; the top bits, by which the table distinguishes neighbors,
/// are mixed.
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
