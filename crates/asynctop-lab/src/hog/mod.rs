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

use asynctop_snapshot::HogStats;
use tokio::task::AbortHandle;

use super::failure::Failure;

pub use kind::{About, HogKind};
pub use options::HogOptions;

/// The hold times that the keys select. The last is followed by "never".
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

/// A hog's hold, which may change while it is in its poll.
#[derive(Clone, Debug)]
pub(crate) struct Hold(Arc<AtomicU64>);

impl Hold {
    const FOR_EVER: u64 = u64::MAX;

    pub(crate) fn new(hold: Option<Duration>) -> Self {
        let result = Hold(Arc::new(AtomicU64::new(0)));
        result.set(hold);
        result
    }

    fn set(&self, hold: Option<Duration>) {
        let nanos = hold.map_or(Self::FOR_EVER, |hold| {
            u64::try_from(hold.as_nanos()).unwrap_or(Self::FOR_EVER)
        });
        self.0.store(nanos, Ordering::Relaxed);
    }

    /// `None` is for ever.
    pub(crate) fn get(&self) -> Option<Duration> {
        let nanos = self.0.load(Ordering::Relaxed);
        (nanos != Self::FOR_EVER).then(|| Duration::from_nanos(nanos))
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

/// Tells hogs to stop: all of one release, or one of them. A later release has another
/// one, so that no hog of an earlier one comes back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop {
    asked: Arc<AtomicBool>,
    all: Option<Arc<AtomicBool>>,
}

impl Stop {
    /// One for a single hog, which is also asked when all are.
    pub(crate) fn of_one(&self) -> Stop {
        Stop { asked: Arc::default(), all: Some(Arc::clone(&self.asked)) }
    }

    pub(crate) fn now(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn asked(&self) -> bool {
        let is_set = |flag: &Arc<AtomicBool>| flag.load(Ordering::Relaxed);
        is_set(&self.asked) || self.all.as_ref().is_some_and(is_set)
    }
}

/// Counts what a release of hogs has done: nanoseconds of computing, or units.
#[derive(Clone, Debug, Default)]
pub(crate) struct Work(Arc<AtomicU64>);

impl Work {
    #[inline]
    pub(crate) fn add(&self, done: u64) {
        self.0.fetch_add(done, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// How many have a share in it.
    #[cfg(test)]
    pub(crate) fn holders(&self) -> usize {
        Arc::strong_count(&self.0)
    }
}

/// What a hog is told while it runs.
#[derive(Clone, Debug)]
pub(crate) struct Orders {
    pub hold: Hold,
    pub stop: Stop,
    pub work: Work,
    pub failure: Failure,
}

/// The hog of a lab: what it is, and whether it is on.
#[derive(Debug)]
pub(crate) struct Hog {
    pub kind: HogKind,
    pub count: usize,
    pub hold: Hold,
    pub released: Option<Released>,
    /// Whether it was on when its runtime was replaced. The next release turns it on again.
    pub restarts: bool,
}

/// Hogs at large.
#[derive(Debug)]
pub(crate) struct Released {
    pub since_ns: u64,
    pub stop: Stop,
    pub work: Work,
    pub failure: Failure,
    /// The keys of the hogs' tasks, and their handles.
    pub tasks: Vec<(u64, AbortHandle)>,
}

impl Hog {
    /// Since when it is on, in ns on the probe's clock. Hogs that were cancelled one by
    /// one are as good as off.
    pub(crate) fn on_since(&self) -> Option<u64> {
        let released = self.released.as_ref()?;
        let alive = released.tasks.iter().any(|(_, task)| !task.is_finished());
        alive.then_some(released.since_ns)
    }

    /// Ends all hogs at their next look at the flag: within microseconds if they compute,
    /// within milliseconds if they block, after the write or query that they are in.
    pub(crate) fn stop(&mut self) {
        self.restarts = false;
        if let Some(released) = self.released.take() {
            released.stop.now();
        }
    }

    /// Whether this is the key of a hog at large.
    pub(crate) fn owns(&self, key: u64) -> bool {
        self.released.as_ref().is_some_and(|r| r.tasks.iter().any(|(task, _)| *task == key))
    }

    /// Since when it is on, what it is and what it has done.
    pub(crate) fn figures(&self) -> HogStats {
        let About { name, is_fix, does, advice, unit } = *self.kind.about();
        let nanos = |hold: Duration| u64::try_from(hold.as_nanos()).unwrap_or(u64::MAX);
        let done = self.released.as_ref().map_or(0, |released| released.work.get());
        HogStats {
            kind: name.into(),
            is_fix,
            effect: does.into(),
            advice: advice.into(),
            count: self.count,
            hold_ns: self.hold.get().map(nanos),
            on_since_ns: self.on_since(),
            restart_pending: self.restarts,
            failure: self.released.as_ref().and_then(|released| released.failure.get()),
            unit: unit.map(Into::into),
            done: if unit == kind::COMPUTED { done / 1_000_000 } else { done },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hold_goes_through_its_steps_and_stays_at_both_ends() {
        let hold = Hold::new(None);
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
    fn a_hold_between_two_steps_goes_to_its_neighbours() {
        let hold = Hold::new(Some(Duration::from_millis(7)));
        hold.lengthen();
        assert_eq!(hold.get(), Some(Duration::from_millis(10)));
        let hold = Hold::new(Some(Duration::from_millis(7)));
        hold.shorten();
        assert_eq!(hold.get(), Some(Duration::from_millis(5)));
    }
}
