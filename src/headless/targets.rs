//! Targets of a run that are watched over a connection.

use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

use super::{HeadlessError, plan::UNLIMITED_RUN_BASELINE, run::Run};
use crate::{
    gate::FailOn,
    snapshot::{Connection, Retry, Target},
    text::duration_exact,
};

/// Time that a command has to start its first runtime: `cargo run` may have to compile it.
const STARTUP_LIMIT: Duration = Duration::from_secs(600);
/// Time after which a message states that there is no runtime yet.
const STARTUP_NOTICE: Duration = Duration::from_secs(5);

/// The first of some values, if all are there.
fn first_if_all<T>(values: impl Iterator<Item = Option<T>>) -> Option<T> {
    values.collect::<Option<Vec<_>>>()?.into_iter().next()
}

impl Run<'_> {
    /// Waits until a target has sent its first update. Returns whether one has.
    pub(super) fn wait_for_first_target(&mut self) -> bool {
        let begin = Instant::now();
        let timeout = match self.plan.is_command {
            true => STARTUP_LIMIT,
            false => self.plan.run_time.unwrap_or(UNLIMITED_RUN_BASELINE),
        };
        let mut is_announced = false;
        loop {
            if self.sample().targets.iter().any(|target| target.epoch > 0) {
                return true;
            }
            if self.plan.is_command && !is_announced && begin.elapsed() >= STARTUP_NOTICE {
                is_announced = true;
                self.announce_wait();
            }
            let gives_up = begin.elapsed() >= timeout || self.have_all_ended();
            if gives_up || self.interrupted.recv_timeout(Duration::from_millis(50)).is_ok() {
                return false;
            }
        }
    }

    /// States on stderr that a command has not started a runtime.
    fn announce_wait(&self) {
        let names = self.model.targets().iter().map(|model| model.name().to_string());
        let names = names.collect::<Vec<_>>().join(", ");
        let minutes = STARTUP_LIMIT.as_secs() / 60;
        // The run does not depend on the message.
        let _ = writeln!(
            io::stderr(),
            "waiting for the first Tokio runtime of {names}, for at most {minutes} minutes; --for \
             begins then, and Ctrl-C ends the command"
        );
    }

    /// Whether all targets have ended, and none of them can come back.
    pub(super) fn have_all_ended(&self) -> bool {
        let has_ended = |target: &Target| {
            matches!(target.connection, Connection::Lost { retry: Retry::Never, .. })
        };
        self.model.targets().iter().all(|model| has_ended(model.target()))
    }

    /// The error for a rule of the gate that no target supports, so it can never fire, or with a
    /// threshold at which no target can be checked.
    pub(super) fn unsupported_rule(&self) -> Option<HeadlessError> {
        self.plan.fail_on.iter().find_map(|fail_on| {
            let FailOn::Rule(id, _) = fail_on else { return None };
            let rule = id.rule().name;
            if self.plan.thresholds.get(*id).is_none() {
                let reason = "it is switched off".to_owned();
                return Some(HeadlessError::UnsupportedRule { rule, reason });
            }
            let targets = self.model.targets().iter();
            let reasons = targets.map(|model| {
                fail_on.unsupported(&model.target().description, &self.plan.thresholds)
            });
            if let Some(reason) = first_if_all(reasons) {
                return Some(HeadlessError::UnsupportedRule { rule, reason });
            }
            let (threshold, shortest) = first_if_all(self.model.targets().iter().map(|model| {
                fail_on.unobserved(&model.target().description, &self.plan.thresholds)
            }))?;
            let text = |ns| duration_exact(Duration::from_nanos(ns));
            let (threshold, shortest) = (text(threshold), text(shortest));
            Some(HeadlessError::UnobservedThreshold { rule, threshold, shortest })
        })
    }

    /// Describes the targets that have not answered; `None` if all have.
    pub(super) fn unanswered(&self) -> Option<String> {
        let describe = |target: &Target| match &target.connection {
            Connection::Lost { reason, .. } => format!("{}: {reason}", target.description.name),
            _ => format!("{}: no answer yet, {}", target.description.name, target.status()),
        };
        let targets = self.model.remote_targets().filter(|target| target.epoch == 0);
        let targets: Vec<_> = targets.map(describe).collect();
        if targets.is_empty() {
            return None;
        }
        let advice = match self.plan.is_command {
            true => "",
            false => {
                "; check the address, start the target with console-subscriber, or wait longer with --for"
            }
        };
        Some(format!("cannot watch {}{advice}", targets.join(", ")))
    }

    /// Describes the targets that have reported nothing; `None` if there are none.
    pub(super) fn silent(&self) -> Option<String> {
        let silent = self.model.remote_targets().filter_map(|target| {
            let reason = target.losses.nothing_reported.as_ref()?;
            Some(format!("{}: {reason}", target.description.name))
        });
        let silent: Vec<_> = silent.collect();
        (!silent.is_empty()).then(|| silent.join(", "))
    }

    /// Describes the targets whose connection is lost or stale, or that were restarted; `None` if there
    /// are none. A command ends the run, and may start another program.
    pub(super) fn disconnected(&self) -> Option<String> {
        if self.plan.is_command {
            return None;
        }
        let describe = |target: &Target| {
            let name = &target.description.name;
            if !target.connection.is_live() {
                return Some(format!("{name} is {}", target.status()));
            }
            // A process that is watched by its id may start another runtime.
            let first = self.first_epochs.get(&target.id);
            let first = first.filter(|_| target.description.process_id.is_none());
            let was_restarted = first.is_some_and(|first| *first != target.epoch);
            was_restarted.then(|| format!("{name} was restarted"))
        };
        let targets: Vec<_> = self.model.remote_targets().filter_map(describe).collect();
        (!targets.is_empty()).then(|| targets.join(", "))
    }
}
