//! What can be on the screen: one list, what lies over it, and a question.

use std::sync::Arc;

use crate::{
    model::FindingId,
    snapshot::{ResourceKey, TaskKey},
};

/// What fills the middle of the screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Screen {
    /// The task table.
    #[default]
    Tasks,
    /// Tasks summed up by name.
    Groups,
    /// The runtime's workers.
    Workers,
    /// Who ran when.
    Timeline,
    /// What is wrong, and what was.
    Findings,
    /// The lab.
    Lab,
    /// What tasks wait for.
    Resources,
}

impl Screen {
    /// All screens, in the order of Tab.
    pub const ALL: [Screen; 7] = [
        Screen::Tasks,
        Screen::Groups,
        Screen::Workers,
        Screen::Timeline,
        Screen::Findings,
        Screen::Lab,
        Screen::Resources,
    ];
}

/// What lies over the screen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Overlay {
    /// Nothing.
    #[default]
    None,
    /// The help, scrolled down by this many lines.
    Help {
        /// Lines scrolled.
        scroll: usize,
    },
    /// The details of a resource.
    Resource {
        /// The resource.
        key: ResourceKey,
        /// Lines scrolled.
        scroll: usize,
    },
    /// The details of a task.
    Task {
        /// The task.
        key: TaskKey,
        /// Lines scrolled.
        scroll: usize,
    },
    /// The details of a finding.
    Finding {
        /// Which one.
        id: FindingId,
        /// Lines scrolled.
        scroll: usize,
    },
}

impl Overlay {
    /// How far it is scrolled, if it can be.
    pub(super) fn scroll(&mut self) -> Option<&mut usize> {
        match self {
            Overlay::None => None,
            Overlay::Help { scroll }
            | Overlay::Task { scroll, .. }
            | Overlay::Resource { scroll, .. }
            | Overlay::Finding { scroll, .. } => Some(scroll),
        }
    }
}

/// What the next keys are for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Prompt {
    /// For what the keymap says.
    #[default]
    None,
    /// They go into the filter.
    Filter,
    /// A second `x` cancels the task with this key.
    Cancel {
        /// The task.
        key: TaskKey,
        /// Its name.
        name: Arc<str>,
    },
}
