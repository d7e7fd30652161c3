//! Opening the selected row, and going back.

use std::time::Duration;

use super::{App, LineEditor, List, Opened, Overlay, Prompt};
use crate::{
    model::{FindingId, OffenderId, Scope},
    snapshot::TaskKey,
};

impl App {
    /// Opens the selected row, or the task that the details are about.
    pub(super) fn open(&mut self, now: Duration) {
        let opened = match self.overlay() {
            None => (self.screen().spec.open)(self),
            Some(Overlay::Finding(id)) => self.task_of_finding(id),
            Some(Overlay::Offender(id)) => self.task_of_offender(id),
            Some(_) => Err("Enter opens nothing here; Esc: back"),
        };
        match opened {
            Ok(Opened::Overlay(overlay)) => self.overlays.push((overlay, 0)),
            Ok(Opened::List(list)) => self.show_list(list),
            Ok(Opened::Pin(scope)) => {
                self.set_pin(Some(scope));
                self.show_list(List::Tasks);
                self.screen_mut().cursor.reset();
                self.update_rows();
            }
            Err(reason) => self.notify(reason, now),
        }
    }

    /// Opens the worst active finding, which the banner shows.
    pub(super) fn open_worst_finding(&mut self, now: Duration) {
        match self.model().findings().first().map(|worst| Overlay::Finding(worst.id())) {
            Some(worst) if self.overlay() == Some(&worst) => {}
            Some(worst) => self.overlays.push((worst, 0)),
            None => self.notify("no finding is active", now),
        }
    }

    /// The details of a finding's task, if it is still listed.
    fn task_of_finding(&self, id: &FindingId) -> Result<Opened, &'static str> {
        let finding = self.model().finding(id).ok_or("this finding is no longer kept")?;
        self.listed_task(finding.task_key().ok_or("this finding is not about one task")?)
    }

    /// The details of the task of an offender's latest poll, if it is still listed.
    fn task_of_offender(&self, id: &OffenderId) -> Result<Opened, &'static str> {
        let row = self.model().offender(id).ok_or("the long polls are more than a minute ago")?;
        self.listed_task(row.target.target().task_key(row.offender.task))
    }

    fn listed_task(&self, key: TaskKey) -> Result<Opened, &'static str> {
        let listed = self.task(key).map(|_| Opened::Overlay(Overlay::Task(key)));
        listed.ok_or("the task has ended and is no longer listed")
    }

    pub(super) fn back(&mut self) {
        if self.overlay() == Some(&Overlay::Help) && !self.help_search.is_empty() {
            self.help_search.clear();
            return;
        }
        if self.overlays.pop().is_some() {
            return;
        }
        let first = self.screens().next().map(|spec| spec.id);
        if let Some(pin) = self.visible_pin().cloned() {
            self.set_pin(None);
            let opened_from = match pin {
                Scope::Task { .. } => None,
                Scope::Group { .. } => Some(List::Groups),
                Scope::Workload { .. } => Some(List::Workloads),
            };
            if let Some(list) = opened_from.filter(|_| self.list() == List::Tasks) {
                self.show_list(list);
            }
        } else if !self.filter.is_empty() {
            self.filter.clear();
            self.update_rows();
        } else if let Some(first) = first.filter(|first| *first != self.screen().spec.id) {
            self.show(first);
        } else {
            self.screen_mut().cursor.reset();
            self.update_rows();
        }
    }

    pub(super) fn toggle_help(&mut self) {
        self.help_search.clear();
        if self.overlay() == Some(&Overlay::Help) {
            self.overlays.pop();
        } else {
            self.overlays.push((Overlay::Help, 0));
        }
    }

    pub(super) fn begin_filter(&mut self) {
        if self.overlay() == Some(&Overlay::Help) {
            self.editor = LineEditor::new(&self.help_search);
            self.prompt = Prompt::HelpSearch;
            return;
        }
        if !self.has_filter() {
            self.show_list(List::Tasks);
        }
        self.overlays.clear();
        self.editor = LineEditor::new(&self.filter);
        self.prompt = Prompt::Filter;
    }
}
