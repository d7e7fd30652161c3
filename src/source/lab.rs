//! Runtimes of this process: the lab, and any runtime whose tasks the probe measures.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use asynctop_lab::{Lab, LabError, LabOptions, LabSampler};

use super::{Control, Source};
use crate::{
    lock::lock,
    probe::{LocalSampler, Registry},
    snapshot::{Answer, AwaitPoint, AwaitState, Command, Outcome, Subscription, Target},
    watch::{WatchHandle, WatchOptions, Watchdog},
};

/// The lab cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum LabSourceError {
    /// The lab could not be started.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// The watchdog could not be started.
    #[error("cannot start the watchdog: {0}; try fewer workers")]
    Watchdog(#[source] io::Error),
}

/// A lab and its watchdog, which stop when the source is dropped.
struct LabSource {
    sampler: LabSampler,
    control: Arc<LabControl>,
    watchdog: Watchdog,
}

/// Executes commands immediately and keeps the answers for later samples.
struct LabControl {
    lab: Lab,
    registry: &'static Registry,
    watchdog: WatchHandle,
    answers: Mutex<Vec<Answer>>,
}

/// Starts a lab and its watchdog. With `records_polls`, the timeline has the past when it is opened.
///
/// # Errors
/// If the lab or its watchdog cannot be started.
pub fn open(
    options: LabOptions,
    watch: WatchOptions,
    records_polls: bool,
) -> Result<Vec<Box<dyn Source>>, LabSourceError> {
    let registry = options.registry;
    let lab = Lab::start(options)?;
    let watchdog = Watchdog::start(registry, watch).map_err(LabSourceError::Watchdog)?;
    let handle = watchdog.handle().clone();
    let sampler = LabSampler::new(&lab).with_watchdog(handle.clone());
    let sampler = if records_polls { sampler.with_recording() } else { sampler };
    let control = LabControl { lab, registry, watchdog: handle, answers: Mutex::default() };
    Ok(vec![Box::new(LabSource { sampler, control: Arc::new(control), watchdog })])
}

impl Source for LabSource {
    fn sample(&mut self, subscription: &Subscription) -> Target {
        let target = self.sampler.sample(subscription);
        Target { answers: self.control.answers(target.taken_ns), ..target }
    }

    fn control(&self) -> Option<Arc<dyn Control>> {
        Some(Arc::clone(&self.control) as Arc<dyn Control>)
    }

    fn settle(&mut self, timeout: Duration) -> bool {
        self.watchdog.handle().settle(timeout);
        true
    }
}

impl Drop for LabSource {
    fn drop(&mut self) {
        self.control.shutdown();
    }
}

impl Control for LabControl {
    fn send(&self, request: u64, command: Command) {
        let received_ns = self.registry.now();
        let outcome = match command {
            Command::Lab(command) => Outcome::Message(self.lab.execute(command).into()),
            Command::AwaitPoint(task) => {
                self.watchdog.request_await_point(task);
                let state = AwaitState::Requested;
                Outcome::AwaitPoint(AwaitPoint { task, requested_ns: received_ns, state })
            }
        };
        lock(&self.answers).push(Answer { request, received_ns, outcome });
    }

    fn shutdown(&self) {
        self.lab.shutdown();
    }
}

impl LabControl {
    /// The answers of the last minute, including the await points found since the request.
    fn answers(&self, now_ns: u64) -> Vec<Answer> {
        let mut answers = lock(&self.answers);
        answers.retain(|answer| answer.received_ns.saturating_add(Target::KEPT_NS) >= now_ns);
        for answer in answers.iter_mut() {
            if let Outcome::AwaitPoint(point) = &mut answer.outcome
                && point.state == AwaitState::Requested
                && let Some(latest) = self.watchdog.await_point(point.task)
            {
                *point = latest;
            }
        }
        answers.clone()
    }
}

impl Source for LabSampler {
    fn sample(&mut self, subscription: &Subscription) -> Target {
        Self::sample(self, subscription)
    }
}

impl Source for LocalSampler {
    fn sample(&mut self, subscription: &Subscription) -> Target {
        Self::sample(self, subscription)
    }
}
