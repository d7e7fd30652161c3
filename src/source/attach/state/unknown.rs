//! Tasks that something mentions and that nobody has announced: the picture lacks them.

use std::collections::{HashMap, HashSet};

use crate::source::attach::limits;

/// After so many updates without a word of it a task is no longer missed.
const MISSED_FOR: u64 = 10;

#[derive(Debug, Default)]
pub(super) struct Unknown {
    /// Id → the last update that mentioned it.
    missed: HashMap<u64, u64>,
    /// Tasks that ended and were forgotten: the target may still speak of them.
    forgotten: HashSet<u64>,
}

impl Unknown {
    pub(super) fn len(&self) -> usize {
        self.missed.len()
    }

    pub(super) fn mention(&mut self, id: u64, update: u64) {
        if self.forgotten.contains(&id) {
            return;
        }
        if self.missed.len() < limits::UNKNOWN_TASKS || self.missed.contains_key(&id) {
            self.missed.insert(id, update);
        }
    }

    pub(super) fn forget(&mut self, id: u64) {
        if self.forgotten.len() >= limits::UNKNOWN_TASKS {
            self.forgotten.clear();
        }
        self.forgotten.insert(id);
    }

    /// Misses no longer what has become known, or was not mentioned for long.
    pub(super) fn sweep(&mut self, update: u64, is_known: impl Fn(u64) -> bool) {
        self.missed.retain(|id, last| !is_known(*id) && *last + MISSED_FOR > update);
    }
}
