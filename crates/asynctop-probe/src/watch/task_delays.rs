//! The scheduling delay of a task that one long poll caused, as arithmetic.
//!
//! A poll delays the tasks that are woken while it lasts. The delay of one task is the difference
//! between two readings of its total: the first during the poll, the second after it. On a runtime
//! with one worker no other task is polled in between, so the total changes only by the delay that
//! is under way, and the time of the first reading does not matter: the difference is exact, also
//! for a task that was not read while it was scheduled. A delay counts until the task is polled,
//! including the time that it queues behind other delayed tasks. The task's usual delay is deducted
//! by the caller.

/// The scheduling delays of a task up to one reading.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TaskDelays {
    /// Key of the task.
    pub task: u64,
    /// Sum of the delays that have ended, in nanoseconds.
    pub ended_ns: u64,
    /// Number of polls begun, each of which ended a delay.
    pub polls: u64,
    /// Start of the current delay.
    pub scheduled_since: Option<u64>,
}

/// The time in which a delay is attributed to a long poll.
#[derive(Clone, Copy, Debug)]
pub(super) struct PollInterval {
    pub began: u64,
    /// The end for a task that has not been polled yet: now, or when the thread's next poll began.
    pub until: u64,
}

impl PollInterval {
    /// The time that the poll delayed a task, and the number of delays. `before` was read during the
    /// poll; a task that it lacks was spawned later.
    pub(super) fn delay_of(self, before: Option<&TaskDelays>, now: &TaskDelays) -> (u64, u64) {
        let before = before.copied().unwrap_or_default();
        let mut nanos = now.ended_ns.saturating_sub(before.ended_ns);
        let mut delays = now.polls.saturating_sub(before.polls);
        // A delay that began before the poll and has ended: the part before the poll is excluded.
        if let Some(since) = before.scheduled_since
            && now.scheduled_since != Some(since)
        {
            nanos = nanos.saturating_sub(self.began.saturating_sub(since));
        }
        if let Some(since) = now.scheduled_since
            && since < self.until
        {
            nanos += self.until - since.max(self.began);
            delays += 1;
        }
        (nanos, delays)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: u64 = 1_000_000;

    fn delays(ended_ms: u64, polls: u64, since_ms: Option<u64>) -> TaskDelays {
        let scheduled_since = since_ms.map(|since| since * MS);
        TaskDelays { task: 1, ended_ns: ended_ms * MS, polls, scheduled_since }
    }

    /// The delay, in ms, by a poll from 100 to 300 ms, with the second reading at 305 ms.
    fn delay_ms(before: Option<TaskDelays>, after: TaskDelays) -> (u64, u64) {
        let poll = PollInterval { began: 100 * MS, until: 305 * MS };
        let (nanos, delays) = poll.delay_of(before.as_ref(), &after);
        (nanos / MS, delays)
    }

    #[test]
    fn delay_between_two_readings_is_found() {
        // Idle at the first reading, woken at 250, polled at 301.
        assert_eq!(delay_ms(Some(delays(7, 3, None)), delays(7 + 51, 4, None)), (51, 1));
    }

    #[test]
    fn delay_counts_from_the_start_of_the_poll() {
        // Woken at 80, polled at 302.
        assert_eq!(delay_ms(Some(delays(7, 3, Some(80))), delays(7 + 222, 4, None)), (202, 1));
        // Woken during the poll.
        assert_eq!(delay_ms(Some(delays(7, 3, Some(120))), delays(7 + 182, 4, None)), (182, 1));
    }

    #[test]
    fn delay_under_way_counts_until_the_next_poll() {
        assert_eq!(delay_ms(Some(delays(7, 3, Some(80))), delays(7, 3, Some(80))), (205, 1));
        assert_eq!(delay_ms(Some(delays(7, 3, None)), delays(7, 3, Some(200))), (105, 1));
        assert_eq!(delay_ms(Some(delays(7, 3, None)), delays(7, 3, Some(310))), (0, 0));
    }

    #[test]
    fn task_spawned_during_the_poll_is_delayed() {
        assert_eq!(delay_ms(None, delays(0, 0, Some(150))), (155, 1));
    }

    proptest! {
        /// One worker, consecutive polls, tasks woken at any time.
        #[test]
        fn time_of_the_first_reading_does_not_matter_on_one_worker(
            woken in 0u64..400,
            read in 100u64..300,
            queue in 0u64..5,
        ) {
            let end = 300;
            let polled = end + queue;
            let at = |now: u64| {
                let since = (woken <= now).then_some(woken);
                if now < polled { delays(0, 0, since) } else { delays(polled - woken, 1, None) }
            };
            // A task woken after the poll is not delayed by it.
            prop_assume!(woken <= end);
            let expected = polled - woken.max(100);
            prop_assert_eq!(delay_ms(Some(at(read)), at(305)), (expected, 1));
        }
    }
}
