//! How the connection to a target stands. Pure: moments are arguments.

use std::{sync::Arc, time::Duration};

use crate::snapshot::Connection;

/// The pauses between attempts to connect; the last one stays.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
];
/// What console-subscriber takes for the time between updates, if nobody says otherwise.
const USUAL_NS: i64 = 1_000_000_000;
/// How late an update may be before it counts as missing.
const LATE_NS: i64 = 250_000_000;

/// The state of a connection, told by whoever has it.
#[derive(Clone, Debug)]
pub(super) struct Link {
    state: State,
    /// The last update, or the connection's beginning; 0 if there never was one.
    heard: i64,
    /// The time between updates.
    period_ns: i64,
    /// Attempts in vain since the last update.
    attempts: usize,
    /// Nothing has come over this connection yet.
    is_new: bool,
}

#[derive(Clone, Debug)]
enum State {
    Connecting,
    Connected,
    /// Since when, if it ever was connected; why; when it is tried again.
    Lost {
        since: Option<i64>,
        reason: Arc<str>,
        retry: i64,
    },
}

impl Default for Link {
    fn default() -> Self {
        Link { state: State::Connecting, heard: 0, period_ns: USUAL_NS, attempts: 0, is_new: true }
    }
}

impl Link {
    /// The target has answered.
    pub(super) fn connected(&mut self, now: i64) {
        self.state = State::Connected;
        self.heard = now;
        self.is_new = true;
    }

    /// An update came. Gives whether that changes how the connection stands: it is the first,
    /// or the target had been silent for too long.
    pub(super) fn heard(&mut self, now: i64) -> bool {
        let news = self.is_new || now.saturating_sub(self.heard) > self.patience();
        self.is_new = false;
        if self.attempts == 0 {
            let period = now.saturating_sub(self.heard).clamp(100_000_000, 60_000_000_000);
            // Up at once, down slowly: one update out of turn says little.
            self.period_ns = period.max(self.period_ns - self.period_ns / 4);
        }
        self.attempts = 0;
        self.heard = now;
        self.state = State::Connected;
        news
    }

    /// The connection is gone. Returns how long to wait before the next attempt.
    pub(super) fn lost(&mut self, now: i64, reason: &str) -> Duration {
        let pause = PAUSES[self.attempts.min(PAUSES.len() - 1)];
        self.attempts += 1;
        let retry = now.saturating_add(i64::try_from(pause.as_nanos()).unwrap_or(i64::MAX));
        let since = match self.state {
            State::Lost { since, .. } => since,
            State::Connecting => None,
            State::Connected => Some(now),
        };
        self.state = State::Lost { since, reason: reason.into(), retry };
        self.period_ns = USUAL_NS;
        pause
    }

    /// The time between updates, in ns.
    pub(super) fn period_ns(&self) -> u64 {
        self.period_ns.unsigned_abs()
    }

    /// Up to when the target's clock may be taken to run on: nothing goes on without word
    /// of it.
    pub(super) fn until(&self, now: i64) -> i64 {
        match self.state {
            State::Connected => now.min(self.heard.saturating_add(self.patience())),
            _ => now.min(self.heard),
        }
    }

    fn patience(&self) -> i64 {
        // After a pause of the target several updates come at once: that is no new pace.
        let period_ns = self.period_ns.max(USUAL_NS);
        period_ns + period_ns / 2 + LATE_NS
    }

    /// How it stands at a moment.
    pub(super) fn figures(&self, now: i64) -> Connection {
        let heard = (self.heard > 0).then_some(self.heard.unsigned_abs());
        match (&self.state, heard) {
            (State::Connecting, _) => Connection::Connecting,
            (State::Connected, Some(since_ns))
                if now.saturating_sub(self.heard) > self.patience() =>
            {
                Connection::Stale { since_ns }
            }
            // What is shown until the first update comes may be of the process before.
            (State::Connected, _) if self.is_new => Connection::Connecting,
            (State::Connected, _) => Connection::Connected,
            (State::Lost { since, reason, retry }, _) => Connection::Lost {
                since_ns: since.map(i64::unsigned_abs),
                reason: Arc::clone(reason),
                retry_in_ns: u64::try_from(retry.saturating_sub(now)).unwrap_or(0),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000_000;

    #[test]
    fn it_is_stale_when_updates_stop_and_time_stands_still_then() {
        let mut link = Link::default();
        link.connected(10 * S);
        for at in 11..20 {
            link.heard(at * S);
        }
        assert_eq!(link.figures(20 * S), Connection::Connected);
        assert_eq!(link.until(20 * S), 20 * S);
        let stale = Connection::Stale { since_ns: 19 * S as u64 };
        assert_eq!(link.figures(21 * S), stale);
        assert_eq!(link.until(1000 * S), 19 * S + S + S / 2 + LATE_NS);
        link.heard(22 * S);
        assert_eq!(link.figures(22 * S), Connection::Connected);
    }

    #[test]
    fn it_is_connecting_until_it_says_something() {
        let mut link = Link::default();
        link.connected(10 * S);
        assert_eq!(link.figures(11 * S), Connection::Connecting);
        assert_eq!(link.figures(15 * S), Connection::Stale { since_ns: 10 * S as u64 });
        link.heard(16 * S);
        assert_eq!(link.figures(16 * S), Connection::Connected);
    }

    #[test]
    fn updates_that_come_at_once_are_no_new_pace() {
        let mut link = Link::default();
        link.connected(10 * S);
        (0..20).for_each(|n| {
            link.heard(11 * S + n);
        });
        assert_eq!(link.figures(12 * S), Connection::Connected);
    }

    #[test]
    fn a_slow_target_is_not_stale_between_two_updates() {
        let mut link = Link::default();
        link.connected(10 * S);
        link.heard(15 * S);
        link.heard(20 * S);
        assert_eq!(link.figures(26 * S), Connection::Connected);
    }

    #[test]
    fn pauses_grow_to_a_bound_and_begin_anew_after_an_update() {
        let mut link = Link::default();
        let pauses: Vec<_> = (0..7).map(|_| link.lost(S, "refused").as_millis()).collect();
        assert_eq!(pauses, [250, 500, 1000, 2000, 2000, 2000, 2000]);
        link.connected(9 * S);
        assert_eq!(link.lost(9 * S, "closed").as_millis(), 2000, "it has not said a word");
        link.connected(9 * S);
        link.heard(9 * S);
        assert_eq!(link.lost(10 * S, "closed").as_millis(), 250);
    }

    #[test]
    fn what_is_lost_says_since_when_why_and_when_it_is_tried_again() {
        let mut link = Link::default();
        link.lost(S, "refused");
        let lost = |since_ns, reason: &str, retry_in_ns| Connection::Lost {
            since_ns,
            reason: reason.into(),
            retry_in_ns,
        };
        assert_eq!(link.figures(S), lost(None, "refused", 250_000_000));
        link.heard(2 * S);
        link.lost(3 * S, "closed");
        link.lost(4 * S, "refused");
        assert_eq!(link.figures(5 * S), lost(Some(3 * S as u64), "refused", 0));
        assert_eq!(link.until(9 * S), 2 * S);
    }
}
