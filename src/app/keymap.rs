//! The one table of keys: dispatch, help, key bar and documents are made from it.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{Action, Screen};

/// A line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Binding {
    /// The keys that do it.
    pub keys: &'static [(KeyModifiers, KeyCode)],
    /// The keys as people write them.
    pub label: &'static str,
    /// What they do.
    pub action: Action,
    /// A word for the key bar; empty if the key is not shown there.
    pub short: &'static str,
    /// A sentence for the help.
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

/// All keys, in the order of the help.
#[rustfmt::skip]
pub const KEYMAP: &[Binding] = &[
    binding(keys![NONE Char('1')], "1", Show(Screen::Tasks), "Tasks", "tasks, one per row"),
    binding(keys![NONE Char('2')], "2", Show(Screen::Groups), "Groups", "tasks grouped by name; Enter lists a group's tasks"),
    binding(keys![NONE Char('3')], "3", Show(Screen::Workers), "Workers", "workers of the runtime, with the task that each is polling"),
    binding(keys![NONE Char('4')], "4", Show(Screen::Timeline), "Timeline", "timeline: each worker's polls in the last seconds"),
    binding(keys![NONE Char('5')], "5", Show(Screen::Findings), "Findings", "findings: offender, location, affected tasks and fix"),
    binding(keys![NONE Char('6')], "6", Show(Screen::Lab), "Lab", "lab: scenario, workloads and hog"),
    binding(keys![NONE Char('7')], "7", Show(Screen::Resources), "Resources", "resources that tasks wait for, with holder and waiters (attach)"),
    binding(keys![NONE Tab], "Tab", NextScreen, "", "next screen"),
    binding(keys![NONE BackTab], "Shift-Tab", PreviousScreen, "", "previous screen"),
    binding(keys![NONE Char('b')], "b", ToggleHog, "hog", "start or stop the hog"),
    binding(keys![NONE Char('B')], "B", NextHogKind, "", "next kind of hog"),
    binding(keys![NONE Char('[')], "[", HoldShorter, "", "shorter hold time: the hog yields sooner; a fix does less at a time"),
    binding(keys![NONE Char(']')], "]", HoldLonger, "", "longer hold time: the hog yields later, at last never"),
    binding(keys![NONE Char('x')], "x", Cancel, "", "cancel the selected task; x again confirms"),
    binding(keys![NONE Char('a')], "a", AskWhere, "where", "show the await point of the task in the details: wakes it once"),
    binding(keys![NONE Char('+'), NONE Char('=')], "+", Raise, "more", "one more instance of the selected workload (Lab); zoom in (Timeline)"),
    binding(keys![NONE Char('-'), NONE Char('_')], "-", Lower, "fewer", "one instance fewer (Lab); zoom out (Timeline)"),
    binding(keys![NONE Char('p')], "p", Pause, "pause", "pause the workload, which ends its tasks, or resume it (Lab)"),
    binding(keys![NONE Char('r')], "r", Restart, "restart", "restart the workload with new tasks (Lab)"),
    binding(keys![NONE Char('m')], "m", SwitchMode, "", "next mode of a workload that has several"),
    binding(keys![NONE Char(' ')], "Space", Freeze, "freeze", "freeze or resume the screen; sampling continues"),
    binding(keys![NONE Char('/')], "/", Filter, "filter", "filter by words in name, state, stage and location"),
    binding(keys![NONE Char('f')], "f", SwitchFlavor, "flavor", "switch the flavor, current-thread or multi-thread; all tasks restart"),
    binding(keys![NONE Char('w')], "w", MoreWorkers, "", "one worker more, on a new multi-thread runtime"),
    binding(keys![NONE Char('W')], "W", FewerWorkers, "", "one worker fewer, on a new multi-thread runtime"),
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
    binding(keys![NONE Char('n')], "n", NextPoll, "", "move the cursor to the worker's next poll (Timeline)"),
    binding(keys![NONE Char('N')], "N", PreviousPoll, "", "move the cursor to the worker's previous poll (Timeline)"),
    binding(keys![NONE Char('i')], "i", Invert, "", "reverse the sort order"),
    binding(keys![NONE Enter], "Enter", Open, "", "open the selected row; with none selected, the worst finding"),
    binding(keys![NONE Esc], "Esc", Back, "", "back: close the details, leave the group, clear the filter"),
    binding(keys![NONE Char('<')], "<", Slower, "", "refresh less often"),
    binding(keys![NONE Char('>')], ">", Faster, "", "refresh more often"),
    binding(keys![CTRL Char('l')], "Ctrl-l", Redraw, "", "redraw the screen"),
    binding(keys![CTRL Char('z')], "Ctrl-z", Suspend, "", "suspend (fg resumes)"),
    binding(keys![NONE Char('?')], "?", Help, "help", "this help"),
    binding(keys![NONE Char('q'), CTRL Char('c')], "q Ctrl-c", Quit, "quit", "quit"),
];

/// What a key means, if anything.
pub fn action(key: KeyEvent) -> Option<Action> {
    // Shift is part of the character already.
    let modifiers = key.modifiers - KeyModifiers::SHIFT;
    let found = KEYMAP.iter().find(|binding| binding.keys.contains(&(modifiers, key.code)));
    found.map(|binding| binding.action)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_means_two_things() {
        let mut all: Vec<_> = KEYMAP.iter().flat_map(|binding| binding.keys).collect();
        let count = all.len();
        all.sort_by_key(|key| format!("{key:?}"));
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn keys_page_has_the_same_table() {
        let page = include_str!("../../docs/keys.md");
        let row = |b: &Binding| format!("| `{}` | {} |", b.label.replace(' ', "` `"), b.help);
        let table: Vec<_> = KEYMAP.iter().map(row).collect();
        assert!(page.contains(&table.join("\n")), "docs/keys.md needs:\n{}", table.join("\n"));
    }

    #[test]
    fn shift_is_part_of_the_character() {
        let key = KeyEvent::new(KeyCode::Char('G'), KeyModifiers::SHIFT);
        assert_eq!(action(key), Some(Last));
        assert_eq!(action(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::NONE)), None);
    }
}
