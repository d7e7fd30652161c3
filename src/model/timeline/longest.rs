//! The longest polls of a span.

use std::{cmp::Reverse, collections::HashSet};

use super::{Timeline, TimelinePoll};
use crate::model::PollScope;

impl Timeline {
    /// The longest polls of a scope that overlap a span, at most `count`, longest first, each with the
    /// index of its worker.
    pub fn longest(
        &self,
        from: u64,
        to: u64,
        count: usize,
        scope: &PollScope,
    ) -> Vec<(usize, TimelinePoll)> {
        let length = |poll: &TimelinePoll| poll.ended.saturating_sub(poll.began);
        let mut found: Vec<(usize, TimelinePoll)> = Vec::new();
        // Shorter polls are not among the longest.
        let mut least_ns = 0;
        for (worker, track) in self.tracks.iter().enumerate() {
            let ended = track.every.within(from, to).chain(track.ticked.within(from, to));
            for poll in ended.chain(track.running(from, to)) {
                if length(poll) < least_ns || !scope.has(poll) {
                    continue;
                }
                found.push((worker, *poll));
                if found.len() >= 4 * count.max(16) {
                    keep_longest(&mut found, count);
                    least_ns = found.last().map_or(0, |(_, poll)| length(poll));
                }
            }
        }
        keep_longest(&mut found, count);
        found
    }
}

/// Sorts polls by length and keeps the first `count`. A poll may be in both tiers.
fn keep_longest(found: &mut Vec<(usize, TimelinePoll)>, count: usize) {
    let mut known = HashSet::new();
    found.retain(|(worker, poll)| known.insert((*worker, poll.key, poll.began)));
    found.sort_by_key(|(_, poll)| (Reverse(poll.ended.saturating_sub(poll.began)), poll.began));
    found.truncate(count);
}
