//! The kinds of hogs, how long they hold the worker, and how they are told to stop.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::task::AbortHandle;

/// What a hog does with the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HogKind {
    /// Computes without an await, as a loop over too much data does.
    Spin,
    /// Sleeps in the thread, as a call that blocks does.
    Block,
}

impl HogKind {
    /// All kinds, in the order in which the key goes through them.
    pub const ALL: [HogKind; 2] = [HogKind::Spin, HogKind::Block];

    /// Its name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            HogKind::Spin => "spin",
            HogKind::Block => "block",
        }
    }

    pub(crate) fn next(self) -> HogKind {
        match self {
            HogKind::Spin => HogKind::Block,
            HogKind::Block => HogKind::Spin,
        }
    }
}

/// How long a hog keeps the worker before it gives way once, in steps from which the
/// keys choose. After the last comes "for ever".
pub const HOLD_STEPS: [Duration; 13] = [
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

/// Tells one release of hogs to stop. A later release has another one, so that no hog
/// of an earlier one comes back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(crate) fn now(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The hog of a lab: what it is, and whether it is on.
#[derive(Debug)]
pub(crate) struct Hog {
    pub kind: HogKind,
    pub count: usize,
    pub hold: Hold,
    pub released: Option<Released>,
}

/// Hogs at large.
#[derive(Debug)]
pub(crate) struct Released {
    pub since_ns: u64,
    pub stop: Stop,
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

    /// Ends all hogs at their next look at the flag: within microseconds if they spin,
    /// within milliseconds if they block.
    pub(crate) fn stop(&mut self) {
        if let Some(released) = self.released.take() {
            released.stop.now();
        }
    }

    /// Whether this is the key of a hog at large.
    pub(crate) fn owns(&self, key: u64) -> bool {
        self.released.as_ref().is_some_and(|r| r.tasks.iter().any(|(task, _)| *task == key))
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
