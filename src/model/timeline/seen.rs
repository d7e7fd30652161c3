//! What there is at one moment of a worker's time: the poll, and who came before and after.

use super::{Run, Timeline, Track, strip::overlap};

/// A part of a span: what one column stands for, and the moment in it that is meant.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Its beginning.
    pub from: u64,
    /// Its end.
    pub to: u64,
    /// The moment.
    pub at: u64,
}

/// What is known of a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Nobody recorded then.
    NotRecorded,
    /// So many polls around it could not be kept one by one.
    Lost(u64),
    /// The worker polled none of the tasks: from when to when, if that is known.
    Idle {
        /// The poll before.
        before: Option<Run>,
        /// The poll after.
        after: Option<Run>,
    },
    /// The worker was in a poll.
    Poll {
        /// The poll.
        run: Run,
        /// It has not ended.
        open: bool,
        /// How many others there were in the same part.
        others: usize,
        /// The poll right before, if none is missing in between.
        before: Option<Run>,
        /// The poll right after, if none is missing in between.
        after: Option<Run>,
    },
}

impl Timeline {
    /// What a worker did at a moment; if it was in no poll just then, the longest of the
    /// part of the span around it.
    pub fn seen(&self, worker: usize, span: Span) -> Seen {
        let Some(track) = self.tracks.get(worker) else { return Seen::NotRecorded };
        let Span { from, to, at } = span;
        let mut runs: Vec<Run> = track.every.within(from, to).copied().collect();
        if runs.is_empty() {
            runs.extend(track.ticked.within(from, to));
        }
        runs.extend(track.open.iter().filter(|run| run.began < to && run.ended >= from));
        let there = runs.iter().find(|run| (run.began..run.ended).contains(&at));
        let longest = || runs.iter().max_by_key(|run| overlap(run, from, to));
        if let Some(run) = there.or_else(longest).copied() {
            let open = track.open == Some(run);
            let (before, after) = (track.before(run.began), track.after(run.began));
            return Seen::Poll { run, open, others: runs.len() - 1, before, after };
        }
        if track.every.known(at, at.saturating_add(1)).is_some() {
            return Seen::Idle { before: track.before(at), after: track.after(at) };
        }
        match track.every.lost_at(at) {
            Some(lost) => Seen::Lost(lost),
            None => Seen::NotRecorded,
        }
    }

    /// When the next poll of a worker began, or the one before.
    pub fn step(&self, worker: usize, at: u64, forward: bool) -> Option<u64> {
        let track = self.tracks.get(worker)?;
        let tiers = [&track.every, &track.ticked];
        if forward {
            let next = tiers.into_iter().filter_map(|tier| tier.after(at));
            next.chain(track.open.iter().filter(|run| run.began > at)).map(|run| run.began).min()
        } else {
            let before = tiers.into_iter().filter_map(|tier| tier.before(at));
            before.chain(track.open.iter().filter(|run| run.began < at)).map(|run| run.began).max()
        }
    }
}

impl Track {
    /// The poll that came before this time, if none is missing in between.
    fn before(&self, time: u64) -> Option<Run> {
        let run = self.every.before(time)?;
        self.has_all(run.ended, time).then_some(*run)
    }

    /// The poll that came after this time, if none is missing in between.
    fn after(&self, time: u64) -> Option<Run> {
        let open = self.open.as_ref().filter(|run| run.began > time);
        let run = self.every.after(time).or(open)?;
        self.has_all(time, run.began).then_some(*run)
    }

    fn has_all(&self, from: u64, to: u64) -> bool {
        from >= to || self.every.known(from, to) == Some((from, to))
    }
}
