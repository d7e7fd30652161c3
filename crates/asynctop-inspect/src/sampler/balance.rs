//! The sampled time inside polls against the busy time that workers count themselves.
//!
//! A worker's busy time contains its polls, so the polls cannot take longer; and they are most of
//! it, unless they are very short. A worker counts when it parks, so that the time since then, of a
//! worker that is not parked, may be missing.

use std::time::Duration;

use crate::{Check, WorkerInfo};

/// The busy time of a runtime's workers since sampling began.
pub(super) struct Balance {
    began: Duration,
    samples: u64,
    hits: u64,
    /// Busy time at the beginning, latest busy time, and the time of the latest survey that found
    /// another one.
    workers: Vec<(u64, u64, Duration)>,
    surveyed: Duration,
}

/// Polls on the threads of a runtime's workers since sampling began.
#[derive(Clone, Copy, Default)]
pub(super) struct Sampled {
    pub samples: u64,
    pub hits: u64,
    /// Standard error of the hits as a share of the samples.
    pub error: f64,
    /// The part of the samples that was late or missing.
    pub doubtful: f64,
}

impl Balance {
    pub(super) fn new(now: Duration, workers: &[WorkerInfo], sampled: Sampled) -> Self {
        let workers = workers.iter().map(|worker| (worker.busy_ns, worker.busy_ns, now));
        let Sampled { samples, hits, .. } = sampled;
        Balance { began: now, samples, hits, workers: workers.collect(), surveyed: now }
    }

    /// Compares them; `None` if there is too little to compare, or other workers.
    pub(super) fn check(
        &mut self,
        now: Duration,
        workers: &[WorkerInfo],
        sampled: Sampled,
    ) -> Option<Result<String, String>> {
        /// Less is within the delays of a thread.
        const MIN_TIME: Duration = Duration::from_secs(2);
        /// Polls of some 10 ns each are less than their scheduling.
        const LEAST_PART: f64 = 0.1;
        /// Standard errors.
        const TOLERANCE: f64 = 5.0;
        if workers.len() != self.workers.len() {
            return None;
        }
        let (mut counted, mut uncounted) = (0, Duration::ZERO);
        for (worker, (first, latest, differed)) in workers.iter().zip(&mut self.workers) {
            if worker.busy_ns != *latest {
                (*latest, *differed) = (worker.busy_ns, self.surveyed);
            }
            counted += worker.busy_ns.saturating_sub(*first);
            uncounted += if worker.is_parked { Duration::ZERO } else { now - *differed };
        }
        self.surveyed = now;
        let time = now.checked_sub(self.began).filter(|time| *time >= MIN_TIME)?.as_secs_f64();
        let samples = sampled.samples.checked_sub(self.samples).filter(|number| *number > 0)?;
        let polls = sampled.hits.saturating_sub(self.hits) as f64 / samples as f64;
        let (counted, uncounted) =
            (Duration::from_nanos(counted).as_secs_f64() / time, uncounted.as_secs_f64() / time);
        let tolerance = TOLERANCE * sampled.error + sampled.doubtful * workers.len() as f64 + 0.02;
        let text = format!(
            "{polls:.2} workers inside polls according to the samples, {counted:.2} busy by their \
             own count"
        );
        let is_plausible =
            polls <= counted + uncounted + tolerance && polls + tolerance >= counted * LEAST_PART;
        Some(if is_plausible { Ok(text) } else { Err(text) })
    }
}

/// The result as a check of a runtime.
pub(super) fn as_check(runtime: usize, result: Result<String, String>) -> Check {
    let capability = format!("samples of runtime {runtime} against its workers' busy time");
    match result {
        Ok(text) => Check::passed(&capability, text),
        Err(text) => Check::failed(&capability, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn worker(busy_ms: u64, is_parked: bool) -> WorkerInfo {
        WorkerInfo { tid: None, busy_ns: busy_ms * 1_000_000, parks: 9, is_parked }
    }

    fn sampled(samples: u64, hits: u64) -> Sampled {
        Sampled { samples, hits, error: 0.005, doubtful: 0.0 }
    }

    fn check(workers: &[WorkerInfo], hits: u64) -> Option<bool> {
        let before = [worker(500, true), worker(0, true)];
        let mut balance = Balance::new(SECOND, &before, sampled(100, 50));
        Some(balance.check(11 * SECOND, workers, sampled(1100, 50 + hits))?.is_ok())
    }

    #[test]
    fn polls_are_most_of_the_busy_time_and_no_more() {
        // 5.5 of 10 seconds.
        let workers = [worker(4000, true), worker(2000, true)];
        assert_eq!(check(&workers, 500), Some(true));
        assert_eq!(check(&workers, 700), Some(false), "more than the workers were busy");
        assert_eq!(check(&workers, 5), Some(false), "nearly none");
        assert_eq!(check(&workers[..1], 500), None, "another number of workers");
    }

    #[test]
    fn a_poll_that_lasts_is_not_counted_yet() {
        let held = [worker(500, false), worker(0, true)];
        assert_eq!(check(&held, 990), Some(true));
        let parked = [worker(500, true), worker(0, true)];
        assert_eq!(check(&parked, 990), Some(false));
    }

    #[test]
    fn too_short_a_time_says_nothing() {
        let workers = [worker(0, true)];
        let mut balance = Balance::new(SECOND, &workers, sampled(0, 0));
        assert!(balance.check(2 * SECOND, &workers, sampled(100, 100)).is_none());
    }
}
