//! A task, as the wire tells of it.

use std::sync::Arc;

use console_api::tasks;

use super::{
    polled::{EndedPoll, Polled},
    table::{Entry, Life},
};
use crate::{Histogram, probe::State};
use crate::{
    snapshot::{TaskKind, TaskMeta, TaskStats},
    source::attach::clock::{Moment, Offset, Written, between, moment, nanos},
};

#[derive(Debug)]
pub(super) struct Task {
    life: Life,
    pub meta: Arc<TaskMeta>,
    /// It was announced, and not only mentioned.
    pub is_named: bool,
    /// Its figures were sent at least once.
    has_stats: bool,
    /// The number of the update that changed it last.
    changed: u64,
    first_poll: Moment,
    woken: Moment,
    poll_began: Moment,
    /// The same on our clock, as it was told first: what tells this poll from the next shall
    /// not change with what is learned of the target's clock.
    poll_began_here: Moment,
    poll_ended: Moment,
    polls: u64,
    wakes: u64,
    self_wakes: u64,
    wakers: u32,
    /// Time in polls that have ended.
    busy_ns: u64,
    /// Time between wakes and polls, where both have happened.
    scheduled_ns: u64,
    /// The longest poll that was seen.
    max_poll_ns: u64,
    /// The longest wait that was seen.
    max_delay_ns: u64,
}

impl Entry for Task {
    fn life(&self) -> &Life {
        &self.life
    }

    fn life_mut(&mut self) -> &mut Life {
        &mut self.life
    }
}

/// Where a task stands, since when, and how its life has split up to a moment.
struct Split {
    state: State,
    since: Moment,
    lifetime: u64,
    busy: u64,
    scheduled: u64,
}

impl Task {
    /// A task of which nothing is known yet but when it is said to exist.
    pub(super) fn new(id: u64, meta: Arc<TaskMeta>, spawned: Moment) -> Self {
        Task {
            life: Life { made: spawned, ..Life::new(id) },
            meta,
            is_named: true,
            has_stats: false,
            changed: 0,
            first_poll: 0,
            woken: 0,
            poll_began: 0,
            poll_began_here: 0,
            poll_ended: 0,
            polls: 0,
            wakes: 0,
            self_wakes: 0,
            wakers: 0,
            busy_ns: 0,
            scheduled_ns: 0,
            max_poll_ns: 0,
            max_delay_ns: 0,
        }
    }

    /// Whether figures with this moment of spawning are of this task: an id is used again.
    pub(super) fn was_spawned_at(&self, spawned: Moment) -> bool {
        !self.has_stats || self.life.made == spawned
    }

    pub(super) fn has_changed_in(&self, update: u64) -> bool {
        self.changed == update
    }

    /// Takes its figures in, which are whole values, and adds to `delays` how long its
    /// polls have waited since the last ones. Gives the latest moment that they tell of, and
    /// the polls that have ended since, as far as figures tell them apart.
    pub(super) fn take(
        &mut self,
        stats: &tasks::Stats,
        update: u64,
        before: &Written,
        offset: &Offset,
        delays: &mut Histogram,
    ) -> (Moment, [Option<EndedPoll>; 2]) {
        let past = self.polled();
        let was_polling = self.is_polling();
        if was_polling {
            // Until then it was certainly in that poll, which may be over now.
            let known = between(self.poll_began, self.known(before, update - 1, before.at));
            self.max_poll_ns = self.max_poll_ns.max(known);
        }
        let scheduled = self.scheduled_ns;
        let from = self.poll_began.max(self.poll_ended);
        self.put(stats, offset);
        let now = self.polled();
        let polls = now.polls.saturating_sub(past.polls);
        if let Some(wait) = self.scheduled_ns.saturating_sub(scheduled).checked_div(polls) {
            self.max_delay_ns = self.max_delay_ns.max(wait);
            if self.has_stats {
                delays.record_many(wait, polls);
            }
        }
        let Life { made, ended, .. } = self.life;
        let from = if self.has_stats { from } else { made };
        (self.has_stats, self.changed) = (true, update);
        let since = now.since(&past);
        let longest = since.last.map_or(0, |last| last.min(self.busy_ns)).max(since.least);
        self.max_poll_ns = self.max_poll_ns.max(longest);
        let latest = [made, ended, self.woken, self.poll_began, self.poll_ended];
        let latest = latest.into_iter().fold(0, Moment::max);
        // What the first update tells of may have been long ago.
        let span = (before.at > 0).then(|| between(from, self.poll_began));
        let told = |span| since.told(self.life.key, self.poll_began_here, span);
        (latest, span.map_or([None; 2], told))
    }

