//! The stats of a program.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{Program, resources::Resource, table::TableEntry};
use crate::{
    snapshot::{AsyncOpStats, Histogram, Losses, ResourceStats, Resources, TaskStats},
    source::attach::clock::between,
};

impl Program {
    /// The name to show: the address.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The number of processes that have answered; 0 before the first update.
    pub fn process(&self) -> u32 {
        self.process
    }

    /// When the last update was written, on the local clock; 0 before the first one.
    pub fn last_update(&self) -> i64 {
        if self.updates == 0 { 0 } else { self.offset.to_local(self.latest.at) }
    }

    /// The data that was lost or refused.
    pub fn losses(&self) -> Losses {
        let unnamed = self.tasks.iter().filter(|task| !task.is_announced && task.ended() == 0);
        Losses {
            unnamed_tasks: unnamed.count() as u64,
            unknown_tasks: self.unknown_tasks.len() as u64,
            over_limit: self
                .losses
                .over_limit
                .saturating_add(self.tasks.refused)
                .saturating_add(self.resources.refused)
                .saturating_add(self.async_ops.refused),
            truncated_texts: self.texts.truncated,
            reasons: self.unjudged_polls().into_iter().collect(),
            ..self.losses.clone()
        }
    }

    /// The scheduling delays. For each task and update, the mean delay since the previous update
    /// is counted once per poll.
    pub fn delays(&self) -> &Histogram {
        &self.delays
    }

    /// The id in the protocol of the task with this key.
    pub fn protocol_id(&self, key: u64) -> Option<u64> {
        self.tasks.by_key(key).map(TableEntry::id)
    }

    /// The tasks in the order of their keys, at the time of the latest update. They are not
    /// extrapolated: a poll may have ended since.
    pub fn tasks(&self) -> impl Iterator<Item = TaskStats> {
        self.tasks.iter().map(move |task| {
            let at = task.certain_until(&self.latest, self.updates);
            task.stats(at, &self.offset)
        })
    }

    /// The number of updates.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// The resources that exist and the operations on them.
    pub fn all_resources(&self) -> Resources {
        Resources { resources: self.resources().collect(), async_ops: self.async_ops().collect() }
    }

    /// The resources that exist, in the order of their keys.
    pub fn resources(&self) -> impl Iterator<Item = ResourceStats> {
        // The task that acquired a part holds the resource: a mutex contains a semaphore.
        let parts = self.resources.iter().filter_map(|part| Some((part.parent?, part)));
        let parts: HashMap<u64, &Resource> = parts.filter(|(_, it)| it.holder.is_some()).collect();
        let in_use: HashSet<u64> = self.async_ops.iter().filter_map(|op| op.resource).collect();
        let alive = self.resources.iter().filter(|resource| resource.ended() == 0);
        alive.map(move |resource| {
            let part = parts.get(&resource.id()).copied();
            let held = if resource.holder.is_some() { Some(resource) } else { part };
            let holder = held.and_then(|held| held.holder);
            let is_known =
                resource.is_taken() == Some(true) && !resource.may_have_several_holders(part);
            let holder = holder.filter(|_| is_known);
            let mut stats = resource.stats(self.latest.at);
            stats.parent = resource.parent.and_then(|id| self.resources.key(id));
            let task = holder.and_then(|id| self.tasks.get(id));
            stats.holder = task.filter(|task| task.ended() == 0).map(TableEntry::key);
            if let (Some(_), Some(held)) = (stats.holder, held) {
                stats.held_ns = Some(between(held.held_since, self.latest.at));
                stats.is_guard_owned = held.is_guard_owned;
            }
            // With recent versions of Tokio, a timer has no operation until it is reset.
            stats.reports_waits = !resource.is_timer() || in_use.contains(&resource.id());
            stats
        })
    }

    /// The async operations that have not ended, in the order of their keys.
    pub fn async_ops(&self) -> impl Iterator<Item = AsyncOpStats> {
        self.async_ops.iter().filter(|op| op.ended() == 0).map(|op| {
            let mut stats = op.stats(self.latest.at);
            stats.resource = op.resource.and_then(|id| self.resources.key(id));
            stats.parent = op.parent.and_then(|id| self.async_ops.key(id));
            stats.task = op.task.and_then(|id| self.tasks.key(id));
            // Tokio reports the readiness of a timer before its deadline. An operation begins with
            // each reset.
            let timer = op.resource.and_then(|id| self.resources.get(id)?.timeout_ns);
            if let Some(timeout_ns) = timer {
                stats.is_ready = Some(stats.age_ns >= timeout_ns);
            }
            stats
        })
    }
}
