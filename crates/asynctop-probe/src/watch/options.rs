//! The options of a watchdog.

use std::time::Duration;

/// What to watch for.
#[derive(Clone, Debug)]
pub struct WatchOptions {
    /// A poll that takes longer is recorded, with stack and cause. 10 ms unless set;
    /// at least 1 ms. Time without a CPU does not count: see
    /// [`PollRecord::net_ns`](super::PollRecord::net_ns).
    pub slow: Duration,
    /// A poll that takes longer holds its thread: it is kept apart from those that are
    /// only slow, so that many of these do not push it out. 100 ms unless set.
    pub held: Duration,
    /// How many slow polls to keep when they are over. 256 unless set.
    pub past: usize,
    /// The signal that makes a running thread copy its stack: SIGURG (23) unless set, which
    /// programs ignore unless they ask for it, and debuggers pass on without a word. A
    /// handler that is there already goes on to get its own signals; ours stays until
    /// the process ends. The kernel merges standard signals of one number to one thread:
    /// a program that must not lose such a signal gives us one of its own, a real-time
    /// one, which never merge.
    ///
    /// A thread that is blocked in a system call gets no signal: its stack is copied while it
    /// sleeps. A thread may block between the check and the signal. Then, as after any signal,
    /// a call that cannot be restarted (`poll`, `epoll_wait`, one with a timeout) returns
    /// `EINTR`; [`WatchStats::interrupted_calls`](super::WatchStats::interrupted_calls) counts these.
    pub signal: i32,
}

impl Default for WatchOptions {
    fn default() -> Self {
        WatchOptions {
            slow: Duration::from_millis(10),
            held: Duration::from_millis(100),
            past: 256,
            signal: 23,
        }
    }
}

/// Minimum length of a poll that is recorded.
pub(super) fn slow_ns(options: &WatchOptions) -> u64 {
    // The limit of 146 years only prevents an overflow.
    nanos(options.slow).clamp(1_000_000, u64::MAX / 4)
}

pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
