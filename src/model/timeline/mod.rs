//! The timeline: the polls of each worker over the last seconds.
//!
//! A snapshot has the polls that ended since the previous one. They are kept in two tiers, as in
//! the probe: every poll as far back as memory allows, and, for longer, only the polls that contain
//! a tick (a multiple of `TICK_NS`), from which the others are estimated. Time that neither tier
//! covers is marked as missing. The timeline covers one epoch, from the moment at which it was
//! subscribed to.

mod activity;
mod bar;
mod groups;
mod longest;
#[cfg(test)]
mod tests;
mod tier;

use std::{collections::HashMap, sync::Arc};

use super::ImpactTable;
use crate::snapshot::{Target, TaskMeta, WorkerPolls};

pub use activity::{ColumnSpan, WorkerActivity};
pub use bar::{BarCell, Coverage, WorkerBar, column_bounds, group_shares};
pub use groups::PollGroup;
use groups::{Groups, UNKNOWN_GROUP};
use tier::Tier;

/// Maximum number of polls kept in the tier of all polls, over all workers.
const MAX_POLLS: usize = 1 << 19;
/// Each worker may keep this many, whatever the number of workers.
const MIN_POLLS_PER_WORKER: usize = 1 << 13;

/// One poll on the timeline, or one span of a poll that nested polls interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimelinePoll {
    /// The task's key.
    pub key: u64,
    /// Start, in nanoseconds on the target's clock.
    pub began: u64,
    /// End, or the time of the snapshot if the poll is running.
    pub ended: u64,
    /// The group's index in [`Timeline::groups`].
    pub group: u16,
}

/// The polls of the workers over the last seconds.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    tracks: Vec<Track>,
    groups: Groups,
    tasks: HashMap<u64, KnownTask>,
    /// The time of the latest snapshot.
    now_ns: u64,
}

/// The polls of one worker.
#[derive(Clone, Debug, Default)]
struct Track {
    every: Tier,
    ticked: Tier,
    running: Option<TimelinePoll>,
}

/// A task with polls on the timeline.
#[derive(Clone, Debug)]
struct KnownTask {
    meta: Option<Arc<TaskMeta>>,
    group: u16,
    /// The time of the latest snapshot with a poll of the task.
    last_ns: u64,
}

impl Timeline {
    /// The length of the timeline, in nanoseconds.
    pub const HISTORY_NS: u64 = 20_000_000_000;

    /// Adds the polls of a snapshot. `impact_table` knows the tasks of long polls, also of those that
    /// had ended before the timeline was subscribed to.
    pub(super) fn advance(&mut self, snapshot: &Target, impact_table: &ImpactTable) {
        let Some(workers) = &snapshot.timeline else {
            self.clear();
            return;
        };
        self.now_ns = snapshot.taken_ns;
        self.tracks.resize_with(workers.len(), Track::default);
        let mut tracks = std::mem::take(&mut self.tracks);
        let max_polls = (MAX_POLLS / workers.len().max(1)).max(MIN_POLLS_PER_WORKER);
        for (track, polls) in tracks.iter_mut().zip(workers) {
            self.extend(track, polls, (snapshot, impact_table), max_polls);
        }
        self.tracks = tracks;
        let oldest = self.oldest_ns();
        self.tasks.retain(|_, task| task.last_ns >= oldest);
    }

    /// Forgets the polls. Groups keep their letters and colors.
    fn clear(&mut self) {
        *self = Timeline { groups: std::mem::take(&mut self.groups), ..Timeline::default() };
    }

    /// The timeline of the next epoch, in which groups keep their letters and colors.
    pub(super) fn restart(mut self) -> Timeline {
        self.clear();
        self
    }

    fn extend(
        &mut self,
        track: &mut Track,
        polls: &WorkerPolls,
        tasks: (&Target, &ImpactTable),
        max: usize,
    ) {
        let (now, oldest) = (self.now_ns, self.oldest_ns());
        for (tier, spans) in [(&mut track.every, &polls.every), (&mut track.ticked, &polls.ticked)]
        {
            tier.push(spans, now, |key| self.group_of(key, tasks));
            tier.trim(oldest, max);
        }
        let last = [&track.every, &track.ticked].into_iter().filter_map(Tier::last_end).max();
        track.running = polls.current.as_ref().and_then(|poll| {
            // Up to the end of the last nested poll, that poll is drawn instead.
            let began = poll.since_ns.max(last.unwrap_or(0));
            // A poll that began while the snapshot was taken is part of the next snapshot.
            let group = (began <= now).then(|| self.group_of(poll.key, tasks))?;
            Some(TimelinePoll { key: poll.key, began, ended: now, group })
        });
    }

    /// The group of a task, whose name is kept from now on.
    fn group_of(&mut self, key: u64, (snapshot, long_polls): (&Target, &ImpactTable)) -> u16 {
        let (groups, now) = (&mut self.groups, self.now_ns);
        let known = self.tasks.entry(key).or_insert_with(|| {
            let meta = snapshot.task(key).map(|task| &task.meta).or_else(|| long_polls.task(key));
            let meta = meta.map(Arc::clone);
            let group = meta.as_ref().map_or(UNKNOWN_GROUP, |meta| groups.index(&meta.group));
            KnownTask { meta, group, last_ns: now }
        });
        known.last_ns = now;
        known.group
    }

    fn oldest_ns(&self) -> u64 {
        self.now_ns.saturating_sub(Self::HISTORY_NS)
    }

    /// The time of the latest snapshot, where the timeline ends.
    pub fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// The time at which the timeline begins.
    pub fn begin_ns(&self) -> u64 {
        let begins = self.tracks.iter().flat_map(|track| [&track.every, &track.ticked]);
        begins.filter_map(Tier::begin).min().unwrap_or(self.now_ns)
    }

    /// The number of workers.
    pub fn workers(&self) -> usize {
        self.tracks.len()
    }

    /// The groups that were polled, in the order of their first polls.
    pub fn groups(&self) -> &[PollGroup] {
        self.groups.all()
    }

    /// A task with polls on the timeline; `None` if it is not known.
    pub fn task(&self, key: u64) -> Option<&Arc<TaskMeta>> {
        self.tasks.get(&key)?.meta.as_ref()
    }

    /// The tasks with polls on the timeline, as far as they are known, by their keys.
    pub(super) fn tasks(&self) -> impl Iterator<Item = (u64, &TaskMeta)> {
        self.tasks.iter().filter_map(|(key, task)| Some((*key, task.meta.as_deref()?)))
    }
}
