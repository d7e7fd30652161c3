//! The effects of keys.

use std::{sync::Arc, time::Duration};

use crossterm::event::{KeyEvent, KeyModifiers};

use super::{Action, App, Prompt, SourceLine};
use crate::{
    model::RowQuery,
    snapshot::{Command, LabCommand, Subscription, TargetId},
};

/// An effect outside of the state, for the event loop to perform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send a command to a target.
    Send {
        /// The number under which the answer arrives.
        request: u64,
        /// The target.
        target: TargetId,
        /// The command.
        command: Command,
    },
    /// Set the time between snapshots.
    Interval(Duration),
    /// Set the optional parts of snapshots.
    Subscribe(Subscription),
    /// Set the rows that come with each refresh.
    SelectRows(RowQuery),
    /// Ask the terminal for its background.
    QueryBackground,
    /// Copy the details that are shown, or the selected row.
    Copy,
    /// Open a source line in an editor.
    Edit(SourceLine),
    /// Find out whether the file of a line is newer than the program.
    CheckSource(SourceLine),
    /// Write the screen to files.
    Export,
    /// Take the terminal again and redraw all of it.
    Redraw,
    /// Give the terminal back and stop the program until it is continued.
    Suspend,
    /// End the program.
    Quit,
}

impl App {
    /// Handles a key.
    pub fn key(&mut self, key: KeyEvent, now: Duration) -> Option<Effect> {
        let action = self.action(key);
        if action == Some(Action::Quit) && key.modifiers.contains(KeyModifiers::CONTROL) {
            return Some(Effect::Quit);
        }
        if let Some(key @ (Action::Suspend | Action::Redraw)) = action {
            return self.act(key, now);
        }
        match std::mem::take(&mut self.prompt) {
            Prompt::Filter => {
                self.prompt = Prompt::Filter;
                self.edit_filter(key);
                None
            }
            Prompt::Columns { at } => {
                self.edit_columns(key, at);
                None
            }
            Prompt::HelpSearch => {
                self.prompt = Prompt::HelpSearch;
                self.edit_search(key);
                None
            }
            Prompt::Cancel { key: task, .. } if action == Some(Action::Cancel) => {
                let command = Command::Lab(LabCommand::Cancel(task.id));
                Some(self.send(task.target, command))
            }
            // Any other key closes the prompt, and Esc does only that.
            Prompt::Cancel { .. } if action == Some(Action::Back) => None,
            _ => match action {
                Some(action) => self.act(action, now),
                None => {
                    self.explain_unknown(key, now);
                    None
                }
            },
        }
    }

    /// Shows a message for a key without an action.
    fn explain_unknown(&mut self, key: KeyEvent, now: Duration) {
        let modifiers = match key.modifiers - KeyModifiers::SHIFT {
            KeyModifiers::NONE => String::new(),
            modifiers => format!("{modifiers}-"),
        };
        let text = format!("{modifiers}{} has no action; ? lists all keys", key.code);
        self.notify(text, now);
    }

    /// The action of a key on the screen that is shown. In a view over it, keys have their usual
    /// actions.
    pub(super) fn resolve(&self, key: Action) -> Action {
        if self.overlays.is_empty() { self.screen().action(key) } else { key }
    }

    /// Performs the action of a key.
    pub fn act(&mut self, key: Action, now: Duration) -> Option<Effect> {
        if let Some(reason) = self.unavailable(key) {
            self.notify(reason, now);
            return None;
        }
        match self.resolve(key) {
            Action::Show(screen) => self.show(screen),
            Action::NextScreen => self.turn(true),
            Action::PreviousScreen => self.turn(false),
            Action::Move(by) => self.move_by(by),
            Action::Page(halves) => self.page(halves),
            Action::First => self.move_to_first(),
            Action::Last => self.move_by(isize::MAX / 2),
            Action::Right => self.sort(1, now),
            Action::Left => self.sort(-1, now),
            Action::Reverse => self.reverse(now),
            Action::MoveCursor(columns) => self.move_cursor(columns, now),
            Action::MoveOnTimeline(down) => self.move_on_timeline(down, now),
            Action::CursorToStart => self.move_cursor_to_end(false, now),
            Action::CursorToEnd => self.move_cursor_to_end(true, now),
            Action::NextMatch => self.next_match(true, now),
            Action::PreviousMatch => self.next_match(false, now),
            Action::NextPoll => self.step_poll(true, now),
            Action::PreviousPoll => self.step_poll(false, now),
            Action::ZoomIn => self.zoom(true, now),
            Action::ZoomOut => self.zoom(false, now),
            Action::ChooseColumns => self.begin_columns(now),
            Action::GraphSpan => self.change_graph_span(),
            Action::Regroup => self.regroup(),
            Action::Pin => self.toggle_pin(now),
            Action::Filter => self.begin_filter(),
            Action::Open => match self.confirm_hog_kind(now) {
                Some(effect) => return Some(effect),
                None => self.open(now),
            },
            Action::OpenWorstFinding => self.open_worst_finding(now),
            Action::Copy => return Some(Effect::Copy),
            Action::Export => return Some(Effect::Export),
            Action::EditSource => match self.source_line() {
                Ok(line) => return Some(Effect::Edit(line)),
                Err(reason) => self.notify(reason, now),
            },
            Action::Back => self.back(),
            Action::Freeze => self.toggle_freeze(),
            Action::Help => self.toggle_help(),
            Action::Cancel => self.ask_to_cancel(now),
            Action::AwaitPoint => return self.request_await_point(now),
            Action::Faster => return self.change_interval(false, now),
            Action::Slower => return self.change_interval(true, now),
            Action::Lab(command) => return self.lab(command),
            Action::ChangeHogKind(by) => return self.change_hog_kind(by, now),
            Action::Raise => return self.workload(LabCommand::AddInstance, now),
            Action::Lower => return self.workload(LabCommand::RemoveInstance, now),
            Action::Pause => return self.workload(LabCommand::Pause, now),
            Action::Restart => return self.workload(LabCommand::Restart, now),
            Action::SwitchMode => return self.switch_mode(now),
            Action::Redraw => return Some(Effect::Redraw),
            Action::Suspend => return Some(Effect::Suspend),
            Action::Quit => return Some(Effect::Quit),
        }
        None
    }

    /// Shows the next or the previous screen that has something to show for this target.
    fn turn(&mut self, forward: bool) {
        let current = self.screen().spec.id;
        let shown =
            self.screens().filter(|spec| spec.id == current || self.has(spec.binding.action));
        let shown: Vec<_> = shown.map(|spec| spec.id).collect();
        let at = shown.iter().position(|id| *id == current).unwrap_or(0);
        let by = if forward { 1 } else { shown.len() - 1 };
        self.show(shown[(at + by) % shown.len()]);
    }

    pub(super) fn toggle_freeze(&mut self) {
        self.frozen = match self.frozen.take() {
            Some(_) => None,
            None => self.selected().is_some().then(|| Arc::clone(&self.model)),
        };
        self.place_cursor();
        self.update_rows();
    }
}
