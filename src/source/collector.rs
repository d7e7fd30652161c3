//! Samples every source on a thread of its own and assembles the samples into snapshots.

use std::{
    io,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use super::{Control, Source, assemble};
use crate::{
    lock::lock,
    snapshot::{Command, Snapshot, Subscription, Target, TargetId},
};

/// Minimum time between two samples of a source, so that a key that repeats and changes the
/// subscription does not load the system.
const MIN_INTERVAL: Duration = Duration::from_millis(20);

/// Sampling a source takes at most one part in this many of the time: with many tasks, samples are
/// taken less often than the interval asks for.
const MAX_LOAD: u32 = 20;

/// How long a snapshot waits for sources that are sampled at the same time.
const ASSEMBLY: Duration = Duration::from_millis(20);

/// Takes samples at an interval until it is dropped.
///
/// A slow source delays no other one: the snapshot then has the latest sample of it.
///
/// ```no_run
/// # use std::{sync::mpsc, time::Duration};
/// # use asynctop_lab::{Lab, LabOptions, LabSampler, find};
/// # use asynctop::source::Collector;
/// let lab = Lab::start(LabOptions::new(find("mixed")?))?;
/// let (sender, snapshots) = mpsc::channel();
/// let collector = Collector::start(
///     vec![Box::new(LabSampler::new(&lab))],
///     Duration::from_millis(250),
///     move |snapshot| sender.send(snapshot).is_ok(),
/// )?;
/// println!("{} tasks", snapshots.recv()?.targets[0].tasks.len());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Collector {
    handle: CollectorHandle,
}

/// A handle to a running [`Collector`]. Its methods never block on a sample.
#[derive(Clone)]
pub struct CollectorHandle(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// A sample may be due, or the collector ends.
    due: Condvar,
    /// A sample was taken, or the collector ends.
    sampled: Condvar,
    /// Those of the sources, in their order.
    controls: Vec<Option<Arc<dyn Control>>>,
    requests: AtomicU64,
}

#[derive(Debug)]
struct State {
    interval: Duration,
    subscription: Subscription,
    slots: Vec<Slot>,
    stop: bool,
}

/// The samples of a source.
#[derive(Clone, Debug)]
struct Slot {
    latest: Option<Arc<Target>>,
    /// `latest` is not part of a snapshot yet.
    is_new: bool,
    /// The next sample is due before the interval is over.
    is_requested: bool,
    last: Option<Last>,
}

/// The last sample of a source.
#[derive(Clone, Copy, Debug)]
struct Last {
    began: Instant,
    cost: Duration,
}

impl Collector {
    /// Starts to sample `sources`, for the first time at once, and passes each snapshot to
    /// `deliver` until that returns `false`. The id of a source's target is its position.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub fn start(
        sources: Vec<Box<dyn Source>>,
        interval: Duration,
        deliver: impl FnMut(Arc<Snapshot>) -> bool + Send + 'static,
    ) -> io::Result<Collector> {
        let slot = Slot { latest: None, is_new: false, is_requested: false, last: None };
        let state = State {
            interval,
            subscription: Subscription::default(),
            slots: vec![slot; sources.len()],
            stop: false,
        };
        let shared = Shared {
            state: Mutex::new(state),
            due: Condvar::new(),
            sampled: Condvar::new(),
            controls: sources.iter().map(|source| source.control()).collect(),
            requests: AtomicU64::new(0),
        };
        // Dropped on an error: that ends the threads that have been started.
        let collector = Collector { handle: CollectorHandle(Arc::new(shared)) };
        let spawn = |name: &str| thread::Builder::new().name(name.to_owned());
        for (at, mut source) in sources.into_iter().enumerate() {
            let handle = collector.handle();
            let state = Arc::downgrade(&handle.0);
            source.on_change(Box::new(move || {
                if let Some(shared) = state.upgrade() {
                    CollectorHandle(shared).request(at);
                }
            }));
            spawn("asynctop-sampler").spawn(move || handle.sample(at, source))?;
        }
        let handle = collector.handle();
        spawn("asynctop-collector").spawn(move || handle.assemble(deliver))?;
        Ok(collector)
    }

    /// A handle to change what is sampled, and when.
    pub fn handle(&self) -> CollectorHandle {
        self.handle.clone()
    }
}

