//! Groups of tasks on the timeline. A group keeps its letter.

use std::{collections::HashMap, sync::Arc};

/// The index of the group for tasks that are in no snapshot.
pub(super) const UNKNOWN_GROUP: u16 = 0;
/// The index of the group for all groups beyond [`MAX_GROUPS`]: the number of names has no bound.
const OTHER_GROUPS: u16 = 1;
const MAX_GROUPS: usize = 1_000;

/// A group that was polled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PollGroup {
    /// The group's name.
    pub name: Arc<str>,
    /// A letter that no other group has, or `*` if all letters are in use.
    pub letter: char,
}

/// The groups, in the order of their first polls. Indices and letters do not change.
#[derive(Clone, Debug)]
pub(super) struct Groups {
    all: Vec<PollGroup>,
    indices: HashMap<Arc<str>, u16>,
}

impl Default for Groups {
    fn default() -> Self {
        let special = |name: &str, letter| PollGroup { name: name.into(), letter };
        Groups { all: vec![special("ended", '?'), special("others", '*')], indices: HashMap::new() }
    }
}

impl Groups {
    pub(super) fn all(&self) -> &[PollGroup] {
        &self.all
    }

    /// The index of the group with this name, which is added if it is new.
    pub(super) fn index(&mut self, name: &Arc<str>) -> u16 {
        if let Some(index) = self.indices.get(name) {
            return *index;
        }
        if self.all.len() >= MAX_GROUPS {
            return OTHER_GROUPS;
        }
        let index = self.all.len() as u16;
        self.all.push(PollGroup { name: Arc::clone(name), letter: self.free_letter(name) });
        self.indices.insert(Arc::clone(name), index);
        index
    }

    /// A letter that is not in use, if possible one of the name.
    fn free_letter(&self, name: &str) -> char {
        let of_name = name.chars().filter(char::is_ascii_alphanumeric);
        let of_name = of_name.map(|letter| letter.to_ascii_uppercase());
        let mut letters = of_name.chain('A'..='Z').chain('0'..='9').chain('a'..='z');
        let is_used = |letter: &char| self.all.iter().any(|group| group.letter == *letter);
        letters.find(|letter| !is_used(letter)).unwrap_or('*')
    }
}
