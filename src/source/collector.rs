//! Samples each source on its own thread and assembles the samples into snapshots.

use std::{
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use super::{Control, Source, assemble, sample};
use crate::{
    lock::lock,
    snapshot::{Command, Snapshot, Subscription, Target, TargetId},
};

/// Minimum time between two samples of a source, so that a key that is held down and changes the
/// subscription does not load the system.
const MIN_INTERVAL: Duration = Duration::from_millis(20);

/// Sampling a source takes at most 1/20 of the time: a slow source, such as one with many tasks,
/// is sampled less often than the interval requests.
const MAX_LOAD_DIVISOR: u32 = 20;

/// How long a snapshot waits for the samples of the other sources.
const MAX_ASSEMBLY_TIME: Duration = Duration::from_millis(20);

/// Takes samples at an interval until it is dropped.
///
/// A slow source does not delay the others: the snapshot contains its latest sample.
///
/// ```no_run
/// # use std::{sync::mpsc, time::Duration};
/// # use asynctop_lab::{LabOptions, Scenario};
/// # use asynctop::{source::{Collector, lab}, watch::WatchOptions};
/// let options = LabOptions::new(Scenario::built_in("mixed")?);
/// let (sender, snapshots) = mpsc::channel();
/// let collector = Collector::start(
///     lab::open(options, WatchOptions::default(), true)?,
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
pub struct CollectorHandle(Arc<CollectorShared>);

struct CollectorShared {
    state: Mutex<State>,
    /// Notified when a sample may be due and at the end.
    due: Condvar,
    /// Notified when a sample was taken and at the end.
    sampled: Condvar,
    /// In the order of the sources with which the collector was started.
    controls: Vec<Option<Arc<dyn Control>>>,
}

#[derive(Debug)]
struct State {
    interval: Duration,
    subscription: Subscription,
    sources: Vec<SourceState>,
    stop: bool,
}

/// The samples of one source.
#[derive(Clone, Debug, Default)]
struct SourceState {
    latest: Option<Arc<Target>>,
    /// `latest` is not part of a snapshot yet.
    is_new: bool,
    /// A sample is requested before the end of the interval.
    is_requested: bool,
    last_timing: Option<Timing>,
}

/// The start and duration of a sample.
#[derive(Clone, Copy, Debug)]
struct Timing {
    began: Instant,
    duration: Duration,
}

impl Collector {
    /// Starts to sample `sources` at once, and passes each snapshot to `deliver` until that returns
    /// `false`. The id of a source's target is its index. Sources that are discovered later follow.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub fn start(
        sources: Vec<Box<dyn Source>>,
        interval: Duration,
        deliver: impl FnMut(Arc<Snapshot>) -> bool + Send + 'static,
    ) -> io::Result<Collector> {
        let state = State {
            interval,
            subscription: Subscription::default(),
            sources: vec![SourceState::default(); sources.len()],
            stop: false,
        };
        let shared = CollectorShared {
            state: Mutex::new(state),
            due: Condvar::new(),
            sampled: Condvar::new(),
            controls: sources.iter().map(|source| source.control()).collect(),
        };
        // Dropping it on an error stops the threads that were started.
        let collector = Collector { handle: CollectorHandle(Arc::new(shared)) };
        for (index, source) in sources.into_iter().enumerate() {
            collector.handle.spawn_sampler(index, source)?;
        }
        let handle = collector.handle();
        let assembler = thread::Builder::new().name("asynctop-collector".to_owned());
        assembler.spawn(move || handle.assemble(deliver))?;
        Ok(collector)
    }

    /// A handle to change the interval and the subscription, and to send commands.
    pub fn handle(&self) -> CollectorHandle {
        self.handle.clone()
    }
}

impl Drop for Collector {
    /// Does not join the threads: `deliver` may be waiting for the caller.
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

