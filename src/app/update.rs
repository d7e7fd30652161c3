//! What happens to the state: snapshots, keys, clicks, the size of the terminal.

use std::{sync::Arc, time::Duration};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{Action, App, Overlay, Prompt, Screen, keymap};
use crate::{
    model::{Model, Refresh, TargetModel},
    snapshot::{Command, LabCommand, Outcome, TargetId},
};

/// Minimum baseline before a hog restarts automatically.
const MIN_BASELINE_NS: u64 = 1_000_000_000;

/// What the loop has to do for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send a command to a target; [`App::sent`] takes the number of the request.
    Send(TargetId, Command),
    /// Take snapshots at this interval.
    Interval(Duration),
    /// Forget what the terminal shows and draw all of it.
    Redraw,
    /// Go to the shell.
    Suspend,
    /// End.
    Quit,
}

impl App {
    /// Shows the model after the next snapshot.
    pub fn advance(&mut self, next: Refresh, now: Duration) -> Option<Effect> {
        if let Some(failure) = self.new_failure(&next.model) {
            self.say(failure, now);
        }
        self.show_answers(&next.model, now);
        let id = self.selected_id();
        let epoch = |model: &Model| model.target(id).map(|model| model.target().epoch);
        let last_epoch = epoch(&self.model);
        self.model = next.model;
        if last_epoch.is_some() && last_epoch != epoch(&self.model) {
            // The frozen screen, the selection and the details are of a runtime that has ended.
            self.frozen = None;
            self.place_cursor();
            self.tasks.clear();
            if !matches!(self.overlay, Overlay::Help { .. }) {
                self.overlay = Overlay::None;
            }
            self.under = Overlay::None;
        }
        if self.frozen.is_none() {
            // The rows are those of another query if a key has changed the query since.
            if next.query == self.row_query() {
                self.set_rows(next.rows);
            } else {
                self.arrange();
            }
        }
        self.hog_to_release()
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
    fn hog_to_release(&mut self) -> Option<Effect> {
        let has_lab = |target: &&TargetModel| target.target().lab.is_some();
        let target = self.model.targets().iter().find(has_lab)?;
        let waits = self.release_hog || target.target().lab.as_ref()?.hog.restarts;
        if !waits || target.slowdown().baseline_ns < MIN_BASELINE_NS {
            return None;
        }
        self.release_hog = false;
        let id = target.target().id;
        Some(Effect::Send(id, Command::Lab(LabCommand::ReleaseHog)))
    }

    /// Lets a message fade.
    pub fn tick(&mut self, now: Duration) {
        if self.message_until().is_some_and(|until| until <= now) {
            self.message = None;
        }
    }

    /// A command was sent: its answer will have this number.
    pub fn sent(&mut self, target: TargetId, command: &Command, request: u64) {
        match command {
            Command::Lab(_) => self.requests.push(request),
            Command::AwaitPoint(task) => {
                let model = self.model.target(target);
                self.asked = model.map(|model| (model.target().task_key(*task), request));
            }
        }
    }

    /// Shows the answers to commands.
    fn show_answers(&mut self, model: &Model, now: Duration) {
        for answer in model.targets().iter().flat_map(|model| &model.target().answers) {
            let Outcome::Message(message) = &answer.outcome else { continue };
            if let Some(at) = self.requests.iter().position(|sent| *sent == answer.request) {
                self.requests.swap_remove(at);
                self.say(&**message, now);
            }
        }
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
                let command = Command::Lab(LabCommand::Cancel(task.id));
                Some(Effect::Send(task.target, command))
            }
            // Any other key takes the question back, and Esc does only that.
            Prompt::Cancel { .. } if action == Some(Action::Back) => None,
            _ => self.act(action?, now),
        }
    }

    /// Inserts pasted text into the filter. Everywhere else it is ignored: a paste never runs
    /// commands.
    pub fn paste(&mut self, text: &str) {
        if self.prompt == Prompt::Filter {
            // The filter is a single line, so the line break of a copied line is dropped.
            let text = text.trim_end_matches(['\r', '\n']);
            text.chars().for_each(|c| self.type_character(if c.is_control() { ' ' } else { c }));
            self.arrange();
        }
    }

    fn type_character(&mut self, c: char) {
        if self.filter.len() < 200 {
            self.filter.push(c);
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
            KeyCode::Char(c) if !control => self.type_character(c),
            KeyCode::Up => self.move_by(-1),
            KeyCode::Down => self.move_by(1),
            _ => {}
        }
        self.arrange();
    }

    /// Does what is wanted.
    pub fn act(&mut self, action: Action, now: Duration) -> Option<Effect> {
        let timeline = self.screen == Screen::Timeline && self.overlay == Overlay::None;
        if let Some(reason) = self.unavailable(action) {
            self.say(reason, now);
            return None;
        }
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
                return self.lab(LabCommand::NextHogKind);
            }
            Action::Left if self.screen == Screen::Lab => {
                return self.lab(LabCommand::PreviousHogKind);
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
            Action::AskWhere => return self.ask_where(now),
            Action::Faster => return self.change_interval(false, now),
            Action::Slower => return self.change_interval(true, now),
            Action::ToggleHog => {
                self.release_hog = false;
                return self.lab(LabCommand::ToggleHog);
            }
            Action::NextHogKind => return self.lab(LabCommand::NextHogKind),
            Action::HoldLonger => return self.lab(LabCommand::HoldLonger),
            Action::HoldShorter => return self.lab(LabCommand::HoldShorter),
            Action::SwitchFlavor => return self.lab(LabCommand::SwitchFlavor),
            Action::Raise if timeline => self.zoom(true, now),
            Action::Lower if timeline => self.zoom(false, now),
            Action::Raise => return self.workload(LabCommand::Raise, now),
            Action::Lower => return self.workload(LabCommand::Lower, now),
            Action::Pause => return self.workload(LabCommand::Pause, now),
            Action::Restart => return self.workload(LabCommand::Restart, now),
            Action::MoreWorkers => return self.lab(LabCommand::MoreWorkers),
            Action::FewerWorkers => return self.lab(LabCommand::FewerWorkers),
            Action::SwitchMode => return self.switch_mode(now),
            Action::Redraw => return Some(Effect::Redraw),
            Action::Suspend => return Some(Effect::Suspend),
            Action::Quit => return Some(Effect::Quit),
        }
        None
    }

    pub(super) fn show(&mut self, screen: Screen) {
        self.last_selected = self.selected_id();
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

    pub(super) fn freeze(&mut self) {
        self.frozen = match self.frozen.take() {
            Some(_) => None,
            None => self.selected().is_some().then(|| Arc::clone(&self.model)),
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
