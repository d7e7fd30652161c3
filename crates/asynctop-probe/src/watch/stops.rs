//! Intervals in which the whole process was stopped, found by gaps between the watchdog's samples.

use super::{Stop, ThreadTimes, platform};

const MS: u64 = 1_000_000;
/// A shorter gap may have other causes: a lock, or a file that is slow to read.
const MIN_STOP_NS: u64 = 100 * MS;
/// Where run-queue delay is unknown, it may be the cause of a shorter gap.
const MIN_UNEXPLAINED_NS: u64 = 1000 * MS;

/// The time of the latest wake-up, and the CPU times of the watchdog's thread then.
#[derive(Debug, Default)]
pub(super) struct StopDetector {
    woke: Option<(u64, Option<ThreadTimes>)>,
}

impl StopDetector {
    /// The watchdog has woken up at `now` after an intended sleep of `sleep_ns`; returns the stop
    /// since its previous wake-up, if there was one.
    pub(super) fn woke_up(&mut self, now: u64, sleep_ns: u64) -> Option<Stop> {
        let times = platform::current_thread_times();
        let (before, times_before) = self.woke.replace((now, times))?;
        let spent = times.zip(times_before).map(|(now, before)| ThreadTimes {
            cpu_ns: now.cpu_ns.saturating_sub(before.cpu_ns),
            run_delay_ns: now.run_delay_ns.saturating_sub(before.run_delay_ns),
        });
        stop_between(before, now, sleep_ns, spent)
    }
}

/// The stop between two wake-ups: time in which the watchdog neither slept as intended nor used a
/// CPU nor waited for one.
fn stop_between(before: u64, now: u64, sleep_ns: u64, spent: Option<ThreadTimes>) -> Option<Stop> {
    let elapsed = now.saturating_sub(before);
    let (min_stop_ns, spent) = match spent {
        Some(spent) => (MIN_STOP_NS, spent),
        None => (MIN_UNEXPLAINED_NS, ThreadTimes::default()),
    };
    let explained = sleep_ns.saturating_add(spent.cpu_ns).saturating_add(spent.run_delay_ns);
    let stopped = elapsed.saturating_sub(explained);
    // The position of the stop within the sleep is unknown, so the whole sleep counts.
    let to_ns = now - spent.run_delay_ns.min(elapsed);
    let from_ns = to_ns.saturating_sub(stopped.saturating_add(sleep_ns)).max(before);
    (stopped >= min_stop_ns).then_some(Stop { from_ns, to_ns })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spent(cpu: u64, delay: u64) -> Option<ThreadTimes> {
        Some(ThreadTimes { cpu_ns: cpu * MS, run_delay_ns: delay * MS })
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
        assert_eq!(stop_between(0, 900 * MS, 15 * MS, None), None);
        assert!(stop_between(0, 1100 * MS, 15 * MS, None).is_some());
    }

    #[test]
    fn first_sample_finds_no_stop() {
        assert_eq!(StopDetector::default().woke_up(5000 * MS, 0), None);
    }
}
