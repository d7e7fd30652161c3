//! Which tasks to show, in which order.

use std::sync::Arc;

use super::Column;

/// What the user typed after `/`: words that a task's name, state, stage or location
/// must contain, each of them, whatever the case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    words: Vec<String>,
}

impl Filter {
    /// The filter that `text` describes.
    pub fn new(text: &str) -> Self {
        Filter { words: text.split_whitespace().map(str::to_lowercase).collect() }
    }

    /// Whether everything passes.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }
}

/// Which tasks, in which order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// What to sort by. Ties are broken by number, so that rows do not jump about.
    pub sort: Column,
    /// The greatest first.
    pub descending: bool,
    /// Which tasks pass.
    pub filter: Filter,
    /// Only the tasks of this group.
    pub group: Option<Arc<str>>,
}

impl Default for Query {
    fn default() -> Self {
        Query { sort: Column::BusyShare, descending: true, filter: Filter::default(), group: None }
    }
}