    /// Sets the optional parts of samples. A change makes the next samples due.
    pub fn subscribe(&self, subscription: Subscription) {
        let mut state = self.lock();
        if state.subscription != subscription {
            state.subscription = subscription;
            state.sources.iter_mut().for_each(|source| source.is_requested = true);
            self.0.due.notify_all();
        }
    }

    /// Sends a command to a target and makes its next sample due, which may contain the answer under
    /// the number of the request. A target that does not support commands ignores it.
    pub fn send(&self, request: u64, target: TargetId, command: Command) {
        let index = target.0 as usize;
        if let Some(Some(control)) = self.0.controls.get(index) {
            control.send(request, command);
            self.request(index);
        }
    }

    /// Makes the next sample of a source due.
    fn request(&self, index: usize) {
        self.lock().sources[index].is_requested = true;
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

    fn spawn_sampler(&self, index: usize, mut source: Box<dyn Source>) -> io::Result<()> {
        let handle = self.clone();
        let state = Arc::downgrade(&self.0);
        source.on_change(Box::new(move || {
            if let Some(shared) = state.upgrade() {
                CollectorHandle(shared).request(index);
            }
        }));
        let sampler = thread::Builder::new().name("asynctop-sampler".to_owned());
        sampler.spawn(move || handle.sample(index, source)).map(drop)
    }

    /// Samples a source until the collector ends.
    fn sample(&self, index: usize, mut source: Box<dyn Source>) {
        while let Some(subscription) = self.wait_until_due(index) {
            let began = Instant::now();
            let mut target = sample(&mut *source, index, &subscription);
            let timing = Timing { began, duration: began.elapsed() };
            for discovered in source.take_discovered() {
                if let Err(error) = self.add(discovered) {
                    let reason =
                        format!("a runtime is not shown: no thread can be started: {error}");
                    target.losses.reasons.push(reason.into());
                }
            }
            let state = &mut self.lock().sources[index];
            let target = Arc::new(target);
            (state.latest, state.is_new, state.last_timing) = (Some(target), true, Some(timing));
            self.0.sampled.notify_all();
        }
    }

    /// Samples another source, too.
    fn add(&self, source: Box<dyn Source>) -> io::Result<()> {
        let mut state = self.lock();
        let index = state.sources.len();
        state.sources.push(SourceState::default());
        drop(state);
        self.spawn_sampler(index, source)
    }

    /// Waits until a sample is due. Returns its subscription; `None` at the end.
    fn wait_until_due(&self, index: usize) -> Option<Subscription> {
        let mut state = self.lock();
        loop {
            if state.stop {
                return None;
            }
            let left = state.sources[index].due_in(state.interval);
            if left.is_zero() {
                state.sources[index].is_requested = false;
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

    /// Waits for a new sample, then briefly for the other sources. Returns the latest sample of each
    /// source; `None` at the end.
    fn next_targets(&self) -> Option<Vec<Arc<Target>>> {
        let none_is_new = |s: &mut State| !s.stop && !s.sources.iter().any(|source| source.is_new);
        let some_are_old = |s: &mut State| !s.stop && !s.sources.iter().all(|source| source.is_new);
        let sampled = &self.0.sampled;
        let waited = sampled.wait_while(self.lock(), none_is_new);
        let state = waited.unwrap_or_else(PoisonError::into_inner);
        let waited = sampled.wait_timeout_while(state, MAX_ASSEMBLY_TIME, some_are_old);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        if state.stop {
            return None;
        }
        state.sources.iter_mut().for_each(|source| source.is_new = false);
        Some(state.sources.iter().filter_map(|source| source.latest.clone()).collect())
    }
}

impl SourceState {
    /// The time until the next sample.
    fn due_in(&self, interval: Duration) -> Duration {
        let Some(last) = self.last_timing else { return Duration::ZERO };
        let interval = match self.is_requested {
            true => MIN_INTERVAL.max(last.duration * 2),
            false => interval.max(MIN_INTERVAL).max(last.duration * MAX_LOAD_DIVISOR),
        };
        interval.saturating_sub(last.began.elapsed())
    }
}
