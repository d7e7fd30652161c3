//! The one table of keys: dispatch, help, key bar and README are made from it.

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
    binding(keys![NONE Char('1')], "1", Show(Screen::Tasks), "Tasks", "the tasks, one a row"),
    binding(keys![NONE Char('2')], "2", Show(Screen::Groups), "Groups", "the tasks summed up by name; Enter shows a group's tasks"),
    binding(keys![NONE Char('3')], "3", Show(Screen::Workers), "Workers", "the runtime's workers: what each polls right now"),
    binding(keys![NONE Char('4')], "4", Show(Screen::Timeline), "Timeline", "who ran when: for each worker a strip of its last seconds"),
    binding(keys![NONE Char('5')], "5", Show(Screen::Findings), "Findings", "what is wrong, where, who waits because of it, and the cure"),
    binding(keys![NONE Char('6')], "6", Show(Screen::Lab), "Lab", "the scenario, its workloads and the hog"),
    binding(keys![NONE Char('7')], "7", Show(Screen::Resources), "Resources", "what tasks wait for, who waits and who holds it (attach)"),
    binding(keys![NONE Tab], "Tab", NextScreen, "", "the next screen"),
    binding(keys![NONE BackTab], "Shift-Tab", PreviousScreen, "", "the screen before"),
    binding(keys![NONE Char('b')], "b", ToggleHog, "hog", "release the hog, stop it again"),
    binding(keys![NONE Char('B')], "B", NextHogKind, "", "the next kind of hog"),
    binding(keys![NONE Char('[')], "[", HoldShorter, "", "the hog gives way sooner; a cure does less at a time"),
    binding(keys![NONE Char(']')], "]", HoldLonger, "", "the hog gives way later, at last never"),
    binding(keys![NONE Char('x')], "x", Cancel, "", "cancel the selected task, after a second x"),
    binding(keys![NONE Char('a')], "a", AskWhere, "where", "ask the task in the details where it waits: it is woken for that"),
    binding(keys![NONE Char('+'), NONE Char('=')], "+", Raise, "more", "one more of the selected workload (Lab); closer (Timeline)"),
    binding(keys![NONE Char('-'), NONE Char('_')], "-", Lower, "fewer", "one fewer of it (Lab); further away (Timeline)"),
    binding(keys![NONE Char('p')], "p", Pause, "pause", "end its tasks for now, or start as many again (Lab)"),
    binding(keys![NONE Char('r')], "r", Restart, "restart", "end its tasks and start as many anew (Lab)"),
    binding(keys![NONE Char('m')], "m", SwitchMode, "", "another way of working, if a workload knows several"),
    binding(keys![NONE Char(' ')], "Space", Freeze, "freeze", "stop the picture; collecting goes on"),
    binding(keys![NONE Char('/')], "/", Filter, "filter", "show only what holds these words: name, state, stage, location"),
    binding(keys![NONE Char('f')], "f", SwitchFlavor, "flavour", "current-thread or multi-thread: all tasks begin anew"),
    binding(keys![NONE Char('w')], "w", MoreWorkers, "", "one worker more, on a new multi-thread runtime"),
    binding(keys![NONE Char('W')], "W", FewerWorkers, "", "one worker less"),
    binding(keys![NONE Up, NONE Char('k')], "↑ k", Move(-1), "", "up"),
    binding(keys![NONE Down, NONE Char('j')], "↓ j", Move(1), "", "down"),
    binding(keys![NONE PageUp], "PgUp", Page(-2), "", "a page up"),
    binding(keys![NONE PageDown], "PgDn", Page(2), "", "a page down"),
    binding(keys![CTRL Char('u')], "Ctrl-u", Page(-1), "", "half a page up"),
    binding(keys![CTRL Char('d')], "Ctrl-d", Page(1), "", "half a page down"),
    binding(keys![NONE Home, NONE Char('g')], "g Home", First, "", "the first row; the oldest moment (Timeline)"),
    binding(keys![NONE End, NONE Char('G')], "G End", Last, "", "the last row; the latest moment (Timeline)"),
    binding(keys![NONE KeyCode::Left, NONE Char('h')], "← h", Left, "", "sort by the column to the left; the kind of hog before (Lab); the cursor to the left (Timeline)"),
    binding(keys![NONE KeyCode::Right, NONE Char('l')], "→ l", Right, "", "sort by the column to the right; the next kind of hog (Lab); the cursor to the right (Timeline)"),
    binding(keys![NONE Char('n')], "n", NextPoll, "", "the cursor to the next poll of the worker (Timeline)"),
    binding(keys![NONE Char('N')], "N", PreviousPoll, "", "the cursor to the poll before (Timeline)"),
    binding(keys![NONE Char('i')], "i", Invert, "", "turn the order round"),
    binding(keys![NONE Enter], "Enter", Open, "", "open what is selected; with nothing selected, what is wrong"),
    binding(keys![NONE Esc], "Esc", Back, "", "back: out of the details, the group, the filter"),
    binding(keys![NONE Char('<')], "<", Slower, "", "look less often"),
    binding(keys![NONE Char('>')], ">", Faster, "", "look more often"),
    binding(keys![CTRL Char('l')], "Ctrl-l", Redraw, "", "draw everything again"),
    binding(keys![CTRL Char('z')], "Ctrl-z", Suspend, "", "to the shell; fg comes back"),
    binding(keys![NONE Char('?')], "?", Help, "help", "this help"),
    binding(keys![NONE Char('q'), CTRL Char('c')], "q Ctrl-c", Quit, "quit", "end"),
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
    fn readme_has_the_same_table() {
        let readme = include_str!("../../README.md");
        let row = |b: &Binding| format!("| `{}` | {} |", b.label.replace(' ', "` `"), b.help);
        let table: Vec<_> = KEYMAP.iter().map(row).collect();
        assert!(readme.contains(&table.join("\n")), "README needs:\n{}", table.join("\n"));
    }

    #[test]
    fn shift_is_part_of_the_character() {
        let key = KeyEvent::new(KeyCode::Char('G'), KeyModifiers::SHIFT);
        assert_eq!(action(key), Some(Last));
        assert_eq!(action(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::NONE)), None);
    }
}
