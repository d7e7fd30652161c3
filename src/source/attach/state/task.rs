//! The state of one task, from its stats in the updates.

use std::sync::Arc;

use console_api::tasks;

use super::{
    ended_polls::{EndedPoll, PollReading},
    hidden_polls::RecentPolls,
    table::{EntryHeader, TableEntry},
};
use crate::snapshot::{Histogram, State};
use crate::{
    snapshot::{TaskKind, TaskMeta, TaskStats},
    source::attach::clock::{ClockOffset, Moment, UpdateTime, between, moment, nanos},
};

#[derive(Debug)]
pub(super) struct Task {
    header: EntryHeader,
    pub meta: Arc<TaskMeta>,
    /// The task was announced, so its metadata is known.
    pub is_announced: bool,
    /// Stats were received at least once.
    has_stats: bool,
    /// The number of the last update with stats of this task.
    changed: u64,
    first_poll: Moment,
    woken: Moment,
    poll_began: Moment,
    /// `poll_began` on the local clock, converted once: it identifies the poll, so it must not
    /// change with the estimate of the clock offset.
    poll_began_local: Moment,
    poll_ended: Moment,
    polls: u64,
    wakes: u64,
    self_wakes: u64,
    wakers: u32,
    /// Total time of polls that have ended.
    busy_ns: u64,
    /// Total scheduling delay of polls that have begun.
    scheduled_ns: u64,
    max_poll_ns: u64,
    /// No poll took longer: the largest increase of the busy time between two updates.
    max_possible_poll_ns: u64,
    max_delay_ns: u64,
    /// The number of the update since which its histogram was requested last.
    pub watched: u64,
}

impl TableEntry for Task {
    fn header(&self) -> &EntryHeader {
        &self.header
    }

    fn header_mut(&mut self) -> &mut EntryHeader {
        &mut self.header
    }
}

/// The state of a task at one time, and how its lifetime splits into busy and scheduled time.
struct TimeSplit {
    state: State,
    since: Moment,
    lifetime: u64,
    busy: u64,
    scheduled: u64,
}

impl Task {
    /// A task without stats.
    pub(super) fn new(id: u64, meta: Arc<TaskMeta>, spawned: Moment) -> Self {
        Task {
            header: EntryHeader { created: spawned, ..EntryHeader::new(id) },
            meta,
            is_announced: true,
            has_stats: false,
            changed: 0,
            first_poll: 0,
            woken: 0,
            poll_began: 0,
            poll_began_local: 0,
            poll_ended: 0,
            polls: 0,
            wakes: 0,
            self_wakes: 0,
            wakers: 0,
            busy_ns: 0,
            scheduled_ns: 0,
            max_poll_ns: 0,
            max_possible_poll_ns: 0,
            max_delay_ns: 0,
            watched: 0,
        }
    }

    /// Whether stats with this spawn time belong to this task or to one that reused its id.
    pub(super) fn was_spawned_at(&self, spawned: Moment) -> bool {
        !self.has_stats || self.header.created == spawned
    }

    pub(super) fn has_changed_in(&self, update: u64) -> bool {
        self.changed == update
    }

    /// Applies cumulative stats and adds the scheduling delays since the previous ones to
    /// `delays`. Returns the time of the latest event in the stats, and the polls that have ended
    /// since the previous stats, as far as they can be derived.
    pub(super) fn apply(
        &mut self,
        stats: &tasks::Stats,
        update: u64,
        previous: &UpdateTime,
        offset: &ClockOffset,
        delays: &mut Histogram,
    ) -> (Moment, RecentPolls) {
        let past = self.poll_reading();
        let was_polling = self.is_polling();
        if was_polling {
            // The poll certainly lasted until then, and may have ended since.
            let end = self.certain_until(previous, update - 1);
            self.max_poll_ns = self.max_poll_ns.max(between(self.poll_began, end));
        }
        let scheduled = self.scheduled_ns;
        let from = self.poll_began.max(self.poll_ended);
        let past_began = self.poll_began_local;
        self.set(stats, offset);
        let now = self.poll_reading();
        let polls = now.polls.saturating_sub(past.polls);
        if let Some(delay) = self.scheduled_ns.saturating_sub(scheduled).checked_div(polls) {
            self.max_delay_ns = self.max_delay_ns.max(delay);
            // A closure waits for the blocking pool, not for a worker, and the wakes of a
            // `block_on` are not reported.
            let is_polled_when_woken =
                !matches!(self.meta.kind, TaskKind::Blocking | TaskKind::BlockOn);
            if self.has_stats && is_polled_when_woken {
                delays.record_n(delay, polls);
            }
        }
        let EntryHeader { created, ended, .. } = self.header;
        let from = if self.has_stats { from } else { created };
        (self.has_stats, self.changed) = (true, update);
        let polls = now.since(&past);
        let last = polls.last.map_or(0, |last| last.min(self.busy_ns));
        self.max_poll_ns = self.max_poll_ns.max(last).max(polls.longest_other);
        let max_before_ns = self.max_possible_poll_ns;
        let busy = now.busy_ns.saturating_sub(past.busy_ns);
        self.max_possible_poll_ns = max_before_ns.max(busy);
        let latest = [created, ended, self.woken, self.poll_began, self.poll_ended];
        let latest = latest.into_iter().fold(0, Moment::max);
        // The polls in the first update may be long past.
        let span = (previous.at > 0).then(|| between(from, self.poll_began));
        let ends_task = ended > 0;
        let ended = |span| {
            let polls = polls.polls(self.header.key, self.poll_began_local, past_began, span);
            let in_task =
                |poll: Option<EndedPoll>| poll.map(|poll| EndedPoll { ends_task, ..poll });
            let (exact, estimate) = (polls.exact.map(in_task), in_task(polls.estimate));
            RecentPolls { exact, estimate, max_before_ns, ..polls }
        };
        (latest, span.map(ended).unwrap_or_default())
    }

