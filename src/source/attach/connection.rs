//! The state of the connection to a program. Pure: the time is an argument.

use std::{sync::Arc, time::Duration};

use crate::snapshot::Connection;

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
    /// Time of the last update, or of the connection; 0 if there was none.
    last_update: i64,
    period_ns: i64,
    /// Failed attempts to connect since the last update.
    attempts: usize,
    /// No update has been received over this connection.
    is_new: bool,
}

#[derive(Clone, Debug)]
enum Phase {
    Connecting,
    Connected,
    /// `since` is `None` if the program was never connected. `retry` is the time of the next
    /// attempt.
    Lost {
        since: Option<i64>,
        reason: Arc<str>,
        retry: i64,
    },
}

impl Default for ConnectionState {
    fn default() -> Self {
        ConnectionState {
            phase: Phase::Connecting,
            last_update: 0,
            period_ns: DEFAULT_PERIOD_NS,
            attempts: 0,
            is_new: true,
        }
    }
}

impl ConnectionState {
    /// The program has accepted the connection.
    pub(super) fn connected(&mut self, now: i64) {
        self.phase = Phase::Connected;
        self.last_update = now;
        self.is_new = true;
    }

    /// An update was received. Returns whether that changes the status: the update is the first
    /// one, or the connection was stale.
    pub(super) fn update_received(&mut self, now: i64) -> bool {
        let is_change = self.is_new || self.is_stale(now);
        self.is_new = false;
        if self.attempts == 0 {
            let period = now.saturating_sub(self.last_update).clamp(100_000_000, 60_000_000_000);
            // Increases at once and decreases slowly, because a single early update means little.
            self.period_ns = period.max(self.period_ns - self.period_ns / 4);
        }
        self.attempts = 0;
        self.last_update = now;
        self.phase = Phase::Connected;
        is_change
    }

    /// The connection was closed or refused. Returns the pause before the next attempt.
    pub(super) fn lost(&mut self, now: i64, reason: &str) -> Duration {
        let pause = PAUSES[self.attempts.min(PAUSES.len() - 1)];
        self.attempts += 1;
        let retry = now.saturating_add(i64::try_from(pause.as_nanos()).unwrap_or(i64::MAX));
        let since = match self.phase {
            Phase::Lost { since, .. } => since,
            Phase::Connecting => None,
            Phase::Connected => Some(now),
        };
        self.phase = Phase::Lost { since, reason: reason.into(), retry };
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
        let last_update = (self.last_update > 0).then_some(self.last_update.unsigned_abs());
        match (&self.phase, last_update) {
            (Phase::Connecting, _) => Connection::Connecting,
            (Phase::Connected, Some(since_ns)) if self.is_stale(now) => {
                Connection::Stale { since_ns }
            }
            // Until the first update, the state shown may belong to the previous process.
            (Phase::Connected, _) if self.is_new => Connection::Connecting,
            (Phase::Connected, _) => Connection::Connected,
            (Phase::Lost { since, reason, retry }, _) => Connection::Lost {
                since_ns: since.map(i64::unsigned_abs),
                reason: Arc::clone(reason),
                retry_in_ns: Some(u64::try_from(retry.saturating_sub(now)).unwrap_or(0)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000_000;

    #[test]
    fn connection_is_stale_when_updates_stop() {
        let mut state = ConnectionState::default();
        state.connected(10 * S);
        for at in 11..20 {
            state.update_received(at * S);
        }
        assert_eq!(state.status(20 * S), Connection::Connected);
        let stale = Connection::Stale { since_ns: 19 * S as u64 };
        assert_eq!(state.status(21 * S), stale);
        state.update_received(22 * S);
        assert_eq!(state.status(22 * S), Connection::Connected);
    }

    #[test]
    fn connection_is_connecting_until_the_first_update() {
        let mut state = ConnectionState::default();
        state.connected(10 * S);
        assert_eq!(state.status(11 * S), Connection::Connecting);
        assert_eq!(state.status(15 * S), Connection::Stale { since_ns: 10 * S as u64 });
        state.update_received(16 * S);
        assert_eq!(state.status(16 * S), Connection::Connected);
    }

    #[test]
    fn period_is_kept_when_updates_arrive_at_once() {
        let mut state = ConnectionState::default();
        state.connected(10 * S);
        (0..20).for_each(|n| {
            state.update_received(11 * S + n);
        });
        assert_eq!(state.status(12 * S), Connection::Connected);
    }

    #[test]
    fn connection_with_a_long_period_is_not_stale_between_updates() {
        let mut state = ConnectionState::default();
        state.connected(10 * S);
        state.update_received(15 * S);
        state.update_received(20 * S);
        assert_eq!(state.status(26 * S), Connection::Connected);
    }

    #[test]
    fn pauses_grow_to_a_limit_and_are_reset_by_an_update() {
        let mut state = ConnectionState::default();
        let pauses: Vec<_> = (0..7).map(|_| state.lost(S, "refused").as_millis()).collect();
        assert_eq!(pauses, [250, 500, 1000, 2000, 2000, 2000, 2000]);
        state.connected(9 * S);
        assert_eq!(state.lost(9 * S, "closed").as_millis(), 2000, "no update was received");
        state.connected(9 * S);
        state.update_received(9 * S);
        assert_eq!(state.lost(10 * S, "closed").as_millis(), 250);
    }

    #[test]
    fn lost_connection_has_start_reason_and_time_of_the_next_attempt() {
        let mut state = ConnectionState::default();
        state.lost(S, "refused");
        let lost = |since_ns, reason: &str, retry_in_ns| Connection::Lost {
            since_ns,
            reason: reason.into(),
            retry_in_ns: Some(retry_in_ns),
        };
        assert_eq!(state.status(S), lost(None, "refused", 250_000_000));
        state.update_received(2 * S);
        state.lost(3 * S, "closed");
        state.lost(4 * S, "refused");
        assert_eq!(state.status(5 * S), lost(Some(3 * S as u64), "refused", 0));
    }
}
