//! The state of one watched program: applies updates and returns stats.
//!
//! Pure: no I/O, no clock (times are arguments), no Tokio. And bounded: whatever bytes are
//! received, memory stays within the [`limits`](super::limits).

mod ended_polls;
mod field_names;
mod harmless_polls;
mod hidden_polls;
mod meta;
mod resource_updates;
mod resources;
mod stats;
mod table;
mod task;
#[cfg(test)]
mod tests;
mod unknown_tasks;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use console_api::tasks;

use super::{
    clock::{ClockOffset, Moment, UpdateTime, between, moment},
    envelope::{Envelope, Malformed, Part},
    limits,
    text::Texts,
};
use crate::{
    snapshot::{Histogram, Losses, TaskKind, TaskMeta},
    text::sanitize,
};
pub use ended_polls::EndedPoll;
use field_names::FieldNames;
pub use harmless_polls::HarmlessPoll;
use hidden_polls::HiddenPolls;
pub(super) use meta::is_worker;
use resources::{AsyncOp, Resource};
use table::{Table, TableEntry};
use task::Task;
use unknown_tasks::UnknownTasks;

/// An update with this many events means that the program has a backlog: it drains a queue of
/// limited size for each update.
const BACKLOG_EVENTS: u64 = 120;
/// Shorter polls are not recorded: no rule uses them.
const MIN_POLL_NS: u64 = 1_000_000;

/// The state of one watched program.
#[derive(Debug)]
pub struct Program {
    name: Arc<str>,
    /// Number of processes that have answered at this address.
    process: u32,
    /// Number of updates.
    updates: u64,
    /// The next update is the first one of a connection.
    is_first: bool,
    offset: ClockOffset,
    latest: UpdateTime,
    previous: UpdateTime,
    tasks: Table<Task>,
    resources: Table<Resource>,
    async_ops: Table<AsyncOp>,
    field_names: FieldNames,
    texts: Texts,
    unknown_tasks: UnknownTasks,
    delays: Histogram,
    losses: Losses,
    /// Long polls that ended since the last [`take_long_polls`](Program::take_long_polls).
    long_polls: Vec<EndedPoll>,
    /// Long polls of this update.
    new_polls: Vec<EndedPoll>,
    /// Long polls of the previous update that could not be judged yet.
    pending_polls: Vec<EndedPoll>,
    /// The tasks in which a long poll may be hidden.
    hidden_polls: HiddenPolls,
    /// The running polls that do not block their worker themselves.
    harmless_polls: Vec<HarmlessPoll>,
    /// The spawn locations of tasks that have handed their worker over.
    uses_block_in_place: HashSet<Arc<str>>,
    /// The process has a multi-thread runtime.
    has_workers: bool,
    /// The process has a `LocalSet`, whose polls are inside those of a `block_on`.
    has_local_tasks: bool,
    /// When the first task of the process was spawned, as far as it is known; 0 if no task was
    /// reported.
    first_spawn: Moment,
    /// When workers were handed over to another thread, in this update.
    hand_overs: Vec<Moment>,
}

impl Program {
    /// A program that has sent no update yet.
    pub fn new(name: &str) -> Self {
        Program {
            name: sanitize(name).into(),
            process: 0,
            updates: 0,
            is_first: true,
            offset: ClockOffset::default(),
            latest: UpdateTime::default(),
            previous: UpdateTime::default(),
            tasks: Table::new(limits::TASKS),
            resources: Table::new(limits::RESOURCES),
            async_ops: Table::new(limits::RESOURCES),
            field_names: FieldNames::default(),
            texts: Texts::default(),
            unknown_tasks: UnknownTasks::default(),
            delays: Histogram::default(),
            losses: Losses::default(),
            long_polls: Vec::new(),
            new_polls: Vec::new(),
            pending_polls: Vec::new(),
            hidden_polls: HiddenPolls::default(),
            harmless_polls: Vec::new(),
            uses_block_in_place: HashSet::new(),
            has_workers: false,
            has_local_tasks: false,
            first_spawn: 0,
            hand_overs: Vec::new(),
        }
    }

    /// A connection was opened: its first update contains the complete state.
    pub fn connected(&mut self) {
        self.is_first = true;
        self.losses.paused = false;
    }

    /// An update was malformed, or larger than the limit.
    pub fn missed_update(&mut self) {
        self.losses.unreadable_updates = self.losses.unreadable_updates.saturating_add(1);
    }

    /// Sets whether another client has paused the updates.
    pub fn set_paused(&mut self, paused: bool) {
        self.losses.paused = paused;
    }

    /// Whether another client has paused the updates.
    pub fn is_paused(&self) -> bool {
        self.losses.paused
    }

    /// Applies an update that arrived at `local`, in nanoseconds since 1970 of the local clock.
    ///
    /// # Errors
    /// If the update is malformed. The elements before the error are applied.
    pub fn apply(&mut self, update: &[u8], local: i64) -> Result<(), Malformed> {
        let result = self.apply_parts(update, local);
        if result.is_err() {
            self.missed_update();
        }
        self.remove_ended();
        result
    }

