//! The state of the connection to a program. Pure: the time is an argument.

use std::{sync::Arc, time::Duration};

use crate::snapshot::{Connection, Retry};

/// The pauses between attempts to connect; the last one repeats.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
];
/// The default interval between updates of console-subscriber.
const DEFAULT_PERIOD_NS: i64 = 1_000_000_000;
/// How late an update may be before it counts as missing.
const LATE_NS: i64 = 250_000_000;

/// The state of a connection, updated by the client.
#[derive(Clone, Debug)]
pub(super) struct ConnectionState {
    phase: Phase,
    /// Why the most recent attempt, or the connection, has failed; `None` after an update.
    failure: Option<Arc<str>>,
    /// When the connection ended; `None` if there was none.
    lost: Option<i64>,
    /// Time of the last update; 0 if there was none.
    last_update: i64,
    period_ns: i64,
    /// Failed attempts to connect since the last update.
    attempts: usize,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// An attempt began at this time. It succeeds with the first update.
    Attempt(i64),
    Connected,
    /// The next attempt begins at this time.
    Pause(i64),
}

impl ConnectionState {
    /// The first attempt begins at `now`.
    pub(super) fn new(now: i64) -> Self {
        ConnectionState {
            phase: Phase::Attempt(now),
            failure: None,
            lost: None,
            last_update: 0,
            period_ns: DEFAULT_PERIOD_NS,
            attempts: 0,
        }
    }

    /// An attempt to connect begins.
    pub(super) fn attempt(&mut self, now: i64) {
        self.phase = Phase::Attempt(now);
    }

    /// An update was received. Returns whether that changes the status: the update is the first
    /// one, or the connection was stale.
    pub(super) fn update_received(&mut self, now: i64) -> bool {
        let is_first = !matches!(self.phase, Phase::Connected);
        let is_change = is_first || self.is_stale(now);
        if !is_first {
            let period = now.saturating_sub(self.last_update).clamp(100_000_000, 60_000_000_000);
            // Increases at once and decreases slowly, because a single early update means little.
            self.period_ns = period.max(self.period_ns - self.period_ns / 4);
        }
        (self.phase, self.failure, self.lost) = (Phase::Connected, None, None);
        (self.attempts, self.last_update) = (0, now);
        is_change
    }

    /// The connection was closed or refused. Returns the pause before the next attempt.
    pub(super) fn failed(&mut self, now: i64, reason: &str) -> Duration {
        let pause = PAUSES[self.attempts.min(PAUSES.len() - 1)];
        self.attempts += 1;
        if matches!(self.phase, Phase::Connected) {
            self.lost = Some(now);
        }
        let retry = now.saturating_add(i64::try_from(pause.as_nanos()).unwrap_or(i64::MAX));
        (self.phase, self.failure) = (Phase::Pause(retry), Some(reason.into()));
        self.period_ns = DEFAULT_PERIOD_NS;
        pause
    }

    /// The interval between updates.
    pub(super) fn period_ns(&self) -> u64 {
        self.period_ns.unsigned_abs()
    }

    fn update_timeout_ns(&self) -> i64 {
        // After a pause several updates arrive at once, which does not mean a shorter period.
        let period_ns = self.period_ns.max(DEFAULT_PERIOD_NS);
        period_ns + period_ns / 2 + LATE_NS
    }

    fn is_stale(&self, now: i64) -> bool {
        now.saturating_sub(self.last_update) > self.update_timeout_ns()
    }

    pub(super) fn status(&self, now: i64) -> Connection {
        let retry = match self.phase {
            Phase::Connected if self.is_stale(now) => {
                return Connection::Stale { since_ns: self.last_update.unsigned_abs() };
            }
            Phase::Connected => return Connection::Connected,
            Phase::Attempt(since) => Retry::Since(since.unsigned_abs()),
            Phase::Pause(until) => Retry::In(u64::try_from(until.saturating_sub(now)).unwrap_or(0)),
        };
        match (&self.failure, retry) {
            (Some(reason), retry) => Connection::Lost {
                since_ns: self.lost.map(i64::unsigned_abs),
                reason: Arc::clone(reason),
                retry,
            },
            (None, Retry::Since(since_ns)) => Connection::Connecting { since_ns },
            (None, _) => Connection::Connecting { since_ns: now.unsigned_abs() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000_000;

    /// A connection with an update at each of these times.
    fn updated(times: impl IntoIterator<Item = i64>) -> ConnectionState {
        let mut state = ConnectionState::new(S);
        times.into_iter().for_each(|at| {
            state.update_received(at);
        });
        state
    }

    #[test]
    fn connection_is_stale_when_updates_stop() {
        let mut state = updated((10..20).map(|at| at * S));
        assert_eq!(state.status(20 * S), Connection::Connected);
        let stale = Connection::Stale { since_ns: 19 * S as u64 };
        assert_eq!(state.status(21 * S), stale);
        assert!(state.update_received(22 * S), "the status changes");
        assert_eq!(state.status(22 * S), Connection::Connected);
        assert!(!state.update_received(23 * S));
    }

    #[test]
    fn period_is_kept_when_updates_arrive_at_once() {
        let state = updated((0..20).map(|n| 11 * S + n));
        assert_eq!(state.status(12 * S), Connection::Connected);
    }

    #[test]
    fn connection_with_a_long_period_is_not_stale_between_updates() {
        let state = updated([10 * S, 15 * S, 20 * S]);
        assert_eq!(state.status(26 * S), Connection::Connected);
    }

    #[test]
    fn pauses_grow_to_a_limit_and_are_reset_by_an_update() {
        let mut state = ConnectionState::new(S);
        let mut pause = |at: i64| {
            state.attempt(at);
            state.failed(at, "refused").as_millis()
        };
        let pauses: Vec<_> = (0..7).map(|_| pause(S)).collect();
        assert_eq!(pauses, [250, 500, 1000, 2000, 2000, 2000, 2000]);
        state.update_received(9 * S);
        assert_eq!(state.failed(10 * S, "closed").as_millis(), 250);
    }

    #[test]
    fn attempt_has_the_reason_of_the_most_recent_failure_and_its_own_duration() {
        let mut state = ConnectionState::new(S);
        assert_eq!(state.status(4 * S), Connection::Connecting { since_ns: S as u64 });
        let lost = |since_ns, reason: &str, retry| Connection::Lost {
            since_ns,
            reason: reason.into(),
            retry,
        };
        state.failed(4 * S, "refused");
        assert_eq!(state.status(4 * S), lost(None, "refused", Retry::In(250_000_000)));
        // It is accepted, and no update arrives.
        state.attempt(5 * S);
        let trying = state.status(8 * S);
        assert_eq!(trying, lost(None, "refused", Retry::Since(5 * S as u64)));
        let text = trying.describe(8 * S as u64, 0);
        assert_eq!(text, "not connected: refused; trying again for 3.00s");
        state.failed(9 * S, "no response");
        state.attempt(10 * S);
        let since = Retry::Since(10 * S as u64);
        assert_eq!(state.status(10 * S), lost(None, "no response", since));
        state.update_received(11 * S);
        assert_eq!(state.status(11 * S), Connection::Connected);
        state.failed(12 * S, "closed");
        state.failed(13 * S, "refused");
        let twice = lost(Some(12 * S as u64), "refused", Retry::In(0));
        assert_eq!(state.status(14 * S), twice);
    }
}
