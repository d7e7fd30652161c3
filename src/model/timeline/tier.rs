//! Runs of one worker in the order of time, and of which times none is missing.

use std::{collections::VecDeque, sync::Arc};

use super::Run;
use crate::snapshot::PollSpans;

/// What each snapshot brought, oldest first. Copying a tier copies no runs.
#[derive(Clone, Debug, Default)]
pub(super) struct Tier {
    chunks: VecDeque<Chunk>,
    /// Runs in all chunks.
    len: usize,
}

#[derive(Clone, Debug)]
struct Chunk {
    /// All runs between these two are here.
    from: u64,
    to: u64,
    /// How many are missing before `from`.
    lost: u64,
    runs: Arc<[Run]>,
}

impl Tier {
    /// Takes in what a snapshot taken at `now` brought.
    pub(super) fn take(
        &mut self,
        spans: &PollSpans,
        now: u64,
        mut group_of: impl FnMut(u64) -> u16,
    ) {
        let mut last = self.last().unwrap_or(0);
        let mut runs = Vec::with_capacity(spans.spans.len());
        for span in spans.spans.iter() {
            // A worker that goes on on another thread, or a source that is not as good as
            // ours, may bring what overlaps.
            let began = span.began.max(last);
            if span.ended < began {
                continue;
            }
            last = span.ended;
            let group = group_of(span.task);
            runs.push(Run { key: span.task, began, ended: span.ended, group });
        }
        self.len += runs.len();
        let chunk =
            Chunk { from: spans.from_ns.min(now), to: now, lost: spans.lost, runs: runs.into() };
        match self.chunks.back_mut() {
            // Nothing has ended: the same goes on.
            Some(last) if chunk.runs.is_empty() && chunk.from <= last.to => last.to = now,
            _ => self.chunks.push_back(chunk),
        }
    }

    /// Forgets what is older than `horizon`, and the oldest of more than `most` runs.
    pub(super) fn forget(&mut self, horizon: u64, most: usize) {
        while let Some(first) = self.chunks.front()
            && (first.to < horizon || (self.len > most && self.chunks.len() > 1))
        {
            self.len -= first.runs.len();
            self.chunks.pop_front();
        }
        if let Some(first) = self.chunks.front_mut() {
            first.from = first.from.max(horizon.min(first.to));
        }
    }

    /// When the last run ended.
    pub(super) fn last(&self) -> Option<u64> {
        let last = self.chunks.iter().rev().find_map(|chunk| chunk.runs.last());
        last.map(|run| run.ended)
    }

    /// From when on something is known.
    pub(super) fn begin(&self) -> Option<u64> {
        self.chunks.front().map(|chunk| chunk.from)
    }

    /// The part of a span of which no run is missing: the latest one, if there are several.
    pub(super) fn known(&self, from: u64, to: u64) -> Option<(u64, u64)> {
        let mut known: Option<(u64, u64)> = None;
        for chunk in self.chunks.iter().rev() {
            if chunk.from >= to {
                continue;
            }
            match &mut known {
                None if chunk.to > from => known = Some((chunk.from, chunk.to)),
                Some((begin, _)) if chunk.to >= *begin => *begin = chunk.from.min(*begin),
                _ => break,
            }
        }
        known.map(|(begin, end)| (begin.max(from), end.min(to)))
    }

    /// How many runs are missing in the gap that a time lies in: `None` if they were
    /// before anybody counted.
    pub(super) fn lost_at(&self, time: u64) -> Option<u64> {
        let after = self.chunks.iter().find(|chunk| chunk.from > time)?;
        let is_first = self.chunks.front().is_some_and(|first| first.from == after.from);
        (!is_first || after.lost > 0).then_some(after.lost)
    }

    /// The runs that reach into a span, in their order.
    pub(super) fn within(&self, from: u64, to: u64) -> impl Iterator<Item = &Run> + Clone {
        let touched = move |chunk: &&Chunk| match (chunk.runs.first(), chunk.runs.last()) {
            (Some(first), Some(last)) => first.began < to && last.ended > from,
            _ => false,
        };
        self.chunks.iter().filter(touched).flat_map(move |chunk| {
            let first = chunk.runs.partition_point(|run| run.ended <= from);
            chunk.runs[first..].iter().take_while(move |run| run.began < to)
        })
    }

    /// The last run that began before this time.
    pub(super) fn before(&self, time: u64) -> Option<&Run> {
        self.chunks.iter().rev().find_map(|chunk| {
            let at = chunk.runs.partition_point(|run| run.began < time);
            chunk.runs[..at].last()
        })
    }

    /// The first run that began after this time.
    pub(super) fn after(&self, time: u64) -> Option<&Run> {
        self.chunks.iter().find_map(|chunk| {
            let at = chunk.runs.partition_point(|run| run.began <= time);
            chunk.runs.get(at)
        })
    }
}