    fn put(&mut self, stats: &tasks::Stats, offset: &Offset) {
        let polled = stats.poll_stats.unwrap_or_default();
        self.life.made = moment(stats.created_at);
        self.life.ended = moment(stats.dropped_at);
        self.first_poll = moment(polled.first_poll);
        self.woken = moment(stats.last_wake);
        let poll_began = moment(polled.last_poll_started);
        if poll_began != self.poll_began {
            (self.poll_began, self.poll_began_here) = (poll_began, offset.ours(poll_began));
        }
        self.poll_ended = moment(polled.last_poll_ended);
        self.polls = polled.polls;
        self.wakes = stats.wakes;
        self.self_wakes = stats.self_wakes;
        let wakers = stats.waker_clones.saturating_sub(stats.waker_drops);
        self.wakers = u32::try_from(wakers).unwrap_or(u32::MAX);
        self.busy_ns = nanos(polled.busy_time);
        self.scheduled_ns = nanos(stats.scheduled_time);
    }

    fn polled(&self) -> Polled {
        let is_over = self.poll_began > 0 && self.poll_ended >= self.poll_began;
        Polled {
            polls: self.polls,
            busy_ns: self.busy_ns,
            began: self.poll_began,
            last: is_over.then(|| between(self.poll_began, self.poll_ended)),
            is_polling: self.is_polling(),
        }
    }

    /// Up to when it is known, if the last update is the one with this number, and what was not
    /// in that goes on until `goes_on`.
    pub(super) fn known(&self, written: &Written, update: u64, goes_on: Moment) -> Moment {
        match self.changed == update {
            // It may have changed again since.
            true => written.until(),
            false => goes_on,
        }
    }

    fn is_polling(&self) -> bool {
        self.poll_began > self.poll_ended && self.life.ended == 0
    }

    /// The wait for the first poll, which the target does not count.
    fn first_wait(&self) -> u64 {
        if self.first_poll > 0 { between(self.life.made, self.first_poll) } else { 0 }
    }

    /// Where it stands. The parts of its life add up to the whole, whatever was sent.
    fn split(&self, at: Moment) -> Split {
        let at = if self.life.ended > 0 { self.life.ended } else { at };
        let (state, since) = if self.life.ended > 0 {
            (State::Ended, self.life.ended)
        } else if self.is_polling() {
            (State::Polling, self.poll_began)
        } else if self.poll_began == 0 {
            (State::Scheduled, self.life.made)
        } else if self.woken > self.poll_began {
            // A wake in the middle of a poll begins to count at its end.
            (State::Scheduled, self.woken.max(self.poll_ended))
        } else {
            (State::Idle, self.poll_ended)
        };
        let since = since.clamp(self.life.made.min(at), at);
        let lifetime = between(self.life.made, at);
        let now = |one| if state == one { between(since, at) } else { 0 };
        let busy = self.busy_ns.saturating_add(now(State::Polling)).min(lifetime);
        let scheduled = self.scheduled_ns.saturating_add(self.first_wait());
        let scheduled = scheduled.saturating_add(now(State::Scheduled)).min(lifetime - busy);
        Split { state, since, lifetime, busy, scheduled }
    }

    /// Its figures at a moment of the target's clock.
    pub(super) fn figures(&self, at: Moment, offset: &Offset) -> TaskStats {
        let Split { state, since, lifetime, busy, scheduled } = self.split(at);
        let lasts = between(since, at);
        let current = |one| if state == one { lasts } else { 0 };
        let since_here = match state {
            State::Polling => self.poll_began_here.max(0),
            _ => offset.ours(since),
        };
        let since_ns = since_here.unsigned_abs();
        TaskStats {
            key: self.life.key,
            meta: Arc::clone(&self.meta),
            state,
            since_ns,
            known_ns: since_ns.saturating_add(lasts),
            stopped_ns: 0,
            lifetime_ns: lifetime,
            busy_ns: busy,
            scheduled_ns: scheduled,
            idle_ns: lifetime - busy - scheduled,
            polls: self.polls,
            wakes: self.wakes,
            self_wakes: self.self_wakes,
            max_poll_ns: self.max_poll_ns.max(current(State::Polling)),
            max_delay_ns: self.max_delay_ns.max(self.first_wait()).max(current(State::Scheduled)),
            live_wakers: self.live_wakers(),
            stage: None,
        }
    }

    /// Clones less drops. `None` where that is not the number of wakers: before the first poll, and
    /// for all but spawned tasks.
    fn live_wakers(&self) -> Option<u32> {
        let is_counted = self.is_named && self.meta.kind == TaskKind::Spawned && self.polls > 0;
        is_counted.then_some(self.wakers)
    }
}
