//! Views over a screen, and prompts.

use std::sync::Arc;

use crate::{
    model::{FindingId, OffenderId},
    snapshot::{ResourceKey, TargetId, TaskKey},
};

/// A view over a screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Overlay {
    /// The help.
    Help,
    /// The details of a task.
    Task(TaskKey),
    /// The details of a resource.
    Resource(ResourceKey),
    /// The details of a finding.
    Finding(FindingId),
    /// The details of a row of the impact table.
    Offender(OffenderId),
}

impl Overlay {
    /// The target that the view is about.
    pub(super) fn target(&self) -> Option<TargetId> {
        match self {
            Overlay::Help => None,
            Overlay::Task(key) => Some(key.target),
            Overlay::Resource(key) => Some(key.target),
            Overlay::Finding(id) => Some(id.target),
            Overlay::Offender(id) => Some(id.target),
        }
    }
}

/// A question that the next keys answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Prompt {
    /// No question: keys are actions.
    #[default]
    None,
    /// Keys edit the filter.
    Filter,
    /// Keys choose the columns of the table.
    Columns {
        /// The position in the list of columns.
        at: usize,
    },
    /// Keys edit the words to find in the help.
    HelpSearch,
    /// A second `x` cancels the task.
    Cancel {
        /// The key of the task.
        key: TaskKey,
        /// The name of the task.
        name: Arc<str>,
    },
}