    /// A poll took at least this long.
    pub(super) fn raise_max_poll(&mut self, length_ns: u64) {
        self.max_poll_ns = self.max_poll_ns.max(length_ns.min(self.busy_ns));
    }

    fn set(&mut self, stats: &tasks::Stats, offset: &ClockOffset) {
        let polls = stats.poll_stats.unwrap_or_default();
        self.header.created = moment(stats.created_at);
        self.header.ended = moment(stats.dropped_at);
        self.first_poll = moment(polls.first_poll);
        self.woken = moment(stats.last_wake);
        let poll_began = moment(polls.last_poll_started);
        if poll_began != self.poll_began {
            (self.poll_began, self.poll_began_local) = (poll_began, offset.to_local(poll_began));
        }
        self.poll_ended = moment(polls.last_poll_ended);
        self.polls = polls.polls;
        self.wakes = stats.wakes;
        self.self_wakes = stats.self_wakes;
        let wakers = stats.waker_clones.saturating_sub(stats.waker_drops);
        self.wakers = u32::try_from(wakers).unwrap_or(u32::MAX);
        self.busy_ns = nanos(polls.busy_time);
        // console-subscriber counts the whole time between two polls of a `block_on` as scheduled,
        // because its wakes are not reported.
        let is_block_on = self.meta.kind == TaskKind::BlockOn;
        self.scheduled_ns = if is_block_on { 0 } else { nanos(stats.scheduled_time) };
    }

    /// Ends a task that has completed while its span is open, because a span inside it is. The span
    /// was entered once more, to drop the future, so there are more polls than wakes explain; and
    /// no waker is left that could cause another poll.
    pub(super) fn end_if_completed(&mut self) {
        let is_idle = self.header.ended == 0 && self.poll_ended >= self.poll_began;
        let max_polls = self.wakes.saturating_add(1);
        if is_idle && self.meta.kind.is_spawned() && self.wakers == 0 && self.polls > max_polls {
            self.header.ended = self.poll_ended;
        }
    }

    /// The start of the latest poll on the local clock if it was running at `at`.
    pub(super) fn poll_at(&self, at: Moment) -> Option<u64> {
        let is_running = self.is_polling() || self.poll_ended >= at;
        let has_begun = self.poll_began > 0 && self.poll_began <= at;
        (is_running && has_begun).then(|| self.began_ns())
    }

    /// The start of the running poll on the local clock.
    pub(super) fn running_poll(&self) -> Option<u64> {
        self.is_polling().then(|| self.began_ns())
    }

    /// The start of the latest poll on the local clock.
    pub(super) fn began_ns(&self) -> u64 {
        self.poll_began_local.max(0).unsigned_abs()
    }

    /// The start of the running poll.
    pub(super) fn running_since(&self) -> Option<Moment> {
        self.is_polling().then_some(self.poll_began)
    }

