//! Decides when the stack of a busy thread is sampled.

use super::{cause::Activity, platform::Ticket};

/// Interval between two samples of one thread, and the time over which it must be busy.
const INTERVAL_NS: u64 = 1_000_000_000;
/// Maximum number of requests for one sample: a stack that is taken between two polls, or arrives
/// too late, is discarded.
const MAX_ATTEMPTS: u32 = 4;

/// Determines whether a thread is busy with polls, from its busy time over a second.
#[derive(Default)]
pub(super) struct BusyThread {
    /// Time and busy time at the start of the current interval.
    began: Option<(u64, u64)>,
    attempts_left: u32,
    pub(super) pending: Option<PendingSample>,
}

/// A sample that was requested and has not arrived.
pub(super) struct PendingSample {
    pub(super) ticket: Ticket,
    pub(super) taken_ns: u64,
    pub(super) activity: Activity,
}

impl BusyThread {
    /// Whether to request a stack at `now`. `busy_ns` is only called once per second; it returns
    /// the time that the thread has spent in polls so far.
    pub(super) fn is_due(&mut self, now: u64, busy_ns: impl FnOnce() -> u64) -> bool {
        let span_ns = self.began.map(|(began, _)| now.saturating_sub(began));
        if span_ns.is_none_or(|span_ns| span_ns >= INTERVAL_NS) {
            let busy_ns = busy_ns();
            let added_ns = self.began.map(|(_, before)| busy_ns.saturating_sub(before));
            let is_busy = span_ns.zip(added_ns).is_some_and(|(span, added)| added >= span / 10 * 9);
            self.attempts_left = if is_busy { MAX_ATTEMPTS } else { 0 };
            self.began = Some((now, busy_ns));
        }
        self.attempts_left > 0 && self.pending.is_none()
    }

    pub(super) fn requested(&mut self) {
        self.attempts_left = self.attempts_left.saturating_sub(1);
    }

    pub(super) fn sampled(&mut self) {
        self.attempts_left = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = INTERVAL_NS;

    #[test]
    fn only_a_thread_that_was_busy_for_a_second_is_sampled_once_per_second() {
        let mut thread = BusyThread::default();
        assert!(!thread.is_due(S, || 5), "the first reading");
        assert!(!thread.is_due(S + S / 2, || unreachable!("read once per second")));
        assert!(!thread.is_due(2 * S, || 5 + S / 2), "half of the time");
        assert!(thread.is_due(3 * S, || 5 + S / 2 + S / 100 * 95));
        thread.requested();
        assert!(thread.is_due(3 * S + 1, || unreachable!()), "another attempt after a late stack");
        thread.sampled();
        assert!(!thread.is_due(3 * S + 2, || unreachable!()), "one sample per second");
        assert!(thread.is_due(4 * S, || 5 + S / 2 + 2 * S));
        (0..MAX_ATTEMPTS).for_each(|_| thread.requested());
        assert!(!thread.is_due(4 * S + 1, || unreachable!()), "enough attempts");
    }
}
