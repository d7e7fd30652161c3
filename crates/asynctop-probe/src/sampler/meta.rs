//! The metadata of tasks, created once per task.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasherDefault, Hasher},
    panic::Location,
    sync::Arc,
};

use asynctop_snapshot::{TaskMeta, group_name, text::short_source_path};

use crate::accounting::TaskView;

/// A cache of the metadata of all tasks in the previous snapshot.
#[derive(Default)]
pub(super) struct MetaCache {
    by_key: HashMap<u64, CachedMeta, BuildHasherDefault<KeyHasher>>,
    groups: HashSet<Arc<str>>,
    locations: HashMap<&'static Location<'static>, Arc<str>>,
    /// The number of the current scan.
    scan: u64,
}

struct CachedMeta {
    meta: Arc<TaskMeta>,
    /// The last scan in which the task was found.
    scan: u64,
}

impl MetaCache {
    pub(super) fn begin_scan(&mut self) {
        self.scan += 1;
    }

    /// The metadata of a task, which is created if it is not cached.
    pub(super) fn of(&mut self, task: &TaskView<'_>) -> Arc<TaskMeta> {
        if let Some(cached) = self.by_key.get_mut(&task.key()) {
            cached.scan = self.scan;
            return Arc::clone(&cached.meta);
        }
        let meta = Arc::new(TaskMeta {
            id: task.id(),
            name: task.name().into(),
            group: self.group(group_name(task.name())),
            location: self.location(task.location()),
            future_size: task.future_size(),
            ..TaskMeta::default()
        });
        let cached = CachedMeta { meta: Arc::clone(&meta), scan: self.scan };
        self.by_key.insert(task.key(), cached);
        meta
    }

    /// Removes the tasks that this scan did not find. `found` is the number of those that it found.
    pub(super) fn end_scan(&mut self, found: usize) {
        if self.by_key.len() == found {
            return;
        }
        self.by_key.retain(|_, cached| cached.scan == self.scan);
        // Names such as "conn 10.0.0.1:4711" make the number of groups unbounded.
        self.groups.retain(|group| Arc::strong_count(group) > 1);
    }

    fn group(&mut self, name: &str) -> Arc<str> {
        if let Some(group) = self.groups.get(name) {
            return Arc::clone(group);
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

/// A hasher for keys. A scan visits keys in the order of their low bits, which stay unchanged, so that
/// it also visits the table in memory order. The top bits, by which the table distinguishes
/// neighbors, are mixed.
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
