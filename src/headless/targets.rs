//! What a run has to say of programs behind connections.

use std::time::{Duration, Instant};

use super::{plan::ENDLESS_BASELINE, run::Run};
use crate::snapshot::{Connection, Target};

impl Run<'_> {
    /// Waits until a target has sent something; says whether one has.
    pub(super) fn wait_for_a_target(&mut self) -> bool {
        let begin = Instant::now();
        let patience = self.plan.run_time.unwrap_or(ENDLESS_BASELINE);
        loop {
            if self.look().targets.iter().any(|target| target.epoch > 0) {
                return true;
            }
            let over = begin.elapsed() >= patience;
            if over || self.interrupted.recv_timeout(Duration::from_millis(50)).is_ok() {
                return false;
            }
        }
    }

    /// What there is to say of targets that have said nothing.
    pub(super) fn silence(&self) -> Option<String> {
        let of = |target: &Target| match &target.connection {
            Connection::Lost { reason, .. } => format!("{}: {reason}", target.description.name),
            _ => format!("{}: no answer yet", target.description.name),
        };
        let silent = self.model.remote_targets().filter(|target| target.epoch == 0);
        let silent: Vec<_> = silent.map(of).collect();
        (!silent.is_empty()).then(|| format!("cannot watch {}", silent.join(", ")))
    }

    /// What there is to say of targets that are not heard of any more.
    pub(super) fn gone(&self) -> Option<String> {
        let gone = self.model.remote_targets().filter(|target| !target.connection.is_live());
        let of = |target: &Target| format!("{} is {}", target.description.name, target.status());
        let gone: Vec<_> = gone.map(of).collect();
        (!gone.is_empty()).then(|| gone.join(", "))
    }
}
