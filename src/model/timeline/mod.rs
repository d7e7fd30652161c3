//! Who ran when: what the workers polled, over the last seconds.
//!
//! A snapshot brings the polls that ended since the one before; here they are kept, in
//! two tiers as the probe keeps them: every poll as far back as memory allows, and for
//! longer the polls that a tick fell into, which the rest is estimated from. What is in
//! neither is known to be unknown. The history is of one epoch, and of the time since
//! somebody asked.

mod groups;
mod seen;
mod strip;
#[cfg(test)]
mod tests;
mod tier;

use std::{collections::HashMap, sync::Arc};

use crate::snapshot::{Target, TaskMeta, WorkerPolls};

use groups::Groups;
pub use groups::{PollGroup, UNKNOWN};
pub use seen::{Seen, Span};
pub use strip::{Cell, Knowledge, Strip, part, shares};
use tier::Tier;

/// So many polls are kept one by one, over all workers.
const MOST_RUNS: usize = 1 << 19;
/// So many of each worker are, however many workers there are.
const LEAST_RUNS: usize = 1 << 13;

/// One poll of a worker, or a poll span of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The task's key.
    pub key: u64,
    /// When it began, on the source's clock.
    pub began: u64,
    /// When it ended, or the time of the snapshot if it has not.
    pub ended: u64,
    /// Its group's place in [`Timeline::groups`].
    pub group: u16,
}

/// What the workers polled, over the last seconds.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    tracks: Vec<Track>,
    groups: Groups,
    tasks: HashMap<u64, Known>,
    /// The time of the last snapshot.
    now_ns: u64,
}

/// The history of one worker.
#[derive(Clone, Debug, Default)]
struct Track {
    every: Tier,
    ticked: Tier,
    /// The poll that has not ended.
    open: Option<Run>,
}

/// A task that is in the history.
#[derive(Clone, Debug)]
struct Known {
    meta: Option<Arc<TaskMeta>>,
    group: u16,
    /// When a poll of it was last seen.
    last_ns: u64,
}

impl Timeline {
    /// How far back it reaches.
    pub const HISTORY_NS: u64 = 20_000_000_000;

    pub(super) fn advance(&mut self, snapshot: &Target) {
        let Some(workers) = &snapshot.timeline else {
            *self = Timeline::default();
            return;
        };
        self.now_ns = snapshot.taken_ns;
        self.tracks.resize_with(workers.len(), Track::default);
        let mut tracks = std::mem::take(&mut self.tracks);
        let most = (MOST_RUNS / workers.len().max(1)).max(LEAST_RUNS);
        for (track, polls) in tracks.iter_mut().zip(workers) {
            self.follow(track, polls, snapshot, most);
        }
        self.tracks = tracks;
        self.forget_tasks();
    }

    fn follow(&mut self, track: &mut Track, polls: &WorkerPolls, snapshot: &Target, most: usize) {
        let (now, horizon) = (self.now_ns, self.now_ns.saturating_sub(Self::HISTORY_NS));
        for (tier, spans) in [(&mut track.every, &polls.every), (&mut track.ticked, &polls.ticked)]
        {
            tier.take(spans, now, |key| self.group_of(key, snapshot));
            tier.forget(horizon, most);
        }
        let last = [&track.every, &track.ticked].into_iter().filter_map(Tier::last).max();
        track.open = polls.current.as_ref().and_then(|poll| {
            // Up to the end of the last nested poll, that poll is drawn instead.
            let began = poll.since_ns.max(last.unwrap_or(0));
            // A poll that began while the snapshot was taken is part of the next snapshot.
            let group = (began <= now).then(|| self.group_of(poll.key, snapshot))?;
            Some(Run { key: poll.key, began, ended: now, group })
        });
    }

    /// The group of a task, which is known from here on.
    fn group_of(&mut self, key: u64, snapshot: &Target) -> u16 {
        let (groups, now) = (&mut self.groups, self.now_ns);
        let known = self.tasks.entry(key).or_insert_with(|| {
            let at = snapshot.tasks.binary_search_by_key(&key, |task| task.key).ok();
            let meta = at.map(|at| Arc::clone(&snapshot.tasks[at].meta));
            let group = meta.as_ref().map_or(UNKNOWN, |meta| groups.place(&meta.group));
            Known { meta, group, last_ns: now }
        });
        known.last_ns = now;
        known.group
    }

    /// Forgets the tasks that nothing in the history is of.
    fn forget_tasks(&mut self) {
        let horizon = self.now_ns.saturating_sub(Self::HISTORY_NS);
        self.tasks.retain(|_, task| task.last_ns >= horizon);
    }

    /// The time of the last snapshot, where the history ends.
    pub fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// From when on something is known.
    pub fn begin_ns(&self) -> u64 {
        let begins = self.tracks.iter().flat_map(|track| [&track.every, &track.ticked]);
        begins.filter_map(Tier::begin).min().unwrap_or(self.now_ns)
    }

    /// How many workers there are.
    pub fn workers(&self) -> usize {
        self.tracks.len()
    }

    /// The groups that were polled, in the order in which they came.
    pub fn groups(&self) -> &[PollGroup] {
        self.groups.all()
    }

    /// What is known of a task whose polls are in the history; `None` if it had ended, and
    /// was cleared away, before anybody looked.
    pub fn task(&self, key: u64) -> Option<&Arc<TaskMeta>> {
        self.tasks.get(&key)?.meta.as_ref()
    }
}
