//! How much of an interval a thread spent without a CPU.
//!
//! Used wherever the length of a poll is compared with a threshold. The kernel adds a run-queue delay
//! to its count when the delay ends. The upper bound of a delay under way is the time that a
//! runnable thread has not spent on a CPU since the previous reading. The next reading corrects it.

use std::collections::HashMap;

use super::{ThreadTimes, cpu_times::thread_times, platform};

/// CPU time and run-queue delay of a thread at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct CpuReading {
    pub at: u64,
    pub times: ThreadTimes,
    /// Upper bound of the run-queue delay under way.
    pub pending_delay_ns: u64,
}

impl CpuReading {
    /// The reading after `last`, if the thread has been runnable.
    fn after(last: &CpuReading, at: u64, times: ThreadTimes) -> CpuReading {
        let wall = at.saturating_sub(last.at);
        let cpu = times.cpu_ns.saturating_sub(last.times.cpu_ns);
        let delay = times.run_delay_ns.saturating_sub(last.times.run_delay_ns);
        let pending_delay_ns = if cpu > 0 {
            // The thread was on a CPU since then, so the previous delay has ended and is counted.
            let new = delay.saturating_sub(last.pending_delay_ns);
            wall.saturating_sub(cpu).saturating_sub(new)
        } else {
            last.pending_delay_ns.saturating_add(wall).saturating_sub(delay)
        };
        CpuReading { at, times, pending_delay_ns }
    }
}

/// The latest times of one thread.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CpuAccount {
    os_id: Option<u32>,
    latest: Option<CpuReading>,
}

impl CpuAccount {
    /// Reads the times of the thread at `now`; returns the reading before.
    pub(super) fn read(&mut self, os_id: Option<u32>, now: u64) -> Option<CpuReading> {
        if self.os_id != os_id {
            *self = CpuAccount { os_id, latest: None };
        }
        let before = self.latest;
        self.latest = os_id.and_then(|os_id| {
            let cpu_ns = platform::cpu_time(os_id)?;
            // Without CPU time since then, no run-queue delay has ended, and the file need not be
            // read.
            let same = before.filter(|before| before.times.cpu_ns == cpu_ns);
            let run_delay_ns = match same {
                Some(before) => before.times.run_delay_ns,
                None => thread_times(os_id)?.run_delay_ns,
            };
            let times = ThreadTimes { cpu_ns, run_delay_ns };
            Some(match before {
                Some(before) => CpuReading::after(&before, now, times),
                None => CpuReading { at: now, times, pending_delay_ns: 0 },
            })
        });
        before
    }

    /// The assumed reading before a poll that began at `began`, for a thread that had not been read
    /// by then: it may have lacked a CPU ever since, but no longer than its total run-queue delay.
    pub(super) fn assumed_before(&self, began: u64) -> Option<CpuReading> {
        let CpuReading { at, mut times, .. } = self.latest?;
        let age = at.saturating_sub(began);
        times.run_delay_ns -= times.run_delay_ns.min(age);
        Some(CpuReading { at: began, times, pending_delay_ns: 0 })
    }

    /// The thread was found asleep or blocked: no run-queue delay is under way.
    pub(super) fn set_blocked(&mut self) {
        if let Some(latest) = &mut self.latest {
            latest.pending_delay_ns = 0;
        }
    }

    pub(super) fn latest(&self) -> Option<CpuReading> {
        self.latest
    }
}

/// Run-queue delay in a poll, between the last reading before it and the reading `now`. `end` is
/// `None` while the poll lasts.
pub(super) fn run_delay(before: CpuReading, now: CpuReading, began: u64, end: Option<u64>) -> u64 {
    let counted = now.times.run_delay_ns.saturating_sub(before.times.run_delay_ns);
    // The thread had a CPU when the poll ended: a delay under way began later.
    let delay = counted + if end.is_some() { 0 } else { now.pending_delay_ns };
    let until = end.unwrap_or(now.at);
    // CPU time that must have been spent in the poll.
    let outside = began.saturating_sub(before.at) + now.at.saturating_sub(until);
    let cpu = now.times.cpu_ns.saturating_sub(before.times.cpu_ns).saturating_sub(outside);
    delay.min(until.saturating_sub(began).saturating_sub(cpu))
}

