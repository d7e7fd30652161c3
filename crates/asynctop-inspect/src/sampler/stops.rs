//! Intervals in which the whole process was stopped, as by SIGSTOP. No task is responsible for them.

use std::time::Duration;

use crate::process::identity::Identity;

/// Interval between two readings of the process's state, unless a poll may be long.
const INTERVAL: Duration = Duration::from_millis(100);
/// Maximum number of stops that are kept.
const MAX_STOPS: usize = 64;

/// An interval in which the whole process was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessStop {
    /// The latest time before it at which the process is known to have run: its earliest possible
    /// start.
    pub from: Duration,
    /// The latest time in it, or the first one after it.
    pub to: Duration,
    /// Whether the process was still stopped at that time.
    pub is_ongoing: bool,
}

/// Reads the state of the process from time to time.
#[derive(Debug, Default)]
pub(super) struct StopTracker {
    /// When it was last read, and when the process was last known to run.
    read: Duration,
    ran: Duration,
}

impl StopTracker {
    /// Updates `stops`, of which the latest one may last. `may_be_long` is whether a poll may be long:
    /// then the state is read in each sample.
    pub(super) fn observe(
        &mut self,
        identity: &Identity,
        now: Duration,
        may_be_long: bool,
        stops: &mut Vec<ProcessStop>,
    ) {
        let lasts = stops.last().is_some_and(|stop| stop.is_ongoing);
        if may_be_long || lasts || now - self.read >= INTERVAL {
            self.read = now;
            self.add(now, identity.is_stopped(), stops);
        }
    }

    fn add(&mut self, now: Duration, is_stopped: bool, stops: &mut Vec<ProcessStop>) {
        match stops.last_mut().filter(|stop| stop.is_ongoing) {
            Some(stop) => (stop.to, stop.is_ongoing) = (now, is_stopped),
            None if is_stopped => {
                stops.drain(..stops.len().saturating_sub(MAX_STOPS - 1));
                stops.push(ProcessStop { from: self.ran, to: now, is_ongoing: true });
            }
            None => {}
        }
        if !is_stopped {
            self.ran = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stops_last_from_the_latest_time_before_to_the_first_one_after() {
        let ms = Duration::from_millis;
        let (mut tracker, mut stops) = (StopTracker::default(), Vec::new());
        for (at, is_stopped) in
            [(10, false), (110, true), (120, true), (130, false), (230, false), (330, true)]
        {
            tracker.add(ms(at), is_stopped, &mut stops);
        }
        let stop = |from, to, is_ongoing| ProcessStop { from: ms(from), to: ms(to), is_ongoing };
        assert_eq!(stops, [stop(10, 130, false), stop(230, 330, true)]);
    }
}
