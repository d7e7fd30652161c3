//! Opening what is selected, and the way back.

use super::{App, Overlay, Prompt, Screen, state::key_of};
use crate::model::WorkerActivity;

impl App {
    pub(super) fn begin_filter(&mut self) {
        if !matches!(self.screen, Screen::Tasks | Screen::Groups | Screen::Resources) {
            self.show(Screen::Tasks);
        }
        self.overlay = Overlay::None;
        self.prompt = Prompt::Filter;
    }

    pub(super) fn open(&mut self) {
        if let Overlay::Finding { id, .. } = &self.overlay {
            let task = self.model().finding(id).and_then(|finding| finding.task_key());
            if let Some(key) = task.filter(|key| self.task(*key).is_some()) {
                let task = Overlay::Task { key, scroll: 0 };
                self.under = std::mem::replace(&mut self.overlay, task);
            }
            return;
        }
        if self.overlay == Overlay::None {
            self.open_selected();
        }
    }

    /// What is selected in the list that is shown; if nothing is, what it is about.
    fn open_selected(&mut self) {
        match self.screen {
            Screen::Tasks => {
                // Whoever has typed a filter is after something else.
                let worst = self.model().findings().first().filter(|_| self.filter.is_empty());
                let worst = worst.map(|finding| finding.id());
                let first = || Some(key_of(self.model(), *self.order().get(self.tasks.top())?));
                if let Some(key) = self.tasks.key().copied() {
                    self.overlay = Overlay::Task { key, scroll: 0 };
                } else if let Some(id) = worst {
                    self.overlay = Overlay::Finding { id, scroll: 0 };
                } else if let Some(key) = first() {
                    self.overlay = Overlay::Task { key, scroll: 0 };
                }
            }
            Screen::Findings => {
                let first = || self.model().all_findings().first().map(|finding| finding.id());
                if let Some(id) = self.findings.key().cloned().or_else(first) {
                    self.overlay = Overlay::Finding { id, scroll: 0 };
                }
            }
            Screen::Groups => {
                if let Some(group) = self.groups.key().cloned() {
                    self.last_selected = group.target;
                    self.screen = Screen::Tasks;
                    self.query.group = Some(group);
                    self.tasks.clear();
                    self.arrange();
                }
            }
            Screen::Workers => {
                let worker = self.workers.key().and_then(|at| self.worker_rows().get(*at));
                let poll = worker.and_then(|worker| worker.stats.current.as_ref());
                if let Some((poll, target)) = poll.zip(self.target()) {
                    let key = target.task_key(poll.key);
                    self.overlay = Overlay::Task { key, scroll: 0 };
                }
            }
            Screen::Resources => {
                let first = || Some(self.resource_rows().get(self.resource_cursor.top())?.key);
                if let Some(key) = self.resource_cursor.key().copied().or_else(first) {
                    self.overlay = Overlay::Resource { key, scroll: 0 };
                }
            }
            Screen::Timeline => {
                if let (WorkerActivity::Poll { poll, .. }, Some(target)) =
                    (self.timeline_activity(), self.target())
                {
                    self.overlay = Overlay::Task { key: target.task_key(poll.key), scroll: 0 };
                }
            }
            Screen::Lab => {}
        }
    }

    pub(super) fn back(&mut self) {
        if self.overlay != Overlay::None {
            self.overlay = std::mem::take(&mut self.under);
        } else if self.query.group.take().is_some() {
            self.show(Screen::Groups);
        } else if !self.filter.is_empty() {
            self.filter.clear();
            self.arrange();
        } else if self.screen != Screen::Tasks {
            self.show(Screen::Tasks);
        } else {
            self.tasks.clear();
        }
    }
}