    fn apply_parts(&mut self, update: &[u8], local: i64) -> Result<(), Malformed> {
        let envelope = Envelope::open(update)?;
        let now = match moment(envelope.now) {
            0 => self.offset.to_remote(local),
            now => now,
        };
        self.updates += 1;
        let is_first = std::mem::take(&mut self.is_first);
        if self.process == 0 || (is_first && self.is_another_process(&envelope)?) {
            self.begin_process();
        }
        self.offset.observe(now, local);
        let latest = UpdateTime { at: now, ..UpdateTime::default() };
        self.previous = std::mem::replace(&mut self.latest, latest);
        // Known metadata is repeated only in an update with the complete state.
        let mut is_complete = false;
        envelope.metadata(|metadata| is_complete |= self.field_names.insert(metadata))?;
        let (known, mut events) = (self.tasks.len(), 0u64);
        self.apply_tasks(&envelope, &mut events)?;
        self.apply_resources(&envelope, &mut events)?;
        if is_first && is_complete && known > 0 {
            self.end_missing_tasks();
        }
        // The first update has the events of the whole past.
        self.losses.behind = !is_first && events >= BACKLOG_EVENTS;
        Ok(())
    }

    /// Whether the first update contains none of the known tasks.
    fn is_another_process(&self, envelope: &Envelope<'_>) -> Result<bool, Malformed> {
        let (mut sent, mut known) = (0u64, 0u64);
        envelope.spawned(|id, spawned| {
            let spawned = moment(spawned);
            sent += 1;
            known += u64::from(self.tasks.get(id).is_some_and(|task| task.was_spawned_at(spawned)));
        })?;
        // The same process would have sent the tasks that were alive.
        let alive = || self.tasks.iter().any(|task| task.ended() == 0);
        Ok(self.tasks.len() > 0 && known == 0 && (sent > 0 || alive()))
    }

    /// Resets everything that belongs to a process. Keys do not start over: none is used again.
    fn begin_process(&mut self) {
        self.process = self.process.saturating_add(1);
        self.offset = ClockOffset::default();
        self.tasks.clear();
        self.resources.clear();
        self.async_ops.clear();
        self.field_names = FieldNames::default();
        self.long_polls.clear();
        self.pending_polls.clear();
        self.hidden_polls = HiddenPolls::default();
        self.harmless_polls.clear();
        self.uses_block_in_place.clear();
        (self.has_workers, self.has_local_tasks) = (false, false);
        self.first_spawn = 0;
        self.unknown_tasks = UnknownTasks::default();
        self.losses = Losses { paused: self.losses.paused, ..Losses::default() };
    }

    fn apply_tasks(&mut self, envelope: &Envelope<'_>, events: &mut u64) -> Result<(), Malformed> {
        // The stats that follow show whether an announced id is a new task.
        let mut announced: HashMap<u64, Arc<TaskMeta>> = HashMap::new();
        envelope.tasks(|part| match part {
            Part::Task(task) => {
                let Some(id) = task.id.as_ref().map(|id| id.id) else { return };
                if announced.len() < limits::TASKS {
                    let (names, texts) = (&self.field_names, &mut self.texts);
                    let meta = meta::announced(&task, |field| names.get(field), texts);
                    announced.insert(id, meta.into());
                }
            }
            Part::TaskStats(id, stats) => {
                *events += u64::from(self.apply_task_stats(id, &stats, announced.remove(&id)));
            }
            Part::Dropped(count) => self.count_dropped(count),
            other => self.count_missing(&other),
        })?;
        for (id, meta) in announced {
            // A task without stats was just spawned, unless the id is that of one that is alive.
            match self.tasks.get_mut(id) {
                Some(task) if task.ended() == 0 => (task.meta, task.is_announced) = (meta, true),
                _ => *events += u64::from(self.add_task(id, Some(meta), self.latest.at)),
            }
        }
        self.find_hidden_polls();
        self.settle_polls();
        Ok(())
    }

    /// The time from the first spawn to the latest update, in nanoseconds.
    pub fn uptime_ns(&self) -> u64 {
        if self.first_spawn == 0 { 0 } else { between(self.first_spawn, self.latest.at) }
    }

    /// Whether updates were received and none of them contained a task.
    pub fn has_no_tasks(&self) -> bool {
        self.updates > 0 && self.first_spawn == 0 && self.tasks.len() == 0
    }

    /// Applies the stats of a task. Returns whether the task is new.
    fn apply_task_stats(
        &mut self,
        id: u64,
        stats: &tasks::Stats,
        meta: Option<Arc<TaskMeta>>,
    ) -> bool {
        let spawned = moment(stats.created_at);
        self.latest.tasks += 1;
        if let Some(task) = self.tasks.get_mut(id) {
            if task.was_spawned_at(spawned) {
                if let Some(meta) = meta.filter(|_| !task.is_announced) {
                    (task.meta, task.is_announced) = (meta, true);
                }
                self.update_task(id, stats);
                return false;
            }
            // The id was reused, so the task that had it has ended.
            task.end(self.latest.at);
        }
        if meta.is_none() && self.unknown_tasks.was_removed(id, spawned) {
            return false;
        }
        let ended = moment(stats.dropped_at);
        if ended > 0 && ended < self.latest.at.saturating_sub(limits::ENDED_TASK_NS) {
            self.note_spawn(spawned);
            return true;
        }
        if self.add_task(id, meta, spawned) {
            self.update_task(id, stats);
        }
        true
    }

