//! How a run goes, and for how long each part of it.

use std::time::Duration;

use crate::{gate::FailOn, model::Thresholds, report::Format};

/// A baseline needs this long: work has to find its pace first.
const LEAST_BASELINE: Duration = Duration::from_millis(900);
/// The time without the hog where the run has no end to take a third of.
pub(super) const ENDLESS_BASELINE: Duration = Duration::from_secs(3);
/// How a run goes.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How long it takes; `None` is until a signal.
    pub run_time: Option<Duration>,
    /// Whether the hog comes on by itself, after a first third without it.
    pub hog: bool,
    /// The time between documents, where there are several.
    pub interval: Duration,
    /// What is written.
    pub format: Format,
    /// A text report shall have no signs beyond ASCII of its own.
    pub ascii: bool,
    /// From where on rules speak.
    pub thresholds: Thresholds,
    /// What makes the run fail.
    pub fail_on: Vec<FailOn>,
}

/// How long the hog stays off: a third, more if a third is not enough, half at most.
pub(super) fn baseline(run_time: Option<Duration>) -> Duration {
    run_time.map_or(ENDLESS_BASELINE, |all| (all / 3).max(LEAST_BASELINE).min(all / 2))
}

/// The time between looks: the interval, unless a short run would then be known by little
/// more than its ends.
pub(super) fn pause(plan: &Plan) -> Duration {
    let run_time = if plan.hog { Some(3 * baseline(plan.run_time)) } else { plan.run_time };
    run_time.map_or(plan.interval, |all| plan.interval.min(all / 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hog_stays_off_for_a_third_if_that_is_enough() {
        let of = |millis| baseline(Some(Duration::from_millis(millis))).as_millis();
        assert_eq!([of(30_000), of(3_000), of(2_000), of(1_000)], [10_000, 1_000, 900, 500]);
        assert_eq!(baseline(None), ENDLESS_BASELINE);
    }

    #[test]
    fn a_short_run_is_looked_at_often_enough() {
        let of = |millis: Option<u64>, hog| {
            let run_time = millis.map(Duration::from_millis);
            let interval = Duration::from_secs(10);
            let plan = Plan {
                run_time,
                hog,
                interval,
                format: Format::Text,
                ascii: false,
                thresholds: Thresholds::default(),
                fail_on: Vec::new(),
            };
            pause(&plan).as_millis()
        };
        assert_eq!([of(Some(1_000), false), of(Some(1_000), true)], [100, 150]);
        assert_eq!([of(None, false), of(None, true)], [10_000, 900]);
        assert_eq!(of(Some(600_000), false), 10_000);
    }
}
