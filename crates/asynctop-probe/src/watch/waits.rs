//! What a long poll costs the others, as arithmetic.
//!
//! While a poll lasts, tasks that were woken wait. What one of them waited meanwhile is
//! the difference between two looks at its account, the first while the poll lasts and the
//! second when it is over. On a runtime with one worker nobody else is polled in between,
//! so the account stands still but for the wait that is under way, and it does not matter
//! when in the poll the first look is: the difference is exact, also for a task that
//! nobody looked at while it waited. A wait counts until the task is polled, also where
//! it has to queue behind the others that waited; what the task usually waits does not.

/// A task's account of its waits, at one look.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Waits {
    /// Key of the task.
    pub task: u64,
    /// All its waits that are over, in nanoseconds.
    pub settled: u64,
    /// Polls begun, each of which ended a wait.
    pub polls: u64,
    /// Since when it waits, if it does.
    pub since: Option<u64>,
}

/// A poll's time, as far as it is over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    /// When it began.
    pub began: u64,
    /// When the wait of a task that is not polled yet stops being this poll's doing: now,
    /// or when the next long poll of the thread began.
    pub until: u64,
}

impl Span {
    /// How long a task waited because of the poll, and in how many waits. `before` is of
    /// some moment of the poll; a task that it lacks was spawned later.
    pub(super) fn waited(self, before: Option<&Waits>, now: &Waits) -> (u64, u64) {
        let before = before.copied().unwrap_or_default();
        let mut nanos = now.settled.saturating_sub(before.settled);
        let mut waits = now.polls.saturating_sub(before.polls);
        // A wait from before the poll that has ended since: its first part is not ours.
        if let Some(since) = before.since
            && now.since != Some(since)
        {
            nanos = nanos.saturating_sub(self.began.saturating_sub(since));
        }
        if let Some(since) = now.since
            && since < self.until
        {
            nanos += self.until - since.max(self.began);
            waits += 1;
        }
        (nanos, waits)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: u64 = 1_000_000;

    fn waits(settled: u64, polls: u64, since: Option<u64>) -> Waits {
        Waits { task: 1, settled: settled * MS, polls, since: since.map(|since| since * MS) }
    }

    /// A poll from 100 to 300 ms, looked at after at 305 ms.
    fn over(before: Option<Waits>, after: Waits) -> (u64, u64) {
        let (nanos, waits) =
            Span { began: 100 * MS, until: 305 * MS }.waited(before.as_ref(), &after);
        (nanos / MS, waits)
    }

    #[test]
    fn a_wait_that_nobody_saw_is_found() {
        // Idle at the first look, woken at 250, polled at 301.
        assert_eq!(over(Some(waits(7, 3, None)), waits(7 + 51, 4, None)), (51, 1));
    }

    #[test]
    fn a_wait_counts_from_the_polls_beginning_on() {
        // Woken at 80, polled at 302.
        assert_eq!(over(Some(waits(7, 3, Some(80))), waits(7 + 222, 4, None)), (202, 1));
        // Woken in the poll.
        assert_eq!(over(Some(waits(7, 3, Some(120))), waits(7 + 182, 4, None)), (182, 1));
    }

    #[test]
    fn who_still_waits_waits_until_the_next_long_poll_begins() {
        assert_eq!(over(Some(waits(7, 3, Some(80))), waits(7, 3, Some(80))), (205, 1));
        assert_eq!(over(Some(waits(7, 3, None)), waits(7, 3, Some(200))), (105, 1));
        assert_eq!(over(Some(waits(7, 3, None)), waits(7, 3, Some(310))), (0, 0));
    }

    #[test]
    fn a_task_that_was_spawned_meanwhile_waits_too() {
        assert_eq!(over(None, waits(0, 0, Some(150))), (155, 1));
    }

    proptest! {
        /// One worker, polls one after the other, tasks woken at any time: wherever in the
        /// long poll the first look is, what it finds is what each task waited.
        #[test]
        fn on_one_worker_it_does_not_matter_when_the_first_look_is(
            woken in 0u64..400,
            look in 100u64..300,
            queue in 0u64..5,
        ) {
            let end = 300;
            let polled = end + queue;
            let at = |now: u64| {
                let since = (woken <= now).then_some(woken);
                if now < polled { waits(0, 0, since) } else { waits(polled - woken, 1, None) }
            };
            // Who is woken later waits for nobody.
            prop_assume!(woken <= end);
            let expected = polled - woken.max(100);
            prop_assert_eq!(over(Some(at(look)), at(305)), (expected, 1));
        }
    }
}