    /// Applies the stats of a known task and records its long polls.
    fn update_task(&mut self, id: u64, stats: &tasks::Stats) {
        let Some(task) = self.tasks.get_mut(id) else { return };
        let (latest_event, polls) =
            task.apply(stats, self.updates, &self.previous, &self.offset, &mut self.delays);
        // Dropped events may be wakes.
        if self.losses.dropped_events == 0 {
            task.end_if_completed();
        }
        self.latest.latest_event = self.latest.latest_event.max(latest_event);
        // A closure on the blocking pool may take its time.
        if task.meta.kind == TaskKind::Blocking {
            return;
        }
        let key = task.key();
        // The polls of local tasks are not hidden in those of their `block_on`.
        let may_hide = task.meta.kind != TaskKind::BlockOn || !self.has_local_tasks;
        let exact = polls.exact;
        let estimate = match may_hide {
            true => self.hidden_polls.record(key, id, polls, self.updates),
            false => polls.estimate,
        };
        self.add_long_polls(exact.into_iter().flatten().chain(estimate));
    }

    /// Adds polls to those of this update unless they are short.
    fn add_long_polls(&mut self, polls: impl IntoIterator<Item = EndedPoll>) {
        let long = polls.into_iter().filter(|poll| poll.length_ns >= MIN_POLL_NS);
        let known = self.long_polls.len() + self.pending_polls.len() + self.new_polls.len();
        self.new_polls.extend(long.take(limits::LONG_POLLS.saturating_sub(known)));
    }

    /// The long polls that have ended since the last call, as far as they can be derived.
    pub fn take_long_polls(&mut self) -> Vec<EndedPoll> {
        std::mem::take(&mut self.long_polls)
    }

    /// The first spawn is the start of the program, as far as it is known.
    fn note_spawn(&mut self, at: Moment) {
        if at > 0 && (self.first_spawn == 0 || at < self.first_spawn) {
            self.first_spawn = at;
        }
    }

    /// Adds a task; returns `false` if the table is full.
    fn add_task(&mut self, id: u64, meta: Option<Arc<TaskMeta>>, at: Moment) -> bool {
        let is_announced = meta.is_some();
        let meta = meta.unwrap_or_else(|| meta::unannounced(id, &mut self.texts).into());
        self.note_spawn(at);
        self.has_local_tasks |= meta.kind == TaskKind::Local;
        // At the start of a runtime, no task is polled yet.
        if meta::is_worker(&meta) {
            self.has_workers = true;
            if self.hand_overs.len() < limits::HAND_OVERS {
                self.hand_overs.push(at);
            }
        }
        let task = self.tasks.push(Task::new(id, meta, at));
        task.map(|task| task.is_announced = is_announced).is_some()
    }

    fn count_unknown(&mut self, task: Option<u64>) {
        if let Some(task) = task.filter(|task| self.tasks.get(*task).is_none()) {
            self.unknown_tasks.insert(task, self.updates);
        }
    }

    /// Adds to the dropped events. Each update has the number since the previous one.
    fn count_dropped(&mut self, count: u64) {
        self.losses.dropped_events = self.losses.dropped_events.saturating_add(count);
    }

    /// Counts an element that was not applied.
    fn count_missing(&mut self, part: &Part) {
        let count = match part {
            Part::Unreadable => &mut self.losses.unreadable_updates,
            _ => &mut self.losses.over_limit,
        };
        *count = count.saturating_add(1);
    }

    /// Ends the tasks that are missing in an update with the complete state.
    fn end_missing_tasks(&mut self) {
        let (updates, now) = (self.updates, self.latest.at);
        for task in self.tasks.iter_mut().filter(|task| !task.has_changed_in(updates)) {
            task.end(now);
        }
    }

    /// Removes tasks, resources and operations some time after their end.
    fn remove_ended(&mut self) {
        let now = self.latest.at;
        let oldest = now.saturating_sub(limits::ENDED_TASK_NS);
        // A full table keeps only alive tasks.
        let max_ended = if self.tasks.is_full() { 1 } else { limits::ENDED_TASKS };
        for task in self.tasks.iter().filter(|task| task.ended() > 0 && task.ended() < oldest) {
            self.unknown_tasks.ignore(task.id(), task.header().created);
        }
        let mut removed = self.tasks.remove_ended(oldest, max_ended);
        removed |= self.resources.remove_ended(now, 1);
        removed |= self.async_ops.remove_ended(now, 1);
        if removed {
            self.texts.remove_unused();
        }
        let tasks = &self.tasks;
        self.unknown_tasks.remove_stale(self.updates, |id| tasks.get(id).is_some());
    }
}
