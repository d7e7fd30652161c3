//! What is known of one target: updates go in, figures come out.
//!
//! Pure: no I/O, no clock (moments are arguments), no Tokio. And bounded: whatever bytes
//! come in, memory stays within the [`limits`](super::limits).

mod meta;
mod names;
mod polled;
mod shown;
mod table;
mod task;
#[cfg(test)]
mod tests;
mod unknown;
mod updates;
mod waits;

use std::{collections::HashMap, sync::Arc};

use console_api::tasks;

use super::{
    clock::{Moment, Offset, Written, moment},
    envelope::{Envelope, Malformed, Part},
    limits,
    text::Texts,
};
use crate::{
    Histogram,
    snapshot::{Losses, TaskMeta},
    text::sanitize,
};
use names::Names;
pub use polled::EndedPoll;
use table::{Entry, Table};
use task::Task;
use unknown::Unknown;
use waits::{AsyncOp, Resource};

/// As many events at most the target takes in at once: whoever sends nearly as many with
/// one update has more that wait.
const BEHIND: u64 = 120;
/// No rule speaks of polls that are shorter.
const LONG_NS: u64 = 1_000_000;

/// What is known of one target.
#[derive(Debug)]
pub struct Program {
    name: Arc<str>,
    /// Counts the processes that have answered.
    process: u32,
    /// Counts updates.
    updates: u64,
    /// The next update is the first of a connection.
    is_first: bool,
    offset: Offset,
    /// When the last update was written, and the one before it, on the target's clock.
    written: Written,
    before: Written,
    tasks: Table<Task>,
    resources: Table<Resource>,
    async_ops: Table<AsyncOp>,
    names: Names,
    texts: Texts,
    unknown: Unknown,
    /// How long tasks have waited for a worker.
    delays: Histogram,
    losses: Losses,
    /// Polls that have ended and were long, since somebody asked.
    long_polls: Vec<EndedPoll>,
}

impl Program {
    /// A target that has sent nothing yet.
    pub fn new(name: &str) -> Self {
        Program {
            name: sanitize(name).into(),
            process: 0,
            updates: 0,
            is_first: true,
            offset: Offset::default(),
            written: Written::default(),
            before: Written::default(),
            tasks: Table::new(limits::TASKS),
            resources: Table::new(limits::RESOURCES),
            async_ops: Table::new(limits::RESOURCES),
            names: Names::default(),
            texts: Texts::default(),
            unknown: Unknown::default(),
            delays: Histogram::default(),
            losses: Losses::default(),
            long_polls: Vec::new(),
        }
    }

    /// A new connection: its first update holds all that the target knows.
    pub fn connected(&mut self) {
        self.is_first = true;
        self.losses.paused = false;
    }

    /// An update came that could not be read, or was larger than the limit.
    pub fn missed_update(&mut self) {
        self.losses.unread_updates = self.losses.unread_updates.saturating_add(1);
    }

    /// Whether another client has stopped the updates.
    pub fn set_paused(&mut self, paused: bool) {
        self.losses.paused = paused;
    }

    /// Whether another client has stopped the updates, as far as is known.
    pub fn is_paused(&self) -> bool {
        self.losses.paused
    }

    /// Takes in an update that arrived at `ours`, a moment of our clock in nanoseconds
    /// since 1970.
    ///
    /// # Errors
    /// If it is no update. What was read until then stays.
    pub fn apply(&mut self, update: &[u8], ours: i64) -> Result<(), Malformed> {
        let result = self.take(update, ours);
        if result.is_err() {
            self.missed_update();
        }
        self.sweep();
        result
    }

    fn take(&mut self, update: &[u8], ours: i64) -> Result<(), Malformed> {
        let envelope = Envelope::open(update)?;
        let now = match moment(envelope.now) {
            0 => self.offset.theirs(ours),
            now => now,
        };
        self.updates += 1;
        let is_first = std::mem::take(&mut self.is_first);
        if self.process == 0 || (is_first && self.is_another_process(&envelope)?) {
            self.begin_process();
        }
        self.offset.learn(now, ours);
        self.before =
            std::mem::replace(&mut self.written, Written { at: now, ..Written::default() });
        // Metadata that is known already comes again with everything else only.
        let mut is_whole = false;
        envelope.metadata(|metadata| is_whole |= self.names.learn(metadata))?;
        let (known, mut events) = (self.tasks.len(), 0u64);
        self.take_tasks(&envelope, &mut events)?;
        self.take_waits(&envelope, &mut events)?;
        if is_first && is_whole && known > 0 {
            self.end_the_unmentioned();
        }
        // The first update is everything at once, however long it took to happen.
        self.losses.behind = !is_first && events >= BEHIND;
        Ok(())
    }

    /// Whether none of the tasks that are known is among those of the first update.
    fn is_another_process(&self, envelope: &Envelope<'_>) -> Result<bool, Malformed> {
        let (mut sent, mut met) = (0u64, 0u64);
        envelope.spawned(|id, spawned| {
            let spawned = moment(spawned);
            sent += 1;
            met += u64::from(self.tasks.get(id).is_some_and(|task| task.was_spawned_at(spawned)));
        })?;
        // The same one would have sent those that lived.
        let alive = || self.tasks.iter().any(|task| task.ended() == 0);
        Ok(self.tasks.len() > 0 && met == 0 && (sent > 0 || alive()))
    }

