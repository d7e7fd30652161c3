//! The thread that asks a source at each interval.

use std::{
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use super::Source;
use crate::{
    lock::lock,
    model::{Subscription, Target},
};

/// Snapshots are not taken more often than this, whatever is asked for: a finger on a key
/// that changes the subscription must not become a load of its own.
const MIN_GAP: Duration = Duration::from_millis(20);

/// With many tasks snapshots are taken less often than at each interval, so that they take
/// no more than this part of the time: with ten thousand it comes to two a second.
const SHARE: u32 = 20;

/// Asks a source at each interval, on a thread of its own that ends when this is dropped.
///
/// ```no_run
/// # use std::{sync::mpsc, time::Duration};
/// # use asynctop_lab::{Lab, LabOptions, LabSampler, find};
/// # use asynctop::source::Sampler;
/// let lab = Lab::start(LabOptions::new(find("mixed")?))?;
/// let (sender, snapshots) = mpsc::channel();
/// let sampler = Sampler::start(
///     Box::new(LabSampler::new(&lab)),
///     Duration::from_millis(250),
///     move |snapshot| sender.send(snapshot).is_ok(),
/// )?;
/// println!("{} tasks", snapshots.recv()?.tasks.len());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Sampler {
    control: Control,
}

/// Rules a [`Sampler`] from anywhere. Its calls never wait for a snapshot.
#[derive(Clone, Debug)]
pub struct Control(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    wishes: Mutex<Wishes>,
    changed: Condvar,
}

#[derive(Debug)]
struct Wishes {
    interval: Duration,
    subscription: Subscription,
    /// Counts the changes of the subscription.
    revision: u64,
    stop: bool,
}

impl Sampler {
    /// Begins to take snapshots, the first one at once, and hands each of them to
    /// `deliver` until that says `false` because nobody wants them any more.
    ///
    /// # Errors
    /// If the system has no thread to give.
    pub fn start(
        source: Box<dyn Source>,
        interval: Duration,
        deliver: impl FnMut(Arc<Target>) -> bool + Send + 'static,
    ) -> io::Result<Sampler> {
        let subscription = Subscription::default();
        let wishes = Mutex::new(Wishes { interval, subscription, revision: 0, stop: false });
        let control = Control(Arc::new(Shared { wishes, changed: Condvar::new() }));
        let ruled = control.clone();
        let name = "asynctop-sampler".to_owned();
        thread::Builder::new().name(name).spawn(move || ruled.run(source, deliver))?;
        Ok(Sampler { control })
    }

    /// A handle to change what the sampler does.
    pub fn control(&self) -> Control {
        self.control.clone()
    }
}

impl Drop for Sampler {
    /// Does not wait for the thread: `deliver` may be waiting for us.
    fn drop(&mut self) {
        self.control.change(|wishes| wishes.stop = true);
    }
}

impl Control {
    /// The time between snapshots from now on.
    pub fn set_interval(&self, interval: Duration) {
        self.change(|wishes| wishes.interval = interval);
    }

    /// What snapshots should hold from now on; a change brings the next one at once.
    pub fn set_interest(&self, subscription: Subscription) {
        self.change(|wishes| {
            if wishes.subscription != subscription {
                wishes.subscription = subscription;
                wishes.revision += 1;
            }
        });
    }

    /// Brings the next snapshot now, unless the last one was a moment ago.
    pub fn look(&self) {
        self.change(|wishes| wishes.revision += 1);
    }

    fn change(&self, change: impl FnOnce(&mut Wishes)) {
        change(&mut self.lock());
        self.0.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Wishes> {
        lock(&self.0.wishes)
    }

    fn run(&self, mut source: Box<dyn Source>, mut deliver: impl FnMut(Arc<Target>) -> bool) {
        let mut last = None;
        while let Some((subscription, revision)) = self.wait(last.as_ref()) {
            let began = Instant::now();
            let snapshot = source.snapshot(&subscription);
            last = Some(Last { began, cost: began.elapsed(), revision });
            if !deliver(Arc::new(snapshot)) {
                return;
            }
        }
    }

    /// Waits until a snapshot is due and says what it should hold, with the revision of
    /// that; `None` when there is to be none any more.
    fn wait(&self, last: Option<&Last>) -> Option<(Subscription, u64)> {
        let mut wishes = self.lock();
        loop {
            if wishes.stop {
                return None;
            }
            let left = last.map_or(Duration::ZERO, |last| last.left(&wishes));
            if left.is_zero() {
                return Some((wishes.subscription.clone(), wishes.revision));
            }
            let woken = self.0.changed.wait_timeout(wishes, left);
            wishes = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// The last snapshot.
struct Last {
    began: Instant,
    cost: Duration,
    revision: u64,
}

impl Last {
    /// How long it is until the next one.
    fn left(&self, wishes: &Wishes) -> Duration {
        let gap = match wishes.revision != self.revision {
            // Somebody waits for it.
            true => MIN_GAP.max(self.cost * 2),
            false => wishes.interval.max(MIN_GAP).max(self.cost * SHARE),
        };
        gap.saturating_sub(self.began.elapsed())
    }
}
