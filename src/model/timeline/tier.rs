//! The polls of one worker in order of time, and the spans in which none is missing.

use std::{collections::VecDeque, sync::Arc};

use super::TimelinePoll;
use crate::snapshot::PollSpans;

/// The polls of each snapshot, oldest first. Cloning a tier does not copy the polls.
#[derive(Clone, Debug, Default)]
pub(super) struct Tier {
    chunks: VecDeque<Chunk>,
    /// The number of polls in all chunks.
    len: usize,
}

#[derive(Clone, Debug)]
struct Chunk {
    /// No poll between these two times is missing.
    from: u64,
    to: u64,
    /// The number of polls missing before `from`.
    dropped: u64,
    polls: Arc<[TimelinePoll]>,
}

impl Tier {
    /// Adds the polls of a snapshot taken at `now`.
    pub(super) fn push(
        &mut self,
        spans: &PollSpans,
        now: u64,
        mut group_of: impl FnMut(u64) -> u16,
    ) {
        let mut last = self.last_end().unwrap_or(0);
        let mut polls = Vec::with_capacity(spans.spans.len());
        for span in spans.spans.iter() {
            // Polls may overlap if the worker has moved to another thread, or in a source that is
            // not the probe.
            let began = span.began.max(last);
            if span.ended < began {
                continue;
            }
            last = span.ended;
            let group = group_of(span.task);
            polls.push(TimelinePoll { key: span.task, began, ended: span.ended, group });
        }
        self.len += polls.len();
        let (from, dropped) = (spans.from_ns.min(now), spans.missing);
        let chunk = Chunk { from, to: now, dropped, polls: polls.into() };
        match self.chunks.back_mut() {
            // No poll has ended: the last chunk covers this time too.
            Some(last) if chunk.polls.is_empty() && chunk.from <= last.to => last.to = now,
            _ => self.chunks.push_back(chunk),
        }
    }

    /// Removes polls from before `oldest`, and the oldest ones beyond `max` polls.
    pub(super) fn trim(&mut self, oldest: u64, max: usize) {
        while let Some(first) = self.chunks.front()
            && (first.to < oldest || (self.len > max && self.chunks.len() > 1))
        {
            self.len -= first.polls.len();
            self.chunks.pop_front();
        }
        if let Some(first) = self.chunks.front_mut() {
            first.from = first.from.max(oldest.min(first.to));
        }
    }

    /// The end of the last poll.
    pub(super) fn last_end(&self) -> Option<u64> {
        let last = self.chunks.iter().rev().find_map(|chunk| chunk.polls.last());
        last.map(|poll| poll.ended)
    }

    /// The start of the covered time.
    pub(super) fn begin(&self) -> Option<u64> {
        self.chunks.front().map(|chunk| chunk.from)
    }

    /// The part of a span in which no poll is missing; of several ones, the latest.
    pub(super) fn covered(&self, from: u64, to: u64) -> Option<(u64, u64)> {
        let mut covered: Option<(u64, u64)> = None;
        for chunk in self.chunks.iter().rev() {
            if chunk.from >= to {
                continue;
            }
            match &mut covered {
                None if chunk.to > from => covered = Some((chunk.from, chunk.to)),
                Some((begin, _)) if chunk.to >= *begin => *begin = chunk.from.min(*begin),
                _ => break,
            }
        }
        covered.map(|(begin, end)| (begin.max(from), end.min(to)))
    }

    /// The number of polls missing in the gap around a time; `None` before polls were recorded.
    pub(super) fn dropped_at(&self, time: u64) -> Option<u64> {
        let after = self.chunks.iter().find(|chunk| chunk.from > time)?;
        let is_first = self.chunks.front().is_some_and(|first| first.from == after.from);
        (!is_first || after.dropped > 0).then_some(after.dropped)
    }

    /// The polls that overlap a span, in order.
    pub(super) fn within(&self, from: u64, to: u64) -> impl Iterator<Item = &TimelinePoll> + Clone {
        let overlaps = move |chunk: &&Chunk| match (chunk.polls.first(), chunk.polls.last()) {
            (Some(first), Some(last)) => first.began < to && last.ended > from,
            _ => false,
        };
        self.chunks.iter().filter(overlaps).flat_map(move |chunk| {
            let first = chunk.polls.partition_point(|poll| poll.ended <= from);
            chunk.polls[first..].iter().take_while(move |poll| poll.began < to)
        })
    }

    /// The polls that began before this time, latest first.
    pub(super) fn before(&self, time: u64) -> impl Iterator<Item = &TimelinePoll> {
        self.chunks.iter().rev().flat_map(move |chunk| {
            let at = chunk.polls.partition_point(|poll| poll.began < time);
            chunk.polls[..at].iter().rev()
        })
    }

    /// The polls that began after this time, in order.
    pub(super) fn after(&self, time: u64) -> impl Iterator<Item = &TimelinePoll> {
        self.chunks.iter().flat_map(move |chunk| {
            let at = chunk.polls.partition_point(|poll| poll.began <= time);
            chunk.polls[at..].iter()
        })
    }
}
