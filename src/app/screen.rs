//! A screen, as far as the state knows it.

use super::{Action, App, Cursor, List, Overlay, RowKey, keymap::Binding};
use crate::{
    model::{RowQuery, Scope},
    snapshot::{FieldId, Subscription},
};

/// The name of a screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScreenId(pub &'static str);

/// The facts about a screen that the state needs.
#[derive(Clone, Copy, Debug)]
pub struct ScreenSpec {
    /// The name of the screen.
    pub id: ScreenId,
    /// The key that shows the screen.
    pub binding: Binding,
    /// The rows of the screen.
    pub list: List,
    /// The field without which the screen is empty. Tab skips a screen whose field the target lacks.
    pub needs: Option<FieldId>,
    /// The keys with a meaning or a word in the footer that is specific to the screen.
    pub keys: &'static [ScreenKey],
    /// Adds the optional parts of snapshots that the screen shows.
    pub subscribe: fn(&mut Subscription),
    /// The view that Enter opens for the selected row, or why it opens none.
    pub open: fn(&App) -> Result<Opened, &'static str>,
}

/// A key that is specific to a screen.
#[derive(Clone, Copy, Debug)]
pub struct ScreenKey {
    /// The key, identified by its action on other screens.
    pub key: Action,
    /// The action of the key on this screen.
    pub action: Action,
    /// The word in the footer; empty if the footer does not show the key.
    pub short: &'static str,
    /// The footer drops keys with a high rank first.
    pub rank: u8,
    /// The description in the help; empty if it is that of the key.
    pub help: &'static str,
}

impl ScreenKey {
    /// A key that has another action on the screen.
    pub const fn new(key: Action, action: Action) -> Self {
        ScreenKey { key, action, short: "", rank: 0, help: "" }
    }

    /// The description of the key on this screen.
    pub const fn help(self, help: &'static str) -> Self {
        ScreenKey { help, ..self }
    }

    /// Shows the key in the footer.
    pub const fn in_footer(self, short: &'static str, rank: u8) -> Self {
        ScreenKey { short, rank, ..self }
    }
}

/// The view that Enter opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// A view over the screen.
    Overlay(Overlay),
    /// The screen with these rows.
    List(List),
    /// The tasks of a group or a workload, which is pinned.
    Pin(Scope),
}

/// The state of a screen.
#[derive(Clone, Debug)]
pub struct ScreenState {
    /// The facts about the screen.
    pub spec: &'static ScreenSpec,
    /// The rows and their order.
    pub query: RowQuery,
    /// The selected row.
    pub cursor: Cursor<RowKey>,
    /// Lines scrolled, on a screen that is longer than the terminal.
    pub scroll: usize,
}

impl ScreenState {
    pub(super) fn new(spec: &'static ScreenSpec) -> Self {
        ScreenState { spec, query: spec.list.query(), cursor: Cursor::default(), scroll: 0 }
    }

    /// The action of a key on this screen.
    pub(super) fn action(&self, key: Action) -> Action {
        self.key(key).map_or(key, |own| own.action)
    }

    /// The entry of a key that is specific to this screen.
    pub fn key(&self, key: Action) -> Option<&'static ScreenKey> {
        self.spec.keys.iter().find(|own| own.key == key)
    }
}