impl Drop for Collector {
    /// Does not wait for the threads: `deliver` may be waiting for the caller.
    fn drop(&mut self) {
        self.handle.stop();
        self.handle.0.controls.iter().flatten().for_each(|control| control.shutdown());
    }
}

impl CollectorHandle {
    /// Sets the time between two samples of a source.
    pub fn set_interval(&self, interval: Duration) {
        self.lock().interval = interval;
        self.0.due.notify_all();
    }

    /// Sets the optional parts of samples; a change makes the next ones due.
    pub fn subscribe(&self, subscription: Subscription) {
        let mut state = self.lock();
        if state.subscription != subscription {
            state.subscription = subscription;
            state.slots.iter_mut().for_each(|slot| slot.is_requested = true);
            self.0.due.notify_all();
        }
    }

    /// Sends a command to a target, and makes its next sample due, which may contain the answer.
    /// Returns the number of the request; `None` if the target takes no commands.
    pub fn send(&self, target: TargetId, command: Command) -> Option<u64> {
        let at = target.0 as usize;
        let control = self.0.controls.get(at)?.as_ref()?;
        let request = self.0.requests.fetch_add(1, Relaxed);
        control.send(request, command);
        self.request(at);
        Some(request)
    }

    /// Makes the next sample of a source due.
    fn request(&self, at: usize) {
        self.lock().slots[at].is_requested = true;
        self.0.due.notify_all();
    }

    fn stop(&self) {
        self.lock().stop = true;
        self.0.due.notify_all();
        self.0.sampled.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.0.state)
    }

    /// Samples a source until the collector ends.
    fn sample(&self, at: usize, mut source: Box<dyn Source>) {
        while let Some(subscription) = self.wait_until_due(at) {
            let began = Instant::now();
            let target = Arc::new(source.sample(&subscription));
            let last = Last { began, cost: began.elapsed() };
            let slot = &mut self.lock().slots[at];
            (slot.latest, slot.is_new, slot.last) = (Some(target), true, Some(last));
            self.0.sampled.notify_all();
        }
    }

    /// Waits until a sample is due and returns what it is to contain; `None` at the end.
    fn wait_until_due(&self, at: usize) -> Option<Subscription> {
        let mut state = self.lock();
        loop {
            if state.stop {
                return None;
            }
            let left = state.slots[at].due_in(state.interval);
            if left.is_zero() {
                state.slots[at].is_requested = false;
                return Some(state.subscription.clone());
            }
            let woken = self.0.due.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Assembles snapshots until the collector ends.
    fn assemble(&self, mut deliver: impl FnMut(Arc<Snapshot>) -> bool) {
        while let Some(targets) = self.next_targets() {
            if !deliver(Arc::new(assemble(targets))) {
                self.stop();
            }
        }
    }

    /// Waits for a new sample, and a moment for those of the other sources; `None` at the end.
    fn next_targets(&self) -> Option<Vec<Arc<Target>>> {
        let lacks = |all: fn(&[Slot]) -> bool| move |s: &mut State| !s.stop && !all(&s.slots);
        let some = lacks(|slots| slots.iter().any(|slot| slot.is_new));
        let all = lacks(|slots| slots.iter().all(|slot| slot.is_new));
        let sampled = &self.0.sampled;
        let state = sampled.wait_while(self.lock(), some).unwrap_or_else(PoisonError::into_inner);
        let waited = sampled.wait_timeout_while(state, ASSEMBLY, all);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        if state.stop {
            return None;
        }
        state.slots.iter_mut().for_each(|slot| slot.is_new = false);
        Some(state.slots.iter().filter_map(|slot| slot.latest.clone()).collect())
    }
}

impl Slot {
    /// The time until the next sample.
    fn due_in(&self, interval: Duration) -> Duration {
        let Some(last) = self.last else { return Duration::ZERO };
        let gap = match self.is_requested {
            true => MIN_INTERVAL.max(last.cost * 2),
            false => interval.max(MIN_INTERVAL).max(last.cost * MAX_LOAD),
        };
        gap.saturating_sub(last.began.elapsed())
    }
}