/// The other threads of the process while one thread waits for a lock: the thread that holds it may
/// lack a CPU itself.
#[derive(Debug, Default)]
pub(super) struct OtherThreads {
    threads: HashMap<u32, OtherThread>,
    /// When the next reading may be taken.
    next_read: u64,
}

#[derive(Debug)]
struct OtherThread {
    first: ThreadTimes,
    latest: CpuReading,
    /// Whether it was runnable at the latest reading.
    was_runnable: bool,
}

/// Maximum number of threads that are read.
const MAX_THREADS: usize = 256;
/// Pause after a reading of all threads, as a multiple of the time that it took.
const PAUSE_FACTOR: u64 = 20;

impl OtherThreads {
    /// Reads the times of all threads except the one waiting for the lock and the calling one. Does
    /// nothing during the pause after the previous reading, unless `is_last`.
    pub(super) fn read(&mut self, waiting: u32, clock: impl Fn() -> u64, is_last: bool) {
        let began = clock();
        if began < self.next_read && !is_last {
            return;
        }
        for os_id in platform::other_threads(waiting).into_iter().take(MAX_THREADS) {
            let Some(times) = thread_times(os_id) else { continue };
            let now = clock();
            self.update(os_id, now, times, platform::is_runnable(os_id));
        }
        let now = clock();
        self.next_read = now + PAUSE_FACTOR * now.saturating_sub(began);
    }

    fn update(&mut self, os_id: u32, at: u64, times: ThreadTimes, is_runnable: bool) {
        let first = || OtherThread {
            first: times,
            latest: CpuReading { at, times, pending_delay_ns: 0 },
            was_runnable: is_runnable,
        };
        let thread = self.threads.entry(os_id).or_insert_with(first);
        let mut now = CpuReading::after(&thread.latest, at, times);
        // A thread that was asleep and has run since has not lacked a CPU all that time.
        let has_run = times.cpu_ns > thread.latest.times.cpu_ns;
        if !is_runnable || (has_run && !thread.was_runnable) {
            now.pending_delay_ns = 0;
        }
        (thread.latest, thread.was_runnable) = (now, is_runnable);
    }