    /// Forgets all but the count of what was lost: nothing of one process is true of the
    /// next one. Keys go on, so that nobody takes an old task for a new one.
    fn begin_process(&mut self) {
        self.process = self.process.saturating_add(1);
        self.offset = Offset::default();
        self.tasks.clear();
        self.resources.clear();
        self.async_ops.clear();
        self.names = Names::default();
        self.long_polls.clear();
        self.unknown = Unknown::default();
        self.losses = Losses { paused: self.losses.paused, ..Losses::default() };
    }

    fn take_tasks(&mut self, envelope: &Envelope<'_>, events: &mut u64) -> Result<(), Malformed> {
        // Announced in this update; figures that follow say which generation is meant.
        let mut announced: HashMap<u64, Arc<TaskMeta>> = HashMap::new();
        envelope.tasks(|part| match part {
            Part::Task(task) => {
                let Some(id) = task.id.as_ref().map(|id| id.id) else { return };
                if announced.len() < limits::TASKS {
                    let (names, texts) = (&self.names, &mut self.texts);
                    let meta = meta::announced(&task, |field| names.of(field), texts);
                    announced.insert(id, meta.into());
                }
            }
            Part::TaskStats(id, stats) => {
                *events += u64::from(self.take_stats(id, &stats, announced.remove(&id)));
            }
            Part::Dropped(count) => self.dropped(count),
            _ => self.refuse(),
        })?;
        for (id, meta) in announced {
            // Without figures it is just being spawned, unless it is known and lives.
            match self.tasks.get_mut(id) {
                Some(task) if task.ended() == 0 => (task.meta, task.is_named) = (meta, true),
                _ => {
                    *events += u64::from(self.add_task(id, Some(meta), self.written.at).is_some());
                }
            }
        }
        Ok(())
    }

    /// Takes figures of a task in; returns whether it was not known before.
    fn take_stats(&mut self, id: u64, stats: &tasks::Stats, meta: Option<Arc<TaskMeta>>) -> bool {
        let (updates, spawned) = (self.updates, moment(stats.created_at));
        let (before, offset, delays) = (&self.before, &self.offset, &mut self.delays);
        self.written.tasks += 1;
        if let Some(task) = self.tasks.get_mut(id) {
            if task.was_spawned_at(spawned) {
                if let Some(meta) = meta.filter(|_| !task.is_named) {
                    (task.meta, task.is_named) = (meta, true);
                }
                let (latest, ended) = task.take(stats, updates, before, offset, delays);
                self.written.read = self.written.read.max(latest);
                self.ended(ended);
                return false;
            }
            // Somebody else's id now: its bearer is gone.
            task.end(self.written.at);
        }
        let ended = moment(stats.dropped_at);
        if ended > 0 && ended < self.written.at.saturating_sub(limits::ENDED_TASK_NS) {
            return true;
        }
        if self.add_task(id, meta, spawned).is_some()
            && let Some(task) = self.tasks.get_mut(id)
        {
            let (before, offset, delays) = (&self.before, &self.offset, &mut self.delays);
            let (latest, ended) = task.take(stats, updates, before, offset, delays);
            self.written.read = self.written.read.max(latest);
            self.ended(ended);
        }
        true
    }

    /// Keeps those polls for the next look that were long.
    fn ended(&mut self, polls: [Option<EndedPoll>; 2]) {
        let long = polls.into_iter().flatten().filter(|poll| poll.length_ns >= LONG_NS);
        let room = limits::LONG_POLLS.saturating_sub(self.long_polls.len());
        self.long_polls.extend(long.take(room));
    }

    /// The long polls that have ended since the last call, as far as updates tell of them.
    pub fn take_long_polls(&mut self) -> Vec<EndedPoll> {
        std::mem::take(&mut self.long_polls)
    }

    fn add_task(&mut self, id: u64, meta: Option<Arc<TaskMeta>>, at: Moment) -> Option<u64> {
        let texts = &mut self.texts;
        let is_named = meta.is_some();
        let meta = meta.unwrap_or_else(|| meta::unannounced(id, texts).into());
        let task = self.tasks.push(Task::new(id, meta, at))?;
        task.is_named = is_named;
        Some(task.key())
    }

    fn mentioned(&mut self, task: Option<u64>) {
        if let Some(task) = task.filter(|task| self.tasks.get(*task).is_none()) {
            self.unknown.mention(task, self.updates);
        }
    }

    fn dropped(&mut self, count: u64) {
        // The target tells each lost event once.
        self.losses.dropped_events = self.losses.dropped_events.saturating_add(count);
    }

    fn refuse(&mut self) {
        self.losses.refused = self.losses.refused.saturating_add(1);
    }

    /// After a first update, which holds everything: what it does not mention is gone.
    fn end_the_unmentioned(&mut self) {
        let (updates, counted) = (self.updates, self.written.at);
        for task in self.tasks.iter_mut().filter(|task| !task.has_changed_in(updates)) {
            task.end(counted);
        }
    }

    /// Forgets what is over.
    fn sweep(&mut self) {
        let counted = self.written.at;
        let oldest = counted.saturating_sub(limits::ENDED_TASK_NS);
        // A table that is full makes room for what lives.
        let most = if self.tasks.is_full() { 1 } else { limits::ENDED_TASKS };
        let mut swept = false;
        for task in self.tasks.iter() {
            let forgotten = task.ended() > 0 && task.ended() < oldest;
            if forgotten {
                self.unknown.forget(task.id());
            }
        }
        swept |= self.tasks.sweep(oldest, most);
        swept |= self.resources.sweep(counted, 1);
        swept |= self.async_ops.sweep(counted, 1);
        if swept {
            self.texts.forget();
        }
        let tasks = &self.tasks;
        self.unknown.sweep(self.updates, |id| tasks.get(id).is_some());
    }
}
