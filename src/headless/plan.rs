//! The plan of a run, and the duration of its phases.

use std::time::Duration;

use crate::{gate::FailOn, model::Thresholds, report::Format};

/// Minimum baseline: the work rate needs some time to settle.
const MIN_BASELINE: Duration = Duration::from_millis(900);
/// The baseline of a run without a fixed duration.
pub(super) const UNLIMITED_RUN_BASELINE: Duration = Duration::from_secs(3);

/// The plan of a run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Duration of the run; `None` runs until a signal.
    pub run_time: Option<Duration>,
    /// Starts the hog after the first third of the run.
    pub hog: bool,
    /// The target is a command that was started for this run: it may take minutes to start a
    /// runtime, and its end ends the run.
    pub is_command: bool,
    /// Sampling interval, and the time between two JSON lines.
    pub interval: Duration,
    /// Format of the report.
    pub format: Format,
    /// Replaces the non-ASCII symbols of the text report.
    pub ascii: bool,
    /// The thresholds at which rules fire.
    pub thresholds: Thresholds,
    /// The findings that fail the run.
    pub fail_on: Vec<FailOn>,
}

/// Time without the hog: a third of the run, at least [`MIN_BASELINE`], at most half of the run.
pub(super) fn baseline(run_time: Option<Duration>) -> Duration {
    run_time.map_or(UNLIMITED_RUN_BASELINE, |all| (all / 3).max(MIN_BASELINE).min(all / 2))
}

/// The sampling interval: that of the plan, but at least ten samples in a short run.
pub(super) fn sampling_interval(plan: &Plan) -> Duration {
    let run_time = if plan.hog { Some(3 * baseline(plan.run_time)) } else { plan.run_time };
    run_time.map_or(plan.interval, |all| plan.interval.min(all / 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn baseline_is_a_third_of_the_run_within_limits() {
        let of = |millis| baseline(Some(Duration::from_millis(millis))).as_millis();
        assert_eq!([of(30_000), of(3_000), of(2_000), of(1_000)], [10_000, 1_000, 900, 500]);
        assert_eq!(baseline(None), UNLIMITED_RUN_BASELINE);
    }

    #[test]
    fn sampling_interval_is_shorter_in_short_runs() {
        let of = |millis: Option<u64>, hog| {
            let run_time = millis.map(Duration::from_millis);
            let interval = Duration::from_secs(10);
            let plan = Plan {
                run_time,
                hog,
                is_command: false,
                interval,
                format: Format::Text,
                ascii: false,
                thresholds: Thresholds::default(),
                fail_on: Vec::new(),
            };
            sampling_interval(&plan).as_millis()
        };
        assert_eq!([of(Some(1_000), false), of(Some(1_000), true)], [100, 150]);
        assert_eq!([of(None, false), of(None, true)], [10_000, 900]);
        assert_eq!(of(Some(600_000), false), 10_000);
    }
}
