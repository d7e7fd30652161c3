//! Tasks that an update refers to, but that were never announced.

use std::collections::HashMap;

use crate::source::attach::{clock::Moment, limits};

/// An unknown task is no longer counted after this many updates without a reference to it.
const MAX_AGE_UPDATES: u64 = 10;

#[derive(Debug, Default)]
pub(super) struct UnknownTasks {
    /// Id → the last update that referred to it.
    last_references: HashMap<u64, u64>,
    /// Tasks that ended and were removed: id → spawn time. The program may still refer to them.
    removed: HashMap<u64, Moment>,
}

impl UnknownTasks {
    pub(super) fn len(&self) -> usize {
        self.last_references.len()
    }

    pub(super) fn insert(&mut self, id: u64, update: u64) {
        if self.removed.contains_key(&id) {
            return;
        }
        let references = &mut self.last_references;
        if references.len() < limits::UNKNOWN_TASKS || references.contains_key(&id) {
            references.insert(id, update);
        }
    }

    /// Ignores future references to a task.
    pub(super) fn ignore(&mut self, id: u64, spawned: Moment) {
        if self.removed.len() >= limits::UNKNOWN_TASKS {
            self.removed.clear();
        }
        self.removed.insert(id, spawned);
    }

    /// Whether this task ended and was removed.
    pub(super) fn was_removed(&self, id: u64, spawned: Moment) -> bool {
        self.removed.get(&id) == Some(&spawned)
    }

    /// Removes the tasks that are known by now or were not referred to recently.
    pub(super) fn remove_stale(&mut self, update: u64, is_known: impl Fn(u64) -> bool) {
        self.last_references.retain(|id, last| !is_known(*id) && *last + MAX_AGE_UPDATES > update);
    }
}
