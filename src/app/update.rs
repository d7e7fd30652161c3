//! What happens to the state: snapshots, keys, clicks, the size of the terminal.

use std::{sync::Arc, time::Duration};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{Action, App, Overlay, Prompt, Screen, cursor::Step, keymap};
use crate::{
    lab::Command,
    model::{Column, GroupColumn, Seen, Snapshot},
};

/// What the loop has to do for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Ask this of the lab.
    Lab(Command),
    /// Take snapshots at this interval.
    Interval(Duration),
    /// Forget what the terminal shows and draw all of it.
    Redraw,
    /// Go to the shell.
    Suspend,
    /// End.
    Quit,
}

/// Of a list that is not sorted by columns.
const OWN_ORDER: &str = "this screen has an order of its own: 1 and 2 are sorted by columns";

impl App {
    /// Takes in a snapshot.
    pub fn advance(&mut self, snapshot: Arc<Snapshot>) -> Option<Effect> {
        let new_epoch = self.model.snapshot().is_some_and(|last| last.epoch != snapshot.epoch);
        self.model.advance(snapshot);
        if new_epoch {
            // What was frozen, or looked at, is of a runtime that is no more.
            self.frozen = None;
            self.place_cursor();
            self.tasks.clear();
            if !matches!(self.overlay, Overlay::Help { .. }) {
                self.overlay = Overlay::None;
            }
            self.under = Overlay::None;
        }
        if self.frozen.is_none() {
            self.arrange();
        }
        let release = self.release_hog && self.model.slowdown().factor.is_some();
        release.then(|| {
            self.release_hog = false;
            Effect::Lab(Command::ToggleHog)
        })
    }

    /// Lets a message fade.
    pub fn tick(&mut self, now: Duration) {
        if self.message_until().is_some_and(|until| until <= now) {
            self.message = None;
        }
    }

    /// Says what the lab answered.
    pub fn answer(&mut self, sentence: String, now: Duration) {
        self.say(sentence, now);
    }

    /// A key was pressed.
    pub fn key(&mut self, key: KeyEvent, now: Duration) -> Option<Effect> {
        let action = keymap::action(key);
        if action == Some(Action::Quit) && key.modifiers.contains(KeyModifiers::CONTROL) {
            return Some(Effect::Quit);
        }
        match std::mem::take(&mut self.prompt) {
            Prompt::Filter => {
                self.prompt = Prompt::Filter;
                self.type_filter(key);
                None
            }
            Prompt::Cancel { key: task, .. } if action == Some(Action::Cancel) => {
                Some(Effect::Lab(Command::Cancel(task)))
            }
            // Any other key takes the question back, and Esc does only that.
            Prompt::Cancel { .. } if action == Some(Action::Back) => None,
            _ => self.act(action?, now),
        }
    }

