//! What is shown of a target.

use std::{collections::HashMap, sync::Arc};

use super::{Program, table::Entry};
use crate::{
    Histogram,
    snapshot::{AsyncOpStats, Losses, ResourceStats, TaskStats},
};

impl Program {
    /// What people call it.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Counts the processes that have answered; 0 before the first update.
    pub fn process(&self) -> u32 {
        self.process
    }

    /// When the last update was made, on our clock; 0 before the first one.
    pub fn counted(&self) -> i64 {
        if self.updates == 0 { 0 } else { self.offset.ours(self.written.at) }
    }

    /// What is missing.
    pub fn losses(&self) -> Losses {
        let unnamed = self.tasks.iter().filter(|task| !task.is_named && task.ended() == 0);
        Losses {
            unnamed_tasks: unnamed.count() as u64,
            unknown_tasks: self.unknown.len() as u64,
            refused: self
                .losses
                .refused
                .saturating_add(self.tasks.refused)
                .saturating_add(self.resources.refused)
                .saturating_add(self.async_ops.refused),
            cut_texts: self.texts.cut,
            ..self.losses.clone()
        }
    }

    /// How long its tasks have waited for a worker: in each update the mean wait of each
    /// task counts for all the polls that it had since the update before.
    pub fn delays(&self) -> &Histogram {
        &self.delays
    }

    /// The id on the wire of the task with this key.
    pub fn wire_id(&self, key: u64) -> Option<u64> {
        self.tasks.by_key(key).map(Entry::id)
    }

    /// Its tasks, in the order of their keys, as they are at `until` on our clock: a target
    /// that is not heard of stands still then.
    pub fn tasks(&self, until: i64) -> impl Iterator<Item = TaskStats> {
        let theirs = self.offset.theirs(until).max(self.written.at);
        self.tasks.iter().map(move |task| {
            let at = task.known(&self.written, self.updates, theirs);
            task.figures(at, &self.offset)
        })
    }

    /// Its resources that exist, in the order of their keys.
    pub fn resources(&self) -> impl Iterator<Item = ResourceStats> {
        // Who took a part of a resource took the resource: a mutex is a semaphore inside.
        let parts = self.resources.iter().filter_map(|part| Some((part.parent?, part.taker?)));
        let parts: HashMap<u64, u64> = parts.collect();
        let alive = self.resources.iter().filter(|resource| resource.ended() == 0);
        alive.map(move |resource| {
            let taker = resource.taker.or_else(|| parts.get(&resource.id()).copied());
            let mut figures = resource.figures(self.written.at);
            figures.parent = resource.parent.and_then(|id| self.resources.key(id));
            figures.holder =
                taker.filter(|_| resource.is_taken() == Some(true)).and_then(|id| self.living(id));
            figures
        })
    }

    /// The key of a task that has not ended.
    fn living(&self, id: u64) -> Option<u64> {
        self.tasks.get(id).filter(|task| task.ended() == 0).map(Entry::key)
    }

    /// Its async operations that are not over, in the order of their keys.
    pub fn async_ops(&self) -> impl Iterator<Item = AsyncOpStats> {
        self.async_ops.iter().filter(|op| op.ended() == 0).map(|op| {
            let mut figures = op.figures(self.written.at);
            figures.resource = op.resource.and_then(|id| self.resources.key(id));
            figures.parent = op.parent.and_then(|id| self.async_ops.key(id));
            figures.task = op.task.and_then(|id| self.tasks.key(id));
            figures
        })
    }
}
