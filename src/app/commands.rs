//! Commands to the targets.

use std::time::Duration;

use super::{App, Effect, List, Overlay, Prompt};
use crate::snapshot::{Command, LabCommand, State, TaskKey};

/// The refresh intervals that the user can choose.
const INTERVALS_MS: [u64; 7] = [100, 250, 500, 1_000, 2_000, 5_000, 10_000];

impl App {
    /// Sends a command to the lab.
    pub(super) fn lab(&mut self, command: LabCommand) -> Option<Effect> {
        if command == LabCommand::ToggleHog {
            self.turn_on_hog = false;
            self.next_hog_kind = None;
        }
        let target = self.target()?.id;
        Some(self.send(target, Command::Lab(command)))
    }

    /// Sends a command about the selected workload.
    pub(super) fn workload(
        &mut self,
        command: fn(usize) -> LabCommand,
        now: Duration,
    ) -> Option<Effect> {
        if self.list() != List::Workloads {
            self.notify("open screen 6 to change, pause or restart workloads", now);
            return None;
        }
        match self.selected_workload() {
            Some(position) => self.lab(command(position)),
            None => {
                self.notify("this scenario has no workloads", now);
                None
            }
        }
    }

    /// Whether some workload has modes.
    pub fn has_modes(&self) -> bool {
        let workloads = self.lab_stats().map_or(&[][..], |lab| &lab.workloads);
        workloads.iter().any(|workload| workload.mode.is_some())
    }

    /// Switches the mode of the selected workload, or else of the first workload with modes.
    pub(super) fn switch_mode(&mut self, now: Duration) -> Option<Effect> {
        let workloads = self.lab_stats().map_or(&[][..], |lab| &lab.workloads);
        let has_modes = |at: &usize| workloads.get(*at).is_some_and(|it| it.mode.is_some());
        let selected = self.selected_workload().filter(has_modes);
        match selected.or_else(|| (0..workloads.len()).find(has_modes)) {
            Some(position) => self.lab(LabCommand::SwitchMode(position)),
            None => {
                self.notify("no workload of this scenario has modes", now);
                None
            }
        }
    }

    /// Opens the prompt before a task is canceled.
    pub(super) fn ask_to_cancel(&mut self, now: Duration) {
        let selected = match self.overlay() {
            Some(Overlay::Task(key)) => Some(*key),
            _ => self.selected_task(),
        };
        let Some((key, task)) = selected.and_then(|key| Some((key, self.task(key)?))) else {
            self.notify("select a task to cancel it", now);
            return;
        };
        if task.state.is_done() {
            let text = format!("{} has already ended", task.meta.name);
            self.notify(text, now);
            return;
        }
        self.prompt = Prompt::Cancel { key, name: task.meta.name.clone() };
    }

    /// Requests the await point of the task in the details.
    pub(super) fn request_await_point(&mut self, now: Duration) -> Option<Effect> {
        let Some(&Overlay::Task(key)) = self.overlay() else {
            self.notify("open a task with Enter to show its await point", now);
            return None;
        };
        if self.is_frozen() {
            self.notify("the screen is frozen: Space resumes", now);
            return None;
        }
        if self.is_in_long_poll(key) {
            self.notify("the task is in a poll, not at an await: its stack is shown", now);
            return None;
        }
        Some(self.send(key.target, Command::AwaitPoint(key.id)))
    }

    /// Whether a task is in a long poll. It is at no await then.
    pub fn is_in_long_poll(&self, key: TaskKey) -> bool {
        let long_poll_ns = self.model.thresholds().long_poll_ns();
        self.model.task(key).is_some_and(|(model, task)| {
            let is_in_poll = matches!(task.state, State::Polling | State::Dropping);
            is_in_poll && task.time_in_state_ns(model.target().taken_ns) >= long_poll_ns
        })
    }

    pub(super) fn change_interval(&mut self, slower: bool, now: Duration) -> Option<Effect> {
        let current = self.interval.as_millis() as u64;
        let next = if slower {
            INTERVALS_MS.into_iter().find(|ms| *ms > current)
        } else {
            INTERVALS_MS.into_iter().rev().find(|ms| *ms < current)
        };
        let Some(next) = next else {
            let end = if slower { "longest" } else { "shortest" };
            self.notify(format!("this is the {end} refresh interval"), now);
            return None;
        };
        self.interval = Duration::from_millis(next);
        self.notify(format!("refresh every {:?}", self.interval), now);
        Some(Effect::Interval(self.interval))
    }
}
