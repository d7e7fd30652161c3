//! The table of keys. Dispatch, help, footer, man page and docs/keys.md use it.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{Action, App};
use crate::snapshot::LabCommand::{
    AddWorker, LengthenHold, RemoveWorker, ShortenHold, SwitchFlavor, ToggleHog,
};

/// The action of a key.
#[derive(Clone, Copy, Debug)]
pub struct Binding {
    /// The keys with this action.
    pub keys: &'static [(KeyModifiers, KeyCode)],
    /// The names of the keys.
    pub label: &'static str,
    /// The action.
    pub action: Action,
    /// The word in the footer; empty if the footer does not show the key.
    pub short: &'static str,
    /// The description in the help.
    pub help: &'static str,
}

const NONE: KeyModifiers = KeyModifiers::NONE;
const CTRL: KeyModifiers = KeyModifiers::CONTROL;

macro_rules! keys {
    ($($modifiers:ident $code:expr),* $(,)?) => { &[$(($modifiers, $code)),*] };
}

const fn binding(
    keys: &'static [(KeyModifiers, KeyCode)],
    label: &'static str,
    action: Action,
    short: &'static str,
    help: &'static str,
) -> Binding {
    Binding { keys, label, action, short, help }
}

use Action::*;
use KeyCode::{BackTab, Char, Down, End, Enter, Esc, Home, PageDown, PageUp, Tab, Up};

