//! Opening the selected row, and going back.

use super::{App, List, Opened, Overlay, Prompt};

impl App {
    pub(super) fn open(&mut self) {
        let opened = match self.overlay() {
            None => self.opened(),
            // The task of a finding, if it is still listed.
            Some(Overlay::Finding(id)) => {
                let task = self.model().finding(id).and_then(|finding| finding.task_key());
                let task = task.filter(|key| self.task(*key).is_some());
                task.map(|key| Opened::Overlay(Overlay::Task(key)))
            }
            Some(_) => None,
        };
        match opened {
            Some(Opened::Overlay(overlay)) => self.overlays.push((overlay, 0)),
            Some(Opened::Group(group)) => {
                self.show_list(List::Tasks);
                let screen = self.screen_mut();
                screen.cursor.clear();
                if let Some(of_screen) = screen.group_mut() {
                    *of_screen = Some(group);
                }
                self.update_rows();
            }
            None => {}
        }
    }

    /// The view that Enter opens on the screen.
    pub fn opened(&self) -> Option<Opened> {
        (self.screen().spec.open)(self)
    }

    pub(super) fn back(&mut self) {
        if self.overlays.pop().is_some() {
            return;
        }
        let first = self.screens().next().map(|spec| spec.id);
        if self.group().is_some() {
            self.show_list(List::Groups);
        } else if !self.filter.is_empty() {
            self.filter.clear();
            self.update_rows();
        } else if let Some(first) = first.filter(|first| *first != self.screen().spec.id) {
            self.show(first);
        } else {
            self.screen_mut().cursor.clear();
        }
    }

    pub(super) fn toggle_help(&mut self) {
        if self.overlay() == Some(&Overlay::Help) {
            self.overlays.pop();
        } else {
            self.overlays.push((Overlay::Help, 0));
        }
    }

    pub(super) fn begin_filter(&mut self) {
        if !self.has_filter() {
            self.show_list(List::Tasks);
        }
        self.overlays.clear();
        self.prompt = Prompt::Filter;
    }
}
