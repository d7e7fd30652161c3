//! The polls of a task that ended between two updates. The stats contain start and end of the last
//! one, and the number and total duration of the others.

use super::hidden_polls::RecentPolls;
use crate::source::attach::clock::Moment;

/// Maximum uncertainty of the start of a poll. Polls with a larger one are not reported.
pub(super) const MAX_START_ERROR_NS: u64 = 10_000_000_000;

/// A poll that has ended: the last one of its task in an update, or the longest of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndedPoll {
    /// The task's key.
    pub task: u64,
    /// Start of the poll, on the local clock.
    pub began_ns: u64,
    pub length_ns: u64,
    /// The poll took at least `length_ns` and began at `began_ns` or earlier.
    pub is_lower_bound: bool,
    /// The task ended in this poll or soon after it.
    pub ends_task: bool,
}

impl EndedPoll {
    /// Whether the poll was certainly running at a time of the local clock.
    pub(super) fn contains(&self, at_ns: u64) -> bool {
        let end_ns = self.began_ns.saturating_add(self.length_ns);
        !self.is_lower_bound && (self.began_ns..=end_ns).contains(&at_ns)
    }
}

/// The poll stats of a task in one update.
#[derive(Clone, Copy, Debug)]
pub(super) struct PollReading {
    /// Number of polls that began.
    pub polls: u64,
    /// Total time of the polls that have ended.
    pub busy_ns: u64,
    /// Start of the last poll.
    pub began: Moment,
    /// Duration of the last poll, if it has ended.
    pub last: Option<u64>,
    pub is_polling: bool,
}

/// The durations, in ns, of polls that ended between two updates.
#[derive(Clone, Copy, Debug)]
pub(super) struct EndedPolls {
    /// Duration of the last poll, if it ended between the updates.
    pub last: Option<u64>,
    /// Lower bound of the longest other poll: their mean.
    pub longest_other: u64,
    /// Total time of the other polls if there are several, so that their lengths are not known.
    pub others_ns: u64,
    /// The only other poll was running at the first update, so its start and length are known.
    pub other_was_running: bool,
}

impl PollReading {
    pub(super) fn since(&self, past: &PollReading) -> EndedPolls {
        let last = self.last.filter(|_| self.began != past.began || past.is_polling);
        let begun = self.polls.saturating_sub(past.polls);
        let ended = begun.saturating_add(past.is_polling.into());
        let ended = ended.saturating_sub(self.is_polling.into());
        let others = ended.saturating_sub(last.is_some().into());
        let busy = self.busy_ns.saturating_sub(past.busy_ns);
        let busy = busy.saturating_sub(last.unwrap_or(0));
        EndedPolls {
            last,
            longest_other: busy.checked_div(others).unwrap_or(0),
            others_ns: if others > 1 { busy } else { 0 },
            other_was_running: past.is_polling && others == 1 && self.began != past.began,
        }
    }
}

impl EndedPolls {
    /// The last poll, and the longest other one if it is longer. The last poll began at `began` on
    /// the local clock, the one that was running at the first update at `past_began`, and the others
    /// at most `span` ns before the last one.
    pub(super) fn polls(&self, task: u64, began: i64, past_began: i64, span: u64) -> RecentPolls {
        let poll = |began: i64, length_ns, is_lower_bound| {
            let began_ns = began.max(0).unsigned_abs();
            EndedPoll { task, began_ns, length_ns, is_lower_bound, ends_task: false }
        };
        let last = self.last.map(|last| poll(began, last, false));
        let running = || poll(past_began, self.longest_other, false);
        let exact = [last, self.other_was_running.then(running)];
        if self.other_was_running || span > MAX_START_ERROR_NS {
            return RecentPolls { exact, ..RecentPolls::default() };
        }
        let latest_start = began.saturating_sub_unsigned(self.longest_other);
        let is_longer = self.longest_other > self.last.unwrap_or(0);
        let estimate = is_longer.then(|| poll(latest_start, self.longest_other, true));
        RecentPolls { exact, estimate, others_ns: self.others_ns, ..RecentPolls::default() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The stats at `now` of a task with polls of the given start and length.
    fn at(now: i64, polls: &[(i64, i64)]) -> PollReading {
        let begun: Vec<_> = polls.iter().filter(|(began, _)| *began <= now).collect();
        let has_ended = |(began, length): &&&(i64, i64)| began + length <= now;
        let busy: i64 = begun.iter().filter(has_ended).map(|(_, length)| length).sum();
        let last = begun.last();
        PollReading {
            polls: begun.len() as u64,
            busy_ns: busy.unsigned_abs(),
            began: last.map_or(0, |(began, _)| *began),
            last: last.filter(has_ended).map(|(_, length)| length.unsigned_abs()),
            is_polling: last.is_some_and(|(began, length)| began + length > now),
        }
    }

    #[test]
    fn long_poll_before_the_last_one_is_derived_from_the_total() {
        const MS: i64 = 1_000_000;
        let past = at(0, &[]);
        let request = [(MS, MS), (5 * MS, 150 * MS), (160 * MS, MS)];
        let ended = at(200 * MS, &request).since(&past);
        assert_eq!((ended.last, ended.longest_other), (Some(MS as u64), 151 * MS as u64 / 2));
        let polls = ended.polls(7, 160 * MS, 0, 159 * MS as u64);
        assert_eq!(polls.others_ns, 151 * MS as u64, "one of them may have taken all of it");
        let poll = polls.estimate.expect("it is the longest");
        assert_eq!(
            (poll.task, poll.length_ns, poll.is_lower_bound),
            (7, ended.longest_other, true)
        );
        let late = ended.polls(7, 160 * MS, 0, 11_000 * MS as u64);
        assert_eq!(late.estimate, None, "start is uncertain");
    }

    #[test]
    fn poll_that_was_running_and_is_followed_by_another_one_is_exact() {
        let polls = [(10, 2_000), (2_100, 2_000)];
        let ended = at(2_500, &polls).since(&at(1_000, &polls));
        let poll = ended.polls(7, 2_100, 10, 2_090).exact[1].expect("the first one");
        assert_eq!((poll.began_ns, poll.length_ns, poll.is_lower_bound), (10, 2_000, false));
    }

    proptest! {
        #[test]
        fn lengths_are_lower_bounds(
            polls in proptest::collection::vec((1i64..1000, 1i64..1000), 1..40),
            intervals in proptest::collection::vec(1i64..3000, 1..20),
        ) {
            let mut clock = 0;
            let polls: Vec<_> = polls
                .into_iter()
                .map(|(pause, length)| {
                    let began = clock + pause;
                    clock = began + length;
                    (began, length)
                })
                .collect();
            let mut then = 0;
            for interval in intervals {
                let now = then + interval;
                let found = at(now, &polls).since(&at(then, &polls));
                let ended = polls.iter().filter(|(b, l)| (then + 1..=now).contains(&(b + l)));
                let lengths: Vec<_> = ended.map(|(_, length)| length.unsigned_abs()).collect();
                let longest = lengths.iter().copied().max().unwrap_or(0);
                prop_assert!(found.longest_other <= longest, "{found:?} {lengths:?}");
                prop_assert!(found.last.is_none_or(|last| lengths.last() == Some(&last)));
                let known = found.last.unwrap_or(0).max(found.longest_other);
                prop_assert!((known + 1) * lengths.len() as u64 >= lengths.iter().sum(), "{found:?}");
                then = now;
            }
        }
    }
}
