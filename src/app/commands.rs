//! Commands to the targets, and the questions before them.

use std::time::Duration;

use super::{App, Effect, Overlay, Prompt, Screen};
use crate::snapshot::{Command, LabCommand};

/// The intervals to choose from.
const INTERVALS_MS: [u64; 7] = [100, 250, 500, 1_000, 2_000, 5_000, 10_000];

impl App {
    pub(super) fn lab(&self, command: LabCommand) -> Option<Effect> {
        Some(Effect::Send(self.target()?.id, Command::Lab(command)))
    }

    pub(super) fn workload(
        &mut self,
        command: fn(usize) -> LabCommand,
        now: Duration,
    ) -> Option<Effect> {
        if self.screen != Screen::Lab {
            self.say("open screen 6 to change, pause or restart workloads", now);
            return None;
        }
        match self.workloads.key() {
            Some(position) => self.lab(command(*position)),
            None => {
                self.move_by(1);
                self.say("select a workload with ↑ and ↓", now);
                None
            }
        }
    }

    /// Of the selected workload on the lab's screen; elsewhere of the first that can.
    pub(super) fn switch_mode(&mut self, now: Duration) -> Option<Effect> {
        let workloads = self.lab_stats().map_or(&[][..], |lab| &lab.workloads);
        let can = |at: &usize| workloads.get(*at).is_some_and(|workload| workload.mode.is_some());
        let selected = self.workloads.key().copied().filter(|_| self.screen == Screen::Lab);
        match selected.filter(can).or_else(|| (0..workloads.len()).find(can)) {
            Some(position) => self.lab(LabCommand::SwitchMode(position)),
            None => {
                self.say("no workload of this scenario has modes", now);
                None
            }
        }
    }

    pub(super) fn ask_to_cancel(&mut self, now: Duration) {
        let shown = match self.overlay {
            Overlay::Task { key, .. } => Some(key),
            _ if self.screen == Screen::Tasks => self.tasks.key().copied(),
            _ => None,
        };
        let Some((key, task)) = shown.and_then(|key| Some((key, self.task(key)?))) else {
            self.say("select a task to cancel it", now);
            return;
        };
        if task.state.is_done() {
            let sentence = format!("{} has already ended", task.meta.name);
            self.say(sentence, now);
            return;
        }
        self.prompt = Prompt::Cancel { key, name: task.meta.name.clone() };
    }

    /// Requests the await point of the task whose details are open.
    pub(super) fn ask_where(&mut self, now: Duration) -> Option<Effect> {
        let Overlay::Task { key, .. } = self.overlay else {
            self.say("open a task with Enter to show its await point", now);
            return None;
        };
        if self.is_frozen() {
            self.say("the screen is frozen: Space resumes", now);
            return None;
        }
        Some(Effect::Send(key.target, Command::AwaitPoint(key.id)))
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
            self.say(format!("this is the {end} refresh interval"), now);
            return None;
        };
        self.interval = Duration::from_millis(next);
        self.say(format!("refresh every {:?}", self.interval), now);
        Some(Effect::Interval(self.interval))
    }
}
