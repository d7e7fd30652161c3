//! The effects of a new snapshot.

use std::time::Duration;

use super::{App, Effect, Overlay};
use crate::{
    model::{Model, Refresh, Scope, TargetModel},
    snapshot::{Command, LabCommand},
};

/// Minimum baseline before a hog restarts automatically.
const MIN_BASELINE_NS: u64 = 1_000_000_000;

impl App {
    /// Shows the model after the next snapshot.
    pub fn advance(&mut self, next: Refresh, now: Duration) -> Option<Effect> {
        self.freshness.renew(now);
        if let Some(failure) = self.new_failure(&next.model) {
            self.notify(failure, now);
        }
        self.show_answers(&next.model, now);
        let id = self.selected_id();
        let last = std::mem::replace(&mut self.model, next.model);
        let epoch = |model: &Model, id| model.target(id).map(|model| model.target().epoch);
        // Ended, or started again as another runtime.
        let model = &self.model;
        let has_ended = |id| epoch(&last, id).is_some_and(|last| epoch(model, id) != Some(last));
        self.pin.take_if(|pin| matches!(pin, Scope::Task { key, .. } if has_ended(key.target)));
        self.graphs.forget_window(has_ended);
        if has_ended(id) {
            // The frozen screen, the selection and the details are of that runtime.
            self.frozen = None;
            self.place_cursor();
            self.clear_selected_tasks();
            self.overlays.retain(|(overlay, _)| *overlay == Overlay::Help);
        }
        if self.frozen.is_none() {
            // The rows are those of another query if a key has changed the query since.
            if next.query == *self.row_query() {
                self.set_rows(next.rows);
            } else {
                self.update_rows();
            }
        }
        self.settle_hog_kind(now);
        self.turn_on_waiting_hog()
    }

    /// A failure of the hog or a workload that the last snapshot did not have.
    fn new_failure(&self, next: &Model) -> Option<String> {
        next.targets().iter().map(TargetModel::target).find_map(|target| {
            let known = self.model.target(target.id).and_then(|last| last.target().lab.as_ref());
            let mut failures = target.lab.as_ref()?.failures();
            failures.find(|new| known.is_none_or(|lab| lab.failures().all(|old| old != *new)))
        })
    }

    /// Releases a hog that waits for a baseline, once there is one.
    fn turn_on_waiting_hog(&mut self) -> Option<Effect> {
        let has_lab = |target: &&TargetModel| target.target().lab.is_some();
        let target = self.model.targets().iter().find(has_lab)?;
        let waits = self.turn_on_hog || target.target().lab.as_ref()?.hog.restart_pending;
        if !waits || target.slowdown().baseline_ns < MIN_BASELINE_NS {
            return None;
        }
        let id = target.target().id;
        self.turn_on_hog = false;
        Some(self.send_automatically(id, Command::Lab(LabCommand::TurnOnHog)))
    }
}
