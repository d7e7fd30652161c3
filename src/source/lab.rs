//! The lab, which runs in this process.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use asynctop_lab::{Lab, LabError, LabOptions, LabSampler};

use super::{Control, Source};
use crate::{
    lock::lock,
    probe::Registry,
    snapshot::{Answer, AwaitPoint, AwaitState, Command, LongPoll, Outcome, Subscription, Target},
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

/// Starts a lab and its watchdog. With `records_polls`, polls are recorded from the start, so the
/// timeline also shows those before it was opened.
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

    /// Shuts the lab down before it waits for symbols: hogs that compute, on a worker or on threads
    /// of their own, would leave the symbolizer little CPU time.
    fn last_sample(&mut self, subscription: &Subscription, timeout: Duration) -> Option<Target> {
        let began = Instant::now();
        self.watchdog.handle().wait_for_sample(timeout);
        let mut last = self.sample(subscription);
        self.control.shutdown();
        self.watchdog.handle().settle(timeout.saturating_sub(began.elapsed()));
        let later = self.sampler.sample(&Subscription::default()).long_polls;
        let id = |poll: &Arc<LongPoll>| (poll.task, poll.began_ns);
        let later: HashMap<_, _> = later.iter().map(|poll| (id(poll), poll)).collect();
        for poll in &mut last.long_polls {
            if let Some(later) = later.get(&id(poll)) {
                *poll = Arc::new(LongPoll::clone(poll).with_stacks_of(later));
            }
        }
        Some(last)
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

#[cfg(test)]
mod tests {
    use asynctop_lab::{HogOptions, Scenario};

    use super::*;
    use crate::snapshot::{LabCommand, State, TimeWithoutCpu};

    #[test]
    fn last_sample_shows_the_hog_and_the_stack_of_its_poll_after_the_lab_was_shut_down() {
        let mut options = LabOptions::new(Scenario::built_in("mixed").expect("a scenario"));
        (options.registry, options.hog) = (Registry::leak(), HogOptions::default());
        let mut sources =
            open(options, WatchOptions::default(), false).expect("a lab with a watchdog");
        let lab = &mut sources[0];
        let control = lab.control().expect("a control");
        control.send(1, Command::Lab(LabCommand::ToggleHog));
        // Long also without the time that a busy machine takes away, some of which is known later.
        let is_long = |poll: &Arc<LongPoll>| {
            let TimeWithoutCpu { run_delay_ns, steal_ns, .. } = poll.without_cpu;
            poll.length_ns.saturating_sub(run_delay_ns + steal_ns) > 200_000_000
        };
        let is_polled = |target: &Target| {
            let mut polls = target.long_polls.iter();
            polls.any(|poll| is_long(poll) && (poll.captures > 0 || poll.unsymbolized > 0))
        };
        while !is_polled(&lab.sample(&Subscription::default())) {
            std::thread::yield_now();
        }
        let last = lab.last_sample(&Subscription::default(), Duration::from_secs(60));
        let last = last.expect("a lab has a last sample");
        let hog = last.lab.as_ref().map(|lab| &lab.hog).expect("a lab");
        assert!(hog.on_since_ns.is_some(), "{hog:?}");
        let poll = last.long_polls.iter().find(|poll| !poll.is_ended).expect("the poll of the hog");
        assert!(poll.stack.is_some() && poll.unsymbolized == 0, "{poll:?}");
        assert!(last.tasks.iter().any(|task| task.state == State::Polling), "{:?}", last.tasks);
        control.send(2, Command::Lab(LabCommand::ToggleHog));
        let answers = lab.sample(&Subscription::default()).answers;
        let answer = answers.iter().find(|answer| answer.request == 2).expect("an answer");
        assert!(format!("{answer:?}").contains("the lab has ended"), "{answer:?}");
    }
}