    /// The largest run-queue delay of one thread since its first reading. If the wait has ended, the
    /// thread with the lock has had a CPU, so that a delay under way began later.
    pub(super) fn largest_delay(&self, has_ended: bool) -> u64 {
        let delays = self.threads.values().map(|OtherThread { first, latest, .. }| {
            let pending = if has_ended { 0 } else { latest.pending_delay_ns };
            latest.times.run_delay_ns.saturating_sub(first.run_delay_ns) + pending
        });
        delays.max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn times(cpu: u64, delay: u64) -> ThreadTimes {
        ThreadTimes { cpu_ns: cpu * MS, run_delay_ns: delay * MS }
    }

    /// Readings at these moments (at, CPU time, run-queue delay), in ms.
    fn readings<const N: usize>(all: [(u64, u64, u64); N]) -> [CpuReading; N] {
        let mut last: Option<CpuReading> = None;
        all.map(|(at, cpu, delay)| {
            let (at, times) = (at * MS, times(cpu, delay));
            let now = match &last {
                Some(last) => CpuReading::after(last, at, times),
                None => CpuReading { at, times, pending_delay_ns: 0 },
            };
            *last.insert(now)
        })
    }

    #[test]
    fn poll_on_a_cpu_has_no_delay() {
        let [before, now] = readings([(0, 50, 7), (120, 170, 7)]);
        assert_eq!(run_delay(before, now, 10 * MS, None), 0);
    }

    #[test]
    fn ended_delays_and_the_one_under_way_are_deducted() {
        // 40 ms on a CPU, 50 ms of delay counted, 30 ms not counted yet.
        let [before, first, now] = readings([(0, 0, 0), (90, 40, 50), (120, 40, 50)]);
        assert_eq!(run_delay(before, first, 0, None), 50 * MS);
        assert_eq!(run_delay(before, now, 0, None), 80 * MS);
        // The thread gets a CPU at 125 ms: the kernel counts the delay.
        let last = CpuReading::after(&now, 130 * MS, times(45, 85));
        assert_eq!(last.pending_delay_ns, 0);
        assert_eq!(run_delay(before, last, 0, None), 85 * MS);
    }

    #[test]
    fn sleep_before_a_delay_counts_as_delay_only_until_the_next_reading() {
        let [_, woken, next] = readings([(0, 1, 0), (50, 2, 0), (60, 11, 1)]);
        assert_eq!(woken.pending_delay_ns, 49 * MS);
        assert_eq!(next.pending_delay_ns, MS);
    }

    #[test]
    fn blocked_thread_has_no_run_queue_delay() {
        let [before, now] = readings([(0, 1, 0), (50, 2, 3)]);
        let mut account = CpuAccount { os_id: None, latest: Some(now) };
        account.set_blocked();
        let now = account.latest().expect("read");
        assert_eq!(run_delay(before, now, 0, None), 3 * MS);
    }

    #[test]
    fn unread_thread_is_assumed_to_have_lacked_a_cpu() {
        let [first] = readings([(100, 50, 30)]);
        let mut account = CpuAccount { os_id: None, latest: Some(first) };
        let deducted = |account: &CpuAccount, began: u64, at: u64, cpu: u64, delay: u64| {
            let before = account.assumed_before(began * MS).expect("read");
            let now = CpuReading { at: at * MS, times: times(cpu, delay), pending_delay_ns: 0 };
            run_delay(before, now, began * MS, None) / MS
        };
        assert_eq!(deducted(&account, 20, 200, 150, 30), 30, "its total delay");
        assert_eq!(
            deducted(&account, 90, 200, 130, 50),
            30,
            "10 ms before the first reading, 20 ms since"
        );
        account.latest = None;
        assert_eq!(account.assumed_before(0), None);
    }

    #[test]
    fn cpu_time_that_was_spent_in_the_poll_is_not_deducted() {
        // 60 ms of delay, most of it before the poll began at 70 ms.
        let [before, now] = readings([(0, 0, 0), (110, 50, 60)]);
        assert_eq!(run_delay(before, now, 70 * MS, None), 40 * MS);
        let [before, now] = readings([(0, 0, 0), (110, 100, 60)]);
        assert_eq!(run_delay(before, now, 70 * MS, None), 10 * MS);
        assert_eq!(run_delay(before, now, 70 * MS, Some(100 * MS)), 10 * MS);
    }

    #[test]
    fn delay_under_way_after_the_end_of_a_poll_is_not_deducted() {
        let [before, now] = readings([(0, 0, 0), (100, 20, 30)]);
        assert_eq!(now.pending_delay_ns, 50 * MS);
        assert_eq!(run_delay(before, now, 0, Some(60 * MS)), 30 * MS);
    }

    #[test]
    fn largest_delay_of_another_thread_counts() {
        let mut others = OtherThreads::default();
        for (at, one, two) in [(0, times(0, 5), times(9, 9)), (40, times(5, 25), times(9, 9))] {
            others.update(1, at * MS, one, true);
            // Asleep all the time.
            others.update(2, at * MS, two, false);
        }
        assert_eq!(others.largest_delay(false), 35 * MS, "20 ms counted, 15 ms at most under way");
        others.update(1, 60 * MS, times(25, 25), true);
        assert_eq!(others.largest_delay(false), 20 * MS);
    }

    #[test]
    fn sleep_of_the_thread_with_the_lock_is_no_delay() {
        let mut others = OtherThreads::default();
        for (at, is_runnable) in [(0, false), (100, false)] {
            others.update(1, at * MS, times(1, 0), is_runnable);
        }
        // It has slept for 50 ms more, runs, and releases the lock.
        others.update(1, 150 * MS, times(2, 0), true);
        assert_eq!(others.largest_delay(false), 0);
        // It has lacked a CPU ever since.
        others.update(1, 170 * MS, times(2, 0), true);
        assert_eq!(others.largest_delay(false), 20 * MS);
        assert_eq!(others.largest_delay(true), 0, "after the wait");
    }
}
