//! Tasks that an update refers to, but that were never announced.

use std::collections::{HashMap, HashSet};

use crate::source::attach::limits;

/// An unknown task is no longer counted after this many updates without a reference to it.
const MAX_AGE_UPDATES: u64 = 10;

#[derive(Debug, Default)]
pub(super) struct UnknownTasks {
    /// Id → the last update that referred to it.
    last_references: HashMap<u64, u64>,
    /// Tasks that ended and were removed. The program may still refer to them.
    removed: HashSet<u64>,
}

impl UnknownTasks {
    pub(super) fn len(&self) -> usize {
        self.last_references.len()
    }

    pub(super) fn insert(&mut self, id: u64, update: u64) {
        if self.removed.contains(&id) {
            return;
        }
        let references = &mut self.last_references;
        if references.len() < limits::UNKNOWN_TASKS || references.contains_key(&id) {
            references.insert(id, update);
        }
    }

    /// Ignores future references to a task.
    pub(super) fn ignore(&mut self, id: u64) {
        if self.removed.len() >= limits::UNKNOWN_TASKS {
            self.removed.clear();
        }
        self.removed.insert(id);
    }

    /// Removes the tasks that are known by now or were not referred to recently.
    pub(super) fn remove_stale(&mut self, update: u64, is_known: impl Fn(u64) -> bool) {
        self.last_references.retain(|id, last| !is_known(*id) && *last + MAX_AGE_UPDATES > update);
    }
}
