//! Conversion between the program's clock and the local clock.

use prost_types::{Duration, Timestamp};

/// A larger difference is not network delay: one of the clocks was set, or the machine was
/// suspended.
const JUMP_NS: i64 = 1_000_000_000;
/// The latest representable time (the year 2116), so that the sum of two times does not overflow.
const MAX_NS: i64 = i64::MAX / 2;

/// A time in nanoseconds since 1970; 0 means never.
pub(super) type Moment = i64;

/// Converts a timestamp of the protocol, clamped to the valid range.
pub(super) fn moment(timestamp: Option<Timestamp>) -> Moment {
    let Some(Timestamp { seconds, nanos }) = timestamp else { return 0 };
    let nanos = i64::from(nanos.clamp(0, 999_999_999));
    seconds.clamp(0, MAX_NS / 1_000_000_000).saturating_mul(1_000_000_000).saturating_add(nanos)
}

/// Converts a duration of the protocol to nanoseconds, clamped to the valid range.
pub(super) fn nanos(duration: Option<Duration>) -> u64 {
    let Some(Duration { seconds, nanos }) = duration else { return 0 };
    let nanos = i64::from(nanos.clamp(0, 999_999_999));
    let seconds = seconds.clamp(0, MAX_NS / 1_000_000_000);
    (seconds * 1_000_000_000 + nanos).unsigned_abs()
}

/// The nanoseconds from one moment to another; 0 if they are in reverse order.
pub(super) fn between(from: Moment, to: Moment) -> u64 {
    u64::try_from(to.saturating_sub(from)).unwrap_or(0)
}

/// How far the local clock is ahead of the program's clock.
///
/// An update contains the time at which it was written and always arrives later. So the smallest
/// difference is the best estimate, until one of the clocks jumps.
#[derive(Clone, Debug, Default)]
pub(super) struct ClockOffset(Option<i64>);

impl ClockOffset {
    /// Adjusts the estimate to an update that was written at `remote` and arrived at `local`.
    pub(super) fn observe(&mut self, remote: Moment, local: Moment) {
        let sample = local.saturating_sub(remote);
        self.0 = Some(match self.0 {
            // Follows the slow drift of the clocks.
            Some(known) if (0..JUMP_NS).contains(&sample.saturating_sub(known)) => {
                known + (sample - known) / 64
            }
            _ => sample,
        });
    }

    /// Converts a time of the program's clock to the local clock.
    pub(super) fn to_local(&self, remote: Moment) -> Moment {
        remote.saturating_add(self.0.unwrap_or(0)).clamp(0, MAX_NS)
    }

    /// Converts a time of the local clock to the program's clock.
    pub(super) fn to_remote(&self, local: Moment) -> Moment {
        local.saturating_sub(self.0.unwrap_or(0)).clamp(0, MAX_NS)
    }
}

/// The time at which an update was written, on the program's clock.
///
/// The program reads its tasks first and its clock when the rest of the update is complete, so a
/// poll that was running when its task was read may have ended before `at`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct UpdateTime {
    /// When the program read its clock.
    pub at: Moment,
    /// The latest event in the task stats, which were read after it.
    pub latest_event: Moment,
    /// The number of tasks in the update.
    pub tasks: u64,
}

impl UpdateTime {
    /// Upper bound of the time to write an update: a constant and a part per task.
    const MAX_WRITE_NS: i64 = 250_000_000;
    const MAX_WRITE_PER_TASK_NS: i64 = 20_000;

    /// The time until which the tasks in the update were certainly in the state that it reports.
    pub(super) fn certain_until(&self) -> Moment {
        let tasks = i64::try_from(self.tasks).unwrap_or(i64::MAX);
        let for_tasks = Self::MAX_WRITE_PER_TASK_NS.saturating_mul(tasks);
        let longest = Self::MAX_WRITE_NS.saturating_add(for_tasks);
        self.at.saturating_sub(longest).max(self.latest_event).min(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000_000;

    #[test]
    fn moments_are_clamped_to_the_valid_range() {
        for (seconds, nanos) in [(i64::MAX, i32::MAX), (i64::MIN, i32::MIN), (-1, -1), (0, 0)] {
            let time = moment(Some(Timestamp { seconds, nanos }));
            assert!((0..=MAX_NS + S).contains(&time), "{seconds} {nanos}: {time}");
            let _ = super::nanos(Some(Duration { seconds, nanos }));
        }
        assert_eq!(moment(Some(Timestamp { seconds: 2, nanos: 5 })), 2 * S + 5);
        assert_eq!(moment(None), 0);
    }

    #[test]
    fn clock_offset_follows_the_smallest_delay() {
        let mut offset = ClockOffset::default();
        for (at, delay) in [(1, 900_000_000), (2, 3_000_000), (3, 500_000_000), (4, 4_000_000)] {
            offset.observe(at * S, 100 * S + at * S + delay);
        }
        let local = offset.to_local(4 * S);
        assert!((104 * S..104 * S + 20_000_000).contains(&local), "{local}");
        assert_eq!(offset.to_remote(local), 4 * S);
    }

    #[test]
    fn clock_offset_follows_a_clock_that_is_set() {
        let mut offset = ClockOffset::default();
        offset.observe(1000 * S, 1000 * S);
        // The program's clock is set back by an hour, then forward again.
        offset.observe(1001 * S - 3600 * S, 1001 * S);
        assert_eq!(offset.to_local(1001 * S - 3600 * S), 1001 * S);
        offset.observe(1002 * S, 1002 * S);
        assert_eq!(offset.to_local(1002 * S), 1002 * S);
    }
}