    /// Whether the latest polls of other tasks inside the latest poll of this one, which has ended, took
    /// at least half of it.
    pub(super) fn consisted_of_polls_of<'a>(&self, inner: impl Iterator<Item = &'a Task>) -> bool {
        let is_inside = |inner: &&Task| {
            inner.poll_began >= self.poll_began
                && !inner.is_polling()
                && inner.poll_ended <= self.poll_ended
        };
        let lengths =
            inner.filter(is_inside).map(|inner| between(inner.poll_began, inner.poll_ended));
        lengths.sum::<u64>() >= between(self.poll_began, self.poll_ended) / 2
    }

    /// Start and end of the latest poll; the end is `Moment::MAX` while it runs.
    pub(super) fn latest_poll(&self) -> Option<(Moment, Moment)> {
        let ended = if self.is_polling() { Moment::MAX } else { self.poll_ended };
        (self.poll_began > 0).then_some((self.poll_began, ended))
    }

    /// When the task was spawned and when it ended, which is `Moment::MAX` while it is alive.
    pub(super) fn lifetime(&self) -> (Moment, Moment) {
        let ended = if self.header.ended > 0 { self.header.ended } else { Moment::MAX };
        (self.header.created, ended)
    }

    fn poll_reading(&self) -> PollReading {
        let has_ended = self.poll_began > 0 && self.poll_ended >= self.poll_began;
        PollReading {
            polls: self.polls,
            busy_ns: self.busy_ns,
            began: self.poll_began,
            last: has_ended.then(|| between(self.poll_began, self.poll_ended)),
            is_polling: self.is_polling(),
        }
    }

    /// The time until which the state is certain. `latest` is the last update and `update` its
    /// number. A task that is not in it has not changed.
    pub(super) fn certain_until(&self, latest: &UpdateTime, update: u64) -> Moment {
        match self.changed == update {
            // The task may have changed after it was read.
            true => latest.certain_until(),
            false => latest.at,
        }
    }

    fn is_polling(&self) -> bool {
        self.poll_began > self.poll_ended && self.header.ended == 0
    }

    /// The scheduling delay of the first poll, which console-subscriber does not count.
    fn first_delay(&self) -> u64 {
        if self.meta.kind == TaskKind::BlockOn {
            return 0;
        }
        if self.first_poll > 0 { between(self.header.created, self.first_poll) } else { 0 }
    }

    /// Splits the lifetime up to `at`. The parts never exceed it, even if the stats are invalid.
    fn split(&self, at: Moment) -> TimeSplit {
        let at = if self.header.ended > 0 { self.header.ended } else { at };
        let (state, since) = if self.header.ended > 0 {
            (State::Ended, self.header.ended)
        } else if self.is_polling() {
            (State::Polling, self.poll_began)
        } else if self.meta.kind == TaskKind::BlockOn {
            // Its wakes are not reported.
            (State::Idle, self.poll_ended.max(self.header.created))
        } else if self.poll_began == 0 {
            (State::Scheduled, self.header.created)
        } else if self.woken > self.poll_began {
            // After a wake during a poll, the delay begins at the end of the poll.
            (State::Scheduled, self.woken.max(self.poll_ended))
        } else {
            (State::Idle, self.poll_ended)
        };
        let since = since.clamp(self.header.created.min(at), at);
        let lifetime = between(self.header.created, at);
        let now = |one| if state == one { between(since, at) } else { 0 };
        let busy = self.busy_ns.saturating_add(now(State::Polling)).min(lifetime);
        let scheduled = self.scheduled_ns.saturating_add(self.first_delay());
        let scheduled = scheduled.saturating_add(now(State::Scheduled)).min(lifetime - busy);
        TimeSplit { state, since, lifetime, busy, scheduled }
    }

    /// The stats at a time of the program's clock.
    pub(super) fn stats(&self, at: Moment, offset: &ClockOffset) -> TaskStats {
        let TimeSplit { state, since, lifetime, busy, scheduled } = self.split(at);
        let lasts = between(since, at);
        let current = |one| if state == one { lasts } else { 0 };
        let since_local = match state {
            State::Polling => self.poll_began_local.max(0),
            _ => offset.to_local(since),
        };
        let since_ns = since_local.unsigned_abs();
        TaskStats {
            key: self.header.key,
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
            max_delay_ns: self.max_delay_ns.max(self.first_delay()).max(current(State::Scheduled)),
            live_wakers: self.live_wakers(),
            stage: None,
        }
    }

    /// Waker clones minus drops. `None` where that is not the number of wakers: before the first
    /// poll, and for tasks that were not spawned.
    fn live_wakers(&self) -> Option<u32> {
        let is_counted = self.is_announced && self.meta.kind.is_spawned() && self.polls > 0;
        is_counted.then_some(self.wakers)
    }
}
