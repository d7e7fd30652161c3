//! Hogs: their kinds, their hold time, and how they are stopped.

mod kind;
mod options;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use asynctop_snapshot::{Flavor, HogStats};
use tokio::task::AbortHandle;

use super::failure::Failure;

pub(crate) use kind::NEEDS_MULTI_THREAD;
pub use kind::{HogInfo, HogKind};
pub use options::HogOptions;

/// The hold times that the keys select. "never" follows the last one.
const HOLD_STEPS: [Duration; 13] = [
    Duration::from_millis(1),
    Duration::from_millis(2),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(20),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
];

/// The hold time of a hog, which can change during a poll.
#[derive(Clone, Debug)]
pub(crate) struct HoldTime(Arc<AtomicU64>);

impl HoldTime {
    const FOREVER: u64 = u64::MAX;

    pub(crate) fn new(hold: Option<Duration>) -> Self {
        let result = HoldTime(Arc::new(AtomicU64::new(0)));
        result.set(hold);
        result
    }

    fn set(&self, hold: Option<Duration>) {
        let nanos = hold
            .map_or(Self::FOREVER, |hold| u64::try_from(hold.as_nanos()).unwrap_or(Self::FOREVER));
        self.0.store(nanos, Ordering::Relaxed);
    }

    /// `None` is forever.
    pub(crate) fn get(&self) -> Option<Duration> {
        let nanos = self.0.load(Ordering::Relaxed);
        (nanos != Self::FOREVER).then(|| Duration::from_nanos(nanos))
    }

    pub(crate) fn lengthen(&self) {
        let next = self.get().and_then(|hold| HOLD_STEPS.into_iter().find(|step| *step > hold));
        self.set(next);
    }

    pub(crate) fn shorten(&self) {
        let last = HOLD_STEPS[HOLD_STEPS.len() - 1];
        let next = self.get().map_or(last, |hold| {
            HOLD_STEPS.into_iter().rev().find(|step| *step < hold).unwrap_or(HOLD_STEPS[0])
        });
        self.set(Some(next));
    }
}

/// A request to stop the hogs of one start, a single one of them, or the supervisor of a runtime.
/// Each start has its own, so that hogs of an earlier one never resume.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop {
    requested: Arc<AtomicBool>,
    parent: Option<Arc<AtomicBool>>,
}

impl Stop {
    /// A request for a single hog. It is also requested when `self` is.
    pub(crate) fn child(&self) -> Stop {
        Stop { requested: Arc::default(), parent: Some(Arc::clone(&self.requested)) }
    }

    pub(crate) fn request(&self) {
        self.requested.store(true, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn is_requested(&self) -> bool {
        let is_set = |flag: &Arc<AtomicBool>| flag.load(Ordering::Relaxed);
        is_set(&self.requested) || self.parent.as_ref().is_some_and(is_set)
    }
}

/// The work done by all hogs of one start: nanoseconds of computing, or units.
#[derive(Clone, Debug, Default)]
pub(crate) struct WorkCounter(Arc<AtomicU64>);

impl WorkCounter {
    #[inline]
    pub(crate) fn add(&self, done: u64) {
        self.0.fetch_add(done, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    #[cfg(test)]
    pub(crate) fn clones(&self) -> usize {
        Arc::strong_count(&self.0)
    }
}

/// The lab's interface to running hogs.
#[derive(Clone, Debug)]
pub(crate) struct HogControl {
    pub hold: HoldTime,
    pub stop: Stop,
    pub work: WorkCounter,
    pub failure: Failure,
}

/// The configuration of the hog, and the hogs that are running.
#[derive(Debug)]
pub(crate) struct Hog {
    pub kind: HogKind,
    pub count: usize,
    pub hold: HoldTime,
    pub running: Option<RunningHogs>,
    /// Whether it was on when its runtime was replaced. The next start turns it on again.
    pub restart_pending: bool,
}

#[derive(Debug)]
pub(crate) struct RunningHogs {
    pub since_ns: u64,
    pub stop: Stop,
    pub work: WorkCounter,
    pub failure: Failure,
    /// Keys and handles of the tasks.
    pub tasks: Vec<(u64, AbortHandle)>,
}

impl Hog {
    /// Start of the running hogs in ns on the probe's clock; `None` if all of them have ended.
    pub(crate) fn on_since(&self) -> Option<u64> {
        let running = self.running.as_ref()?;
        let is_alive = running.tasks.iter().any(|(_, task)| !task.is_finished());
        is_alive.then_some(running.since_ns)
    }

    /// Stops all hogs when they next check for it: within microseconds if they compute, within
    /// milliseconds if they block, or after the current write or query.
    pub(crate) fn stop(&mut self) {
        self.restart_pending = false;
        if let Some(running) = self.running.take() {
            running.stop.request();
        }
    }

    /// Whether this is the key of a running hog.
    pub(crate) fn owns(&self, key: u64) -> bool {
        self.running.as_ref().is_some_and(|r| r.tasks.iter().any(|(task, _)| *task == key))
    }

    /// The state on a runtime of this flavor.
    pub(crate) fn stats(&self, flavor: Flavor) -> HogStats {
        let HogInfo { name, is_fix, effect, advice, unit } = *self.kind.info();
        let nanos = |hold: Duration| u64::try_from(hold.as_nanos()).unwrap_or(u64::MAX);
        let done = self.running.as_ref().map_or(0, |running| running.work.get());
        HogStats {
            kind: name.into(),
            kinds: kind::choices(flavor),
            is_fix,
            effect: effect.into(),
            advice: advice.into(),
            count: self.count,
            hold_ns: self.hold.get().map(nanos),
            on_since_ns: self.on_since(),
            restart_pending: self.restart_pending,
            failure: self.running.as_ref().and_then(|running| running.failure.get()),
            unit: unit.map(Into::into),
            done: if unit == kind::COMPUTED { done / 1_000_000 } else { done },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hold_time_moves_through_its_steps_and_stops_at_both_ends() {
        let hold = HoldTime::new(None);
        hold.lengthen();
        assert_eq!(hold.get(), None);
        let mut seen = Vec::new();
        for _ in 0..HOLD_STEPS.len() {
            hold.shorten();
            seen.extend(hold.get());
        }
        assert!(seen.iter().rev().eq(&HOLD_STEPS));
        hold.shorten();
        assert_eq!(hold.get(), Some(HOLD_STEPS[0]));
        for _ in 0..HOLD_STEPS.len() {
            hold.lengthen();
        }
        assert_eq!(hold.get(), None);
    }

    #[test]
    fn hold_time_between_two_steps_moves_to_the_adjacent_one() {
        let hold = HoldTime::new(Some(Duration::from_millis(7)));
        hold.lengthen();
        assert_eq!(hold.get(), Some(Duration::from_millis(10)));
        let hold = HoldTime::new(Some(Duration::from_millis(7)));
        hold.shorten();
        assert_eq!(hold.get(), Some(Duration::from_millis(5)));
    }
}
