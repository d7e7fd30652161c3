//! The options of a watchdog.

use std::time::Duration;

/// Thresholds, history size and signal of a watchdog.
#[derive(Clone, Debug)]
pub struct WatchOptions {
    /// Polls that take at least this long are recorded, with stack and cause. Default 10 ms, at
    /// least 1 ms. Time without a CPU does not count: see
    /// [`PollRecord::net_ns`](super::PollRecord::net_ns).
    pub long_poll: Duration,
    /// Polls that take at least this long have a history of their own (the latest 64), so that many
    /// shorter ones do not push them out. Default 100 ms.
    pub blocking_poll: Duration,
    /// Maximum number of ended long polls that are kept, not counting the blocking ones. Default 256.
    pub history: usize,
    /// The signal that makes a running thread copy its stack. Default SIGURG (23), which programs
    /// ignore by default and debuggers pass on without stopping. A handler that was installed
    /// before still receives the program's signals; the watchdog's handler stays until the process
    /// ends. The kernel merges pending standard signals of one number: a program that must not lose
    /// such a signal should use a real-time signal here, which is never merged.
    ///
    /// A thread that is blocked in a system call is not signaled: its stack is copied while it
    /// sleeps. A thread may block between the check and the signal. Then, as after any signal, a
    /// call that cannot be restarted (`poll`, `epoll_wait`, one with a timeout) returns `EINTR`;
    /// [`WatchStats::interrupted_calls`](super::WatchStats::interrupted_calls) counts these.
    pub signal: i32,
}

impl Default for WatchOptions {
    fn default() -> Self {
        WatchOptions {
            long_poll: Duration::from_millis(10),
            blocking_poll: Duration::from_millis(100),
            history: 256,
            signal: 23,
        }
    }
}

/// Minimum length of a poll that is recorded.
pub(super) fn long_poll_ns(options: &WatchOptions) -> u64 {
    // The limit of 146 years only prevents an overflow.
    nanos(options.long_poll).clamp(1_000_000, u64::MAX / 4)
}

pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
