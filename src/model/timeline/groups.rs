//! Groups of tasks, each with a letter that stays its own.

use std::{collections::HashMap, sync::Arc};

/// The place of the group of tasks that nothing is known of.
pub const UNKNOWN: u16 = 0;
/// Where what does not fit goes: names may be endless.
const REST: u16 = 1;
const MOST: usize = 1_000;

/// A group that was polled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PollGroup {
    /// Its name.
    pub name: Arc<str>,
    /// Its letter: no other group has it, but for `*`.
    pub letter: char,
}

/// The groups, in the order in which they came; a group keeps its place and its letter.
#[derive(Clone, Debug)]
pub(super) struct Groups {
    all: Vec<PollGroup>,
    places: HashMap<Arc<str>, u16>,
}

impl Default for Groups {
    fn default() -> Self {
        let special = |name: &str, letter| PollGroup { name: name.into(), letter };
        Groups { all: vec![special("ended", '?'), special("others", '*')], places: HashMap::new() }
    }
}

impl Groups {
    pub(super) fn all(&self) -> &[PollGroup] {
        &self.all
    }

    /// The place of the group with this name, a new one if it has none yet.
    pub(super) fn place(&mut self, name: &Arc<str>) -> u16 {
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        if self.all.len() >= MOST {
            return REST;
        }
        let place = self.all.len() as u16;
        self.all.push(PollGroup { name: Arc::clone(name), letter: self.letter(name) });
        self.places.insert(Arc::clone(name), place);
        place
    }

    /// A letter that is still to be had: of the name, if possible.
    fn letter(&self, name: &str) -> char {
        let of_name = name.chars().filter(char::is_ascii_alphanumeric);
        let of_name = of_name.map(|letter| letter.to_ascii_uppercase());
        let mut wanted = of_name.chain('A'..='Z').chain('0'..='9').chain('a'..='z');
        let taken = |letter: &char| self.all.iter().any(|group| group.letter == *letter);
        wanted.find(|letter| !taken(letter)).unwrap_or('*')
    }
}
