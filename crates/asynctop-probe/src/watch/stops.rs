//! Intervals in which the whole process was stopped, found by gaps between the watchdog's samples.

use std::{num::NonZero, thread};

use super::{Stop, ThreadTimes, platform};

const MS: u64 = 1_000_000;
/// A shorter gap may have other causes: a lock, or a file that is slow to read.
const MIN_STOP_NS: u64 = 100 * MS;
/// Where run-queue delay is unknown, it may be the cause of a shorter gap.
const MIN_UNEXPLAINED_NS: u64 = 1000 * MS;

/// CPU time that threads of the process may have used at the edges of a stop.
const MAX_CPU_NS: u64 = 20 * MS;

/// The time of the latest wake-up, and the CPU times then.
#[derive(Debug, Default)]
pub(super) struct StopDetector {
    woke: Option<(u64, CpuTimes)>,
}

/// CPU times at one moment, or between two; `None` where they are not known.
#[derive(Clone, Copy, Debug, Default)]
struct CpuTimes {
    /// Of the watchdog's thread.
    thread: Option<ThreadTimes>,
    /// Of all threads of the process, in nanoseconds.
    process_ns: Option<u64>,
}

impl CpuTimes {
    fn now() -> CpuTimes {
        let process_ns = platform::process_cpu_time();
        CpuTimes { thread: platform::current_thread_times(), process_ns }
    }

    fn since(self, before: CpuTimes) -> CpuTimes {
        let thread = self.thread.zip(before.thread).map(|(now, before)| ThreadTimes {
            cpu_ns: now.cpu_ns.saturating_sub(before.cpu_ns),
            run_delay_ns: now.run_delay_ns.saturating_sub(before.run_delay_ns),
        });
        let process = self.process_ns.zip(before.process_ns);
        let process_ns = process.map(|(now, before)| now.saturating_sub(before));
        CpuTimes { thread, process_ns }
    }
}

impl StopDetector {
    /// The watchdog has woken up at `now` after an intended sleep of `sleep_ns`; returns the stop
    /// since its previous wake-up, if there was one.
    pub(super) fn woke_up(&mut self, now: u64, sleep_ns: u64) -> Option<Stop> {
        let times = CpuTimes::now();
        let (before, times_before) = self.woke.replace((now, times))?;
        stop_between(before, now, sleep_ns, times.since(times_before))
    }
}

/// The stop between two wake-ups: time in which the watchdog neither slept as intended nor used a
/// CPU nor waited for one, and in which no other thread used a CPU. If one did, the watchdog alone was
/// blocked, such as by a lock of the program.
fn stop_between(before: u64, now: u64, sleep_ns: u64, times: CpuTimes) -> Option<Stop> {
    let elapsed = now.saturating_sub(before);
    let (min_stop_ns, spent) = match times.thread {
        Some(spent) => (MIN_STOP_NS, spent),
        None => (MIN_UNEXPLAINED_NS, ThreadTimes::default()),
    };
    let explained = sleep_ns.saturating_add(spent.cpu_ns).saturating_add(spent.run_delay_ns);
    let stopped = elapsed.saturating_sub(explained);
    // The position of the stop within the sleep is unknown, so the whole sleep counts.
    let to_ns = now - spent.run_delay_ns.min(elapsed);
    let from_ns = to_ns.saturating_sub(stopped.saturating_add(sleep_ns)).max(before);
    let is_idle = || {
        let cpus = thread::available_parallelism().map_or(1, NonZero::get) as u64;
        let max_ns = (elapsed - stopped).saturating_mul(cpus).saturating_add(MAX_CPU_NS);
        times.process_ns.is_none_or(|process_ns| process_ns <= max_ns)
    };
    (stopped >= min_stop_ns && is_idle()).then_some(Stop { from_ns, to_ns })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The watchdog's thread has used the only CPU time of the process.
    fn spent(cpu: u64, delay: u64) -> CpuTimes {
        let thread = ThreadTimes { cpu_ns: cpu * MS, run_delay_ns: delay * MS };
        CpuTimes { thread: Some(thread), process_ns: Some(cpu * MS) }
    }

    #[test]
    fn unexplained_gap_is_a_stop() {
        let stop = stop_between(100 * MS, 3120 * MS, 15 * MS, spent(1, 4)).expect("3 s");
        assert_eq!((stop.from_ns, stop.to_ns), (101 * MS, 3116 * MS));
    }

    #[test]
    fn busy_machine_is_not_a_stop() {
        assert_eq!(stop_between(0, 900 * MS, 15 * MS, spent(20, 800)), None);
        assert_eq!(stop_between(0, 15 * MS, 15 * MS, spent(0, 0)), None);
        assert_eq!(stop_between(0, 2 * MS, 15 * MS, spent(0, 0)), None, "woken early");
        assert_eq!(stop_between(0, 90 * MS, 15 * MS, spent(0, 0)), None, "a slow file");
    }

    #[test]
    fn only_a_long_gap_is_a_stop_if_run_queue_delay_is_unknown() {
        assert_eq!(stop_between(0, 900 * MS, 15 * MS, CpuTimes::default()), None);
        assert!(stop_between(0, 1100 * MS, 15 * MS, CpuTimes::default()).is_some());
    }

    #[test]
    fn blocked_watchdog_is_not_a_stop_while_another_thread_runs() {
        let busy = CpuTimes { process_ns: Some(3000 * MS), ..spent(1, 4) };
        assert_eq!(stop_between(100 * MS, 3120 * MS, 15 * MS, busy), None);
        // Other threads ran before and after the stop.
        let edges = CpuTimes { process_ns: Some(30 * MS), ..spent(1, 4) };
        assert!(stop_between(100 * MS, 3120 * MS, 15 * MS, edges).is_some());
    }

    #[test]
    fn first_sample_finds_no_stop() {
        assert_eq!(StopDetector::default().woke_up(5000 * MS, 0), None);
    }
}
