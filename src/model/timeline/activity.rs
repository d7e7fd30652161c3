//! The activity of a worker at one moment: the poll, and the polls before and after it.

use super::{Timeline, TimelinePoll, Track, bar::overlap};
use crate::model::PollScope;

/// The part of the timeline that one column displays, and one moment in it, in nanoseconds on the
/// target's clock.
#[derive(Clone, Copy, Debug)]
pub struct ColumnSpan {
    /// Start.
    pub from: u64,
    /// End.
    pub to: u64,
    /// The moment.
    pub at: u64,
}

/// The activity of a worker at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerActivity {
    /// Polls were not recorded then.
    NotRecorded,
    /// This many polls around the moment were dropped.
    Dropped(u64),
    /// The worker polled no task.
    Idle {
        /// The poll before, if no poll between is missing.
        before: Option<TimelinePoll>,
        /// The poll after, if no poll between is missing.
        after: Option<TimelinePoll>,
    },
    /// The worker was in a poll.
    Poll {
        /// The poll.
        poll: TimelinePoll,
        /// Whether the poll is running.
        is_running: bool,
        /// The number of other polls in the same column.
        others: usize,
        /// The poll before, if no poll between is missing.
        before: Option<TimelinePoll>,
        /// The poll after, if no poll between is missing.
        after: Option<TimelinePoll>,
    },
}

impl Timeline {
    /// The activity of a worker at the moment of `span`. If it was in no poll at that moment, this
    /// is the longest poll in the span.
    pub fn activity(&self, worker: usize, span: ColumnSpan) -> WorkerActivity {
        let Some(track) = self.tracks.get(worker) else { return WorkerActivity::NotRecorded };
        let ColumnSpan { from, to, at } = span;
        let mut polls: Vec<TimelinePoll> = track.every.within(from, to).copied().collect();
        if polls.is_empty() {
            polls.extend(track.ticked.within(from, to));
        }
        polls.extend(track.running.iter().filter(|poll| poll.began < to && poll.ended >= from));
        let at_moment = polls.iter().find(|poll| (poll.began..poll.ended).contains(&at));
        let longest = || polls.iter().max_by_key(|poll| overlap(poll, from, to));
        if let Some(poll) = at_moment.or_else(longest).copied() {
            let is_running = track.running == Some(poll);
            let (before, after) = (track.before(poll.began), track.after(poll.began));
            let others = polls.len() - 1;
            return WorkerActivity::Poll { poll, is_running, others, before, after };
        }
        if track.every.covered(at, at.saturating_add(1)).is_some() {
            return WorkerActivity::Idle { before: track.before(at), after: track.after(at) };
        }
        match track.every.dropped_at(at) {
            Some(dropped) => WorkerActivity::Dropped(dropped),
            None => WorkerActivity::NotRecorded,
        }
    }

    /// The start of the next poll of a scope and a worker after `at` or, backward, of the one before.
    pub fn step(&self, worker: usize, at: u64, forward: bool, scope: &PollScope) -> Option<u64> {
        let track = self.tracks.get(worker)?;
        let tiers = [&track.every, &track.ticked];
        let running = track.running.iter().filter(|poll| scope.has(poll));
        if forward {
            let next = tiers.into_iter().filter_map(|tier| tier.after(at).find(|p| scope.has(p)));
            next.chain(running.filter(|poll| poll.began > at)).map(|poll| poll.began).min()
        } else {
            let last = tiers.into_iter().filter_map(|tier| tier.before(at).find(|p| scope.has(p)));
            last.chain(running.filter(|poll| poll.began < at)).map(|poll| poll.began).max()
        }
    }
}

impl Track {
    /// The last poll before this time, if no poll between is missing.
    fn before(&self, time: u64) -> Option<TimelinePoll> {
        let poll = self.every.before(time).next()?;
        self.covers(poll.ended, time).then_some(*poll)
    }

    /// The first poll after this time, if no poll between is missing.
    fn after(&self, time: u64) -> Option<TimelinePoll> {
        let running = self.running.as_ref().filter(|poll| poll.began > time);
        let poll = self.every.after(time).next().or(running)?;
        self.covers(time, poll.began).then_some(*poll)
    }

    fn covers(&self, from: u64, to: u64) -> bool {
        from >= to || self.every.covered(from, to) == Some((from, to))
    }
}
