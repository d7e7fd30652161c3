//! Compares the sampled time inside polls with the busy time that workers count themselves.
//!
//! A worker's busy time contains its polls, so the polls cannot take longer; and they are most of it,
//! unless they are very short. A worker counts its busy time when it parks, so the time since then may
//! be missing while it is not parked.

use std::time::Duration;

use crate::{Check, WorkerInfo};

/// The comparison for one runtime, with the values at its beginning.
pub(super) struct BusyTimeCheck {
    began: Duration,
    samples: u64,
    hits: u64,
    /// Busy time at the beginning, latest busy time, and the latest survey with another busy time.
    workers: Vec<(u64, u64, Duration)>,
    surveyed: Duration,
}

/// Polls on the threads of a runtime's workers since sampling began.
#[derive(Clone, Copy, Default)]
pub(super) struct SampledPolls {
    pub samples: u64,
    pub hits: u64,
    /// Standard error of the hits as a share of the samples.
    pub error: f64,
    /// The part of the samples that was late or missing.
    pub doubtful: f64,
}

impl BusyTimeCheck {
    pub(super) fn new(now: Duration, workers: &[WorkerInfo], sampled: SampledPolls) -> Self {
        let workers = workers.iter().map(|worker| (worker.busy_ns, worker.busy_ns, now));
        let SampledPolls { samples, hits, .. } = sampled;
        BusyTimeCheck { began: now, samples, hits, workers: workers.collect(), surveyed: now }
    }

    /// Compares the values of runtime `index`; `None` if sampling began less than 2 seconds ago, or the
    /// number of workers has changed.
    pub(super) fn check(
        &mut self,
        index: usize,
        now: Duration,
        workers: &[WorkerInfo],
        sampled: SampledPolls,
    ) -> Option<Check> {
        /// In less time, the delays of the sampler matter.
        const MIN_TIME: Duration = Duration::from_secs(2);
        /// Minimum part of the busy time inside polls; scheduling takes longer than polls of some 10 ns.
        const MIN_PART: f64 = 0.1;
        /// In standard errors.
        const TOLERANCE: f64 = 5.0;
        if workers.len() != self.workers.len() {
            return None;
        }
        let (mut counted, mut uncounted) = (0, Duration::ZERO);
        for (worker, (first, latest, changed)) in workers.iter().zip(&mut self.workers) {
            if worker.busy_ns != *latest {
                (*latest, *changed) = (worker.busy_ns, self.surveyed);
            }
            counted += worker.busy_ns.saturating_sub(*first);
            uncounted += if worker.is_parked { Duration::ZERO } else { now - *changed };
        }
        self.surveyed = now;
        let time = now.checked_sub(self.began).filter(|time| *time >= MIN_TIME)?.as_secs_f64();
        let samples = sampled.samples.checked_sub(self.samples).filter(|number| *number > 0)?;
        let polls = sampled.hits.saturating_sub(self.hits) as f64 / samples as f64;
        let (counted, uncounted) =
            (Duration::from_nanos(counted).as_secs_f64() / time, uncounted.as_secs_f64() / time);
        let tolerance = TOLERANCE * sampled.error + sampled.doubtful * workers.len() as f64 + 0.02;
        let detail = format!(
            "{polls:.2} workers inside polls according to the samples, {counted:.2} busy by their \
             own count"
        );
        let is_plausible =
            polls <= counted + uncounted + tolerance && polls + tolerance >= counted * MIN_PART;
        let check = if is_plausible { Check::passed } else { Check::failed };
        let capability = format!("samples of runtime {index} against its workers' busy time");
        Some(check(&capability, detail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn worker(busy_ms: u64, is_parked: bool) -> WorkerInfo {
        WorkerInfo { tid: None, busy_ns: busy_ms * 1_000_000, parks: 9, is_parked }
    }

    fn sampled(samples: u64, hits: u64) -> SampledPolls {
        SampledPolls { samples, hits, error: 0.005, doubtful: 0.0 }
    }

    fn check(workers: &[WorkerInfo], hits: u64) -> Option<bool> {
        let before = [worker(500, true), worker(0, true)];
        let mut check = BusyTimeCheck::new(SECOND, &before, sampled(100, 50));
        Some(check.check(0, 11 * SECOND, workers, sampled(1100, 50 + hits))?.passed)
    }

    #[test]
    fn polls_must_be_most_of_the_busy_time_and_no_more() {
        // 5.5 of 10 seconds.
        let workers = [worker(4000, true), worker(2000, true)];
        assert_eq!(check(&workers, 500), Some(true));
        assert_eq!(check(&workers, 700), Some(false), "more than the workers were busy");
        assert_eq!(check(&workers, 5), Some(false), "nearly none");
        assert_eq!(check(&workers[..1], 500), None, "another number of workers");
    }

    #[test]
    fn busy_time_may_lack_the_current_poll() {
        let unparked = [worker(500, false), worker(0, true)];
        assert_eq!(check(&unparked, 990), Some(true));
        let parked = [worker(500, true), worker(0, true)];
        assert_eq!(check(&parked, 990), Some(false));
    }

    #[test]
    fn short_times_are_not_compared() {
        let workers = [worker(0, true)];
        let mut check = BusyTimeCheck::new(SECOND, &workers, sampled(0, 0));
        assert!(check.check(0, 2 * SECOND, &workers, sampled(100, 100)).is_none());
    }
}
