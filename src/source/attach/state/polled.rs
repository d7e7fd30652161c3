//! Which polls of a task have ended between two updates: the figures tell the last one by itself,
//! and of the others how many there were and how long they were together.

use crate::source::attach::clock::Moment;

/// When a poll was has to be known to so much.
const LATELY_NS: u64 = 10_000_000_000;

/// A poll that has ended: the last one of its task in an update, or the longest of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndedPoll {
    /// The task's key.
    pub task: u64,
    /// When it began, on our clock.
    pub began_ns: u64,
    /// How long it took.
    pub length_ns: u64,
    /// It took no less than that, and began no later.
    pub is_least: bool,
}

/// What is known of the polls of a task at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Polled {
    /// Polls begun.
    pub polls: u64,
    /// Time in those that have ended.
    pub busy_ns: u64,
    /// When the last one began.
    pub began: Moment,
    /// How long that took, if it has ended.
    pub last: Option<u64>,
    pub is_polling: bool,
}

/// What is known of the polls that have ended between two moments.
#[derive(Clone, Copy, Debug)]
pub(super) struct Since {
    /// How long the last one took, if it is one of them.
    pub last: Option<u64>,
    /// How long the longest of the others took at least.
    pub least: u64,
}

impl Polled {
    pub(super) fn since(&self, past: &Polled) -> Since {
        let last = self.last.filter(|_| self.began != past.began || past.is_polling);
        let begun = self.polls.saturating_sub(past.polls);
        let ended = begun.saturating_add(past.is_polling.into());
        let ended = ended.saturating_sub(self.is_polling.into());
        let others = ended.saturating_sub(last.is_some().into());
        let spent = self.busy_ns.saturating_sub(past.busy_ns);
        let spent = spent.saturating_sub(last.unwrap_or(0));
        Since { last, least: spent.checked_div(others).unwrap_or(0) }
    }
}

impl Since {
    /// What there is to tell of them, where the last poll began at `began` on our clock and
    /// the others in the `span` before it.
    pub(super) fn told(&self, task: u64, began: i64, span: u64) -> [Option<EndedPoll>; 2] {
        let poll = |began: i64, length_ns, is_least| {
            let began_ns = began.max(0).unsigned_abs();
            EndedPoll { task, began_ns, length_ns, is_least }
        };
        let before_it = began.saturating_sub_unsigned(self.least);
        let is_longer = self.least > self.last.unwrap_or(0) && span <= LATELY_NS;
        [
            self.last.map(|last| poll(began, last, false)),
            is_longer.then(|| poll(before_it, self.least, true)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The figures at `now` of a task that was polled at these moments, for so long.
    fn at(now: i64, polls: &[(i64, i64)]) -> Polled {
        let begun: Vec<_> = polls.iter().filter(|(began, _)| *began <= now).collect();
        let over = |(began, length): &&&(i64, i64)| began + length <= now;
        let busy: i64 = begun.iter().filter(over).map(|(_, length)| length).sum();
        let last = begun.last();
        Polled {
            polls: begun.len() as u64,
            busy_ns: busy.unsigned_abs(),
            began: last.map_or(0, |(began, _)| *began),
            last: last.filter(over).map(|(_, length)| length.unsigned_abs()),
            is_polling: last.is_some_and(|(began, length)| began + length > now),
        }
    }

    #[test]
    fn a_block_in_the_middle_of_a_short_life_is_known_by_the_sum() {
        const MS: i64 = 1_000_000;
        let past = at(0, &[]);
        let request = [(MS, MS), (5 * MS, 150 * MS), (160 * MS, MS)];
        let since = at(200 * MS, &request).since(&past);
        assert_eq!((since.last, since.least), (Some(MS as u64), 151 * MS as u64 / 2));
        let told = since.told(7, 160 * MS, 159 * MS as u64);
        let least = told[1].expect("it was longer than the last");
        assert_eq!((least.task, least.length_ns, least.is_least), (7, since.least, true));
        assert_eq!(since.told(7, 160 * MS, 11_000 * MS as u64)[1], None, "nobody knows when");
    }

    proptest! {
        #[test]
        fn no_poll_is_told_longer_than_it_was(
            polls in proptest::collection::vec((1i64..1000, 1i64..1000), 1..40),
            looks in proptest::collection::vec(1i64..3000, 1..20),
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
            for look in looks {
                let now = then + look;
                let since = at(now, &polls).since(&at(then, &polls));
                let ended = polls.iter().filter(|(b, l)| (then + 1..=now).contains(&(b + l)));
                let lengths: Vec<_> = ended.map(|(_, length)| length.unsigned_abs()).collect();
                let longest = lengths.iter().copied().max().unwrap_or(0);
                prop_assert!(since.least <= longest, "{since:?} {lengths:?}");
                prop_assert!(since.last.is_none_or(|last| lengths.last() == Some(&last)));
                let known = since.last.unwrap_or(0).max(since.least);
                prop_assert!((known + 1) * lengths.len() as u64 >= lengths.iter().sum(), "{since:?}");
                then = now;
            }
        }
    }
}