/// All keys but those of the screens, in the order of the help.
#[rustfmt::skip]
pub const KEYMAP: &[Binding] = &[
    binding(keys![NONE Tab], "Tab", NextScreen, "", "next screen"),
    binding(keys![NONE BackTab], "Shift-Tab", PreviousScreen, "", "previous screen"),
    binding(keys![NONE Char('b')], "b", Lab(ToggleHog), "hog", "start or stop the hog"),
    binding(keys![NONE Char('B')], "B", ChangeHogKind(1), "", "next kind of hog; a running hog changes to it when the selection rests, or with Enter"),
    binding(keys![NONE Char('[')], "[", Lab(ShortenHold), "", "shorter hold time: the hog yields sooner; a fix does less at a time"),
    binding(keys![NONE Char(']')], "]", Lab(LengthenHold), "", "longer hold time: the hog yields later, at last never"),
    binding(keys![NONE Char('x')], "x", Cancel, "", "cancel the selected task; x again confirms"),
    binding(keys![NONE Char('a')], "a", AwaitPoint, "where", "show the await point of the task in the details: wakes it once"),
    binding(keys![NONE Char('+'), NONE Char('=')], "+", Raise, "more", "one more instance of the selected workload (Lab); zoom in (Timeline)"),
    binding(keys![NONE Char('-'), NONE Char('_')], "-", Lower, "fewer", "one instance fewer (Lab); zoom out (Timeline)"),
    binding(keys![NONE Char('p')], "p", Pause, "pause", "pause the workload, which ends its tasks, or resume it (Lab)"),
    binding(keys![NONE Char('r')], "r", Restart, "restart", "restart the workload with new tasks (Lab)"),
    binding(keys![NONE Char('m')], "m", SwitchMode, "", "next mode of a workload that has several"),
    binding(keys![NONE Char(' ')], "Space", Freeze, "freeze", "freeze or resume the screen; sampling continues"),
    binding(keys![NONE Char('/')], "/", Filter, "filter", "filter by words, and by terms such as busy>10% or max_poll>5ms"),
    binding(keys![NONE Char('P')], "P", Pin, "pin", "pin the selected task or group: Tasks, Timeline and Findings show only that; P again or Esc shows all"),
    binding(keys![NONE Char('t')], "t", Regroup, "", "group tasks by name, location, kind or target (Groups)"),
    binding(keys![NONE Char('c')], "c", ChooseColumns, "columns", "choose and order the columns of a table"),
    binding(keys![NONE Char('z')], "z", GraphSpan, "", "graphs of the last 1, 5 or 15 minutes; a drag over a graph selects a span"),
    binding(keys![NONE Char('f')], "f", Lab(SwitchFlavor), "flavor", "switch the flavor, current-thread or multi-thread; all tasks restart"),
    binding(keys![NONE Char('w')], "w", Lab(AddWorker), "", "one worker more, on a new multi-thread runtime"),
    binding(keys![NONE Char('W')], "W", Lab(RemoveWorker), "", "one worker fewer, on a new multi-thread runtime"),
    binding(keys![NONE Up, NONE Char('k')], "↑ k", Move(-1), "", "up"),
    binding(keys![NONE Down, NONE Char('j')], "↓ j", Move(1), "", "down"),
    binding(keys![NONE PageUp], "PgUp", Page(-2), "", "page up"),
    binding(keys![NONE PageDown], "PgDn", Page(2), "", "page down"),
    binding(keys![CTRL Char('u')], "Ctrl-u", Page(-1), "", "half a page up"),
    binding(keys![CTRL Char('d')], "Ctrl-d", Page(1), "", "half a page down"),
    binding(keys![NONE Home, NONE Char('g')], "g Home", First, "", "first row; oldest moment (Timeline)"),
    binding(keys![NONE End, NONE Char('G')], "G End", Last, "", "last row; latest moment (Timeline)"),
    binding(keys![NONE KeyCode::Left, NONE Char('h')], "← h", Left, "", "sort by the column to the left; previous kind of hog (Lab); move the cursor left (Timeline)"),
    binding(keys![NONE KeyCode::Right, NONE Char('l')], "→ l", Right, "", "sort by the column to the right; next kind of hog (Lab); move the cursor right (Timeline)"),
    binding(keys![NONE Char('n')], "n", NextMatch, "", "next row that matches the last filter; the worker's next poll (Timeline)"),
    binding(keys![NONE Char('N')], "N", PreviousMatch, "", "previous match; the worker's previous poll (Timeline)"),
    binding(keys![NONE Char('i')], "i", Reverse, "", "reverse the sort order"),
    binding(keys![NONE Enter], "Enter", Open, "", "open the selected row"),
    binding(keys![NONE Char('!')], "!", OpenWorstFinding, "", "open the worst finding, which the line above the screen shows"),
    binding(keys![NONE Char('y')], "y", Copy, "copy", "copy the selected row, or the details with the stack, to the terminal's clipboard"),
    binding(keys![NONE Char('o')], "o", EditSource, "source", "open the line that blocks, or where the task was spawned, in $EDITOR"),
    binding(keys![NONE Char('e')], "e", Export, "export", "export the screen as CSV and all data as JSON, to files in the current folder"),
    binding(keys![NONE Esc], "Esc", Back, "", "back: close the details, end the pin, clear the filter; then to screen 1"),
    binding(keys![NONE Char('<')], "<", Slower, "", "refresh less often"),
    binding(keys![NONE Char('>')], ">", Faster, "", "refresh more often"),
    binding(keys![CTRL Char('l')], "Ctrl-l", Redraw, "", "redraw the screen"),
    binding(keys![CTRL Char('z')], "Ctrl-z", Suspend, "", "suspend (fg resumes)"),
    binding(keys![NONE Char('?'), NONE KeyCode::F(1)], "?", Help, "help", "this help"),
    binding(keys![NONE Char('q'), CTRL Char('c')], "q Ctrl-c", Quit, "quit", "quit"),
];

impl App {
    /// All keys, in the order of the help.
    pub fn bindings(&self) -> impl Iterator<Item = &'static Binding> {
        self.screens().map(|spec| &spec.binding).chain(KEYMAP)
    }

    /// The action of a key.
    pub(super) fn action(&self, key: KeyEvent) -> Option<Action> {
        // Shift is part of the character.
        let key = (key.modifiers - KeyModifiers::SHIFT, key.code);
        let binding = self.bindings().find(|binding| binding.keys.contains(&key))?;
        Some(binding.action)
    }
}
