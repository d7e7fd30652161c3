//! Times of a foreign clock, and what they are on ours.

use prost_types::{Duration, Timestamp};

/// A sample that is off by more than this is no delay of the network: one of the clocks
/// was set, or the machine slept.
const JUMP_NS: i64 = 1_000_000_000;
/// Beyond this nothing is a time (the year 2116): sums of two stay in range.
const MOST_NS: i64 = i64::MAX / 2;

/// A moment in nanoseconds since 1970; 0 is never.
pub(super) type Moment = i64;

/// A moment of the wire. Whatever it says, it is one that can be reckoned with.
pub(super) fn moment(timestamp: Option<Timestamp>) -> Moment {
    let Some(Timestamp { seconds, nanos }) = timestamp else { return 0 };
    let nanos = i64::from(nanos.clamp(0, 999_999_999));
    seconds.clamp(0, MOST_NS / 1_000_000_000).saturating_mul(1_000_000_000).saturating_add(nanos)
}

/// A duration of the wire, in nanoseconds.
pub(super) fn nanos(duration: Option<Duration>) -> u64 {
    let Some(Duration { seconds, nanos }) = duration else { return 0 };
    let nanos = i64::from(nanos.clamp(0, 999_999_999));
    let seconds = seconds.clamp(0, MOST_NS / 1_000_000_000);
    (seconds * 1_000_000_000 + nanos).unsigned_abs()
}

/// The time from one moment to another; none if the other is before it.
pub(super) fn between(from: Moment, to: Moment) -> u64 {
    u64::try_from(to.saturating_sub(from)).unwrap_or(0)
}

/// How far our clock is ahead of a target's.
///
/// An update carries the moment when it was made and arrives later, never sooner. So the
/// least difference is the best guess, until one of the clocks jumps.
#[derive(Clone, Debug, Default)]
pub(super) struct Offset(Option<i64>);

impl Offset {
    /// Learns from an update that was made at `theirs` and arrived at `ours`.
    pub(super) fn learn(&mut self, theirs: Moment, ours: Moment) {
        let sample = ours.saturating_sub(theirs);
        self.0 = Some(match self.0 {
            // Clocks drift apart slowly: follow slowly.
            Some(known) if (0..JUMP_NS).contains(&sample.saturating_sub(known)) => {
                known + (sample - known) / 64
            }
            _ => sample,
        });
    }

    /// A moment of theirs on our clock.
    pub(super) fn ours(&self, theirs: Moment) -> Moment {
        theirs.saturating_add(self.0.unwrap_or(0)).clamp(0, MOST_NS)
    }

    /// A moment of ours on their clock.
    pub(super) fn theirs(&self, ours: Moment) -> Moment {
        ours.saturating_sub(self.0.unwrap_or(0)).clamp(0, MOST_NS)
    }
}

/// When an update was written. The target reads its tasks first and looks at its clock when
/// all the rest of the update is there, too, and meanwhile time goes by: a task that was in a
/// poll when it was read need not be in it any more.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Written {
    /// When the target looked at its clock.
    pub at: Moment,
    /// The latest moment that its tasks tell of: they were read after that.
    pub read: Moment,
    /// The tasks in it.
    pub tasks: u64,
}

impl Written {
    /// No target takes longer than this and that to write an update.
    const LEAST_NS: i64 = 250_000_000;
    const PER_TASK_NS: i64 = 20_000;

    /// Up to when the tasks in it are certain to have stood as it says.
    pub(super) fn until(&self) -> Moment {
        let tasks = i64::try_from(self.tasks).unwrap_or(i64::MAX);
        let longest = Self::LEAST_NS.saturating_add(Self::PER_TASK_NS.saturating_mul(tasks));
        self.at.saturating_sub(longest).max(self.read).min(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000_000;

    #[test]
    fn moments_are_in_range_whatever_is_sent() {
        for (seconds, nanos) in [(i64::MAX, i32::MAX), (i64::MIN, i32::MIN), (-1, -1), (0, 0)] {
            let time = moment(Some(Timestamp { seconds, nanos }));
            assert!((0..=MOST_NS + S).contains(&time), "{seconds} {nanos}: {time}");
            let _ = super::nanos(Some(Duration { seconds, nanos }));
        }
        assert_eq!(moment(Some(Timestamp { seconds: 2, nanos: 5 })), 2 * S + 5);
        assert_eq!(moment(None), 0);
    }

    #[test]
    fn the_least_delay_is_believed() {
        let mut offset = Offset::default();
        for (at, delay) in [(1, 900_000_000), (2, 3_000_000), (3, 500_000_000), (4, 4_000_000)] {
            offset.learn(at * S, 100 * S + at * S + delay);
        }
        let ours = offset.ours(4 * S);
        assert!((104 * S..104 * S + 20_000_000).contains(&ours), "{ours}");
        assert_eq!(offset.theirs(ours), 4 * S);
    }

    #[test]
    fn a_clock_that_was_set_is_followed_at_once() {
        let mut offset = Offset::default();
        offset.learn(1000 * S, 1000 * S);
        // Theirs is set back by an hour, and then forward again.
        offset.learn(1001 * S - 3600 * S, 1001 * S);
        assert_eq!(offset.ours(1001 * S - 3600 * S), 1001 * S);
        offset.learn(1002 * S, 1002 * S);
        assert_eq!(offset.ours(1002 * S), 1002 * S);
    }
}