    fn type_filter(&mut self, key: KeyEvent) {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Enter => self.prompt = Prompt::None,
            KeyCode::Esc => {
                self.prompt = Prompt::None;
                self.filter.clear();
            }
            KeyCode::Backspace => {
                self.filter.pop();
            }
            KeyCode::Char('u') if control => self.filter.clear(),
            KeyCode::Char('w') if control => {
                let kept = self.filter.trim_end().rfind(' ').map_or(0, |space| space + 1);
                self.filter.truncate(kept);
            }
            KeyCode::Char(c) if !control && self.filter.len() < 200 => self.filter.push(c),
            KeyCode::Up => self.move_by(-1),
            KeyCode::Down => self.move_by(1),
            _ => {}
        }
        self.arrange();
    }

    /// Does what is wanted.
    pub fn act(&mut self, action: Action, now: Duration) -> Option<Effect> {
        let timeline = self.screen == Screen::Timeline && self.overlay == Overlay::None;
        match action {
            Action::Show(screen) => self.show(screen),
            Action::NextScreen => self.turn(1),
            Action::PreviousScreen => self.turn(Screen::ALL.len() - 1),
            Action::Move(by) => self.move_by(by),
            Action::Page(halves) => self.page(halves),
            Action::First if timeline => self.move_cursor_to_end(false, now),
            Action::Last if timeline => self.move_cursor_to_end(true, now),
            Action::First => self.move_by(isize::MIN / 2),
            Action::Last => self.move_by(isize::MAX / 2),
            Action::Right if timeline => self.move_cursor(1, now),
            Action::Left if timeline => self.move_cursor(-1, now),
            Action::Right if self.screen == Screen::Lab => {
                return self.lab(Command::NextHogKind, now);
            }
            Action::Left if self.screen == Screen::Lab => {
                return self.lab(Command::PreviousHogKind, now);
            }
            Action::Right => self.sort(1, now),
            Action::Left => self.sort(-1, now),
            Action::NextPoll => self.step_poll(true, now),
            Action::PreviousPoll => self.step_poll(false, now),
            Action::Invert => self.invert(now),
            Action::Filter => self.begin_filter(),
            Action::Open => self.open(),
            Action::Back => self.back(),
            Action::Freeze => self.freeze(),
            Action::Help => self.toggle_help(),
            Action::Cancel => self.ask_to_cancel(now),
            Action::AskWhere => self.ask_where(now),
            Action::Faster => return self.change_interval(false, now),
            Action::Slower => return self.change_interval(true, now),
            Action::ToggleHog => {
                self.release_hog = false;
                return self.lab(Command::ToggleHog, now);
            }
            Action::NextHogKind => return self.lab(Command::NextHogKind, now),
            Action::HoldLonger => return self.lab(Command::HoldLonger, now),
            Action::HoldShorter => return self.lab(Command::HoldShorter, now),
            Action::SwitchFlavor => return self.lab(Command::SwitchFlavor, now),
            Action::Raise if timeline => self.zoom(true, now),
            Action::Lower if timeline => self.zoom(false, now),
            Action::Raise => return self.workload(Command::Raise, now),
            Action::Lower => return self.workload(Command::Lower, now),
            Action::Pause => return self.workload(Command::Pause, now),
            Action::Restart => return self.workload(Command::Restart, now),
            Action::MoreWorkers => return self.lab(Command::MoreWorkers, now),
            Action::FewerWorkers => return self.lab(Command::FewerWorkers, now),
            Action::SwitchMode => return self.switch_mode(now),
            Action::Redraw => return Some(Effect::Redraw),
            Action::Suspend => return Some(Effect::Suspend),
            Action::Quit => return Some(Effect::Quit),
        }
        None
    }

    fn show(&mut self, screen: Screen) {
        self.screen = screen;
        self.overlay = Overlay::None;
        self.under = Overlay::None;
        self.query.group = None;
        self.arrange();
    }

    fn turn(&mut self, by: usize) {
        // Tab goes only where there is something.
        let has = |screen: &Screen| *screen == self.screen || self.has(Action::Show(*screen));
        let all: Vec<Screen> = Screen::ALL.into_iter().filter(has).collect();
        let at = all.iter().position(|screen| *screen == self.screen).unwrap_or(0);
        let by = if by == 1 { 1 } else { all.len() - 1 };
        self.show(all[(at + by) % all.len()]);
    }

    pub(super) fn move_by(&mut self, by: isize) {
        if let Some(scroll) = self.overlay.scroll() {
            *scroll = scroll.saturating_add_signed(by);
            return;
        }
        // What is selected is to be seen.
        self.lab_scroll = 0;
        self.step(Step::By(by));
    }

    /// Nothing lies beyond the last line: the first key back leads back.
    pub fn scroll_at_most(&mut self, limit: usize) {
        if let Some(scroll) = self.overlay.scroll() {
            *scroll = (*scroll).min(limit);
        } else if self.screen == Screen::Lab {
            self.lab_scroll = self.lab_scroll.min(limit);
        }
    }

    /// Moves the selection of the screen that is shown.
    pub(super) fn step(&mut self, step: Step) {
        let Some(snapshot) = self.model().snapshot().cloned() else { return };
        match self.screen {
            Screen::Tasks => {
                let order = &self.order;
                self.tasks.step(step, order.len(), |row| snapshot.tasks[order[row] as usize].key);
            }
            Screen::Groups => {
                let rows = &self.group_rows;
                self.groups.step(step, rows.len(), |row| rows[row].name.clone());
            }
            Screen::Resources => {
                let Ok(resources) = snapshot.resources.as_deref() else { return };
                let rows = &self.resource_rows;
                let key = |row: usize| resources.resources[rows[row].at].key;
                self.resource_cursor.step(step, rows.len(), key);
            }
            Screen::Workers | Screen::Timeline => {
                self.workers.step(step, snapshot.workers.len(), |row| row);
            }
            Screen::Findings => {
                let all = self.frozen.as_deref().unwrap_or(&self.model).all_findings();
                self.findings.step(step, all.len(), |row| all[row].id());
            }
            Screen::Lab => {
                let count = snapshot.lab.as_ref().map_or(0, |lab| lab.workloads.len());
                self.workloads.step(step, count, |row| row);
            }
        }
    }

    /// Tells how many rows the screen that is shown has room for.
    pub fn resize(&mut self, rows: usize) {
        match self.screen {
            Screen::Tasks => self.tasks.resize(rows),
            Screen::Groups => self.groups.resize(rows),
            Screen::Resources => self.resource_cursor.resize(rows),
            Screen::Workers | Screen::Timeline => self.workers.resize(rows),
            Screen::Findings => self.findings.resize(rows),
            Screen::Lab => self.workloads.resize(rows),
        }
    }

    /// Scrolls the Lab, which is no list.
    pub(super) fn scroll_lab(&mut self, by: isize) {
        self.lab_scroll = self.lab_scroll.saturating_add_signed(by);
    }

    fn page(&mut self, halves: isize) {
        if self.screen == Screen::Lab && self.overlay == Overlay::None {
            let half = (self.workloads.height() / 2).max(1) as isize;
            return self.scroll_lab(half * halves);
        }
        let height = match self.screen {
            Screen::Groups => self.groups.height(),
            Screen::Resources => self.resource_cursor.height(),
            Screen::Workers | Screen::Timeline => self.workers.height(),
            Screen::Findings => self.findings.height(),
            _ => self.tasks.height(),
        };
        self.move_by((height / 2).max(1) as isize * halves);
    }

    fn sort(&mut self, by: isize, now: Duration) {
        match self.screen {
            Screen::Tasks => {
                let all = Column::ALL.into_iter().filter(|column| self.has_column(*column));
                self.query.sort = neighbour(&all.collect::<Vec<_>>(), self.query.sort, by);
                self.query.descending = self.query.sort.is_figure();
            }
            Screen::Groups => {
                let column = neighbour(&GroupColumn::ALL, self.group_sort.0, by);
                self.group_sort = (column, is_figure(column));
            }
            _ => return self.say(OWN_ORDER, now),
        }
        self.arrange();
    }

    pub(super) fn invert(&mut self, now: Duration) {
        match self.screen {
            Screen::Groups => self.group_sort.1 = !self.group_sort.1,
            Screen::Tasks => self.query.descending = !self.query.descending,
            _ => return self.say(OWN_ORDER, now),
        }
        self.arrange();
    }

    fn begin_filter(&mut self) {
        if !matches!(self.screen, Screen::Tasks | Screen::Groups | Screen::Resources) {
            self.show(Screen::Tasks);
        }
        self.overlay = Overlay::None;
        self.prompt = Prompt::Filter;
    }

    fn open(&mut self) {
        if let Overlay::Finding { id, .. } = &self.overlay {
            let task = self.model().finding(id).and_then(|finding| finding.task);
            if let Some(key) = task.filter(|key| self.task(*key).is_some()) {
                let task = Overlay::Task { key, scroll: 0 };
                self.under = std::mem::replace(&mut self.overlay, task);
            }
            return;
        }
        if self.overlay != Overlay::None {
            return;
        }
        match self.screen {
            Screen::Tasks => {
                // Whoever has typed a filter is after something else.
                let worst = self.model().findings().first().filter(|_| self.filter.is_empty());
                let worst = worst.map(|finding| finding.id());
                let first = || self.task_in_row(self.tasks.top()).map(|task| task.key);
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
                    self.screen = Screen::Tasks;
                    self.query.group = Some(group);
                    self.tasks.clear();
                    self.arrange();
                }
            }
            Screen::Workers => {
                let worker = self.workers.key().and_then(|at| self.model().workers().get(*at));
                let poll = worker.and_then(|worker| worker.figures.current.as_ref());
                if let Some(key) = poll.map(|poll| poll.key) {
                    self.overlay = Overlay::Task { key, scroll: 0 };
                }
            }
            Screen::Resources => {
                let first = || {
                    let row = self.resource_rows.get(self.resource_cursor.top())?;
                    Some(self.resources().ok()?.resources.get(row.at)?.key)
                };
                if let Some(key) = self.resource_cursor.key().copied().or_else(first) {
                    self.overlay = Overlay::Resource { key, scroll: 0 };
                }
            }
            Screen::Timeline => {
                if let Seen::Poll { run, .. } = self.timeline_seen() {
                    self.overlay = Overlay::Task { key: run.key, scroll: 0 };
                }
            }
            Screen::Lab => {}
        }
    }

    fn back(&mut self) {
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

    pub(super) fn freeze(&mut self) {
        self.frozen = match self.frozen.take() {
            Some(_) => None,
            None => self.model.snapshot().is_some().then(|| Box::new(self.model.clone())),
        };
        self.place_cursor();
        self.arrange();
    }

    fn toggle_help(&mut self) {
        self.overlay = match self.overlay {
            Overlay::Help { .. } => Overlay::None,
            _ => Overlay::Help { scroll: 0 },
        };
    }
}

/// Whether the greatest value is the one to see first.
pub(super) fn is_figure(column: GroupColumn) -> bool {
    !matches!(column, GroupColumn::Name | GroupColumn::Where)
}

/// The element `by` places from `current`, staying at the ends.
fn neighbour<T: Copy + PartialEq>(all: &[T], current: T, by: isize) -> T {
    let at = all.iter().position(|one| *one == current).unwrap_or(0);
    all[at.saturating_add_signed(by).min(all.len() - 1)]
}
