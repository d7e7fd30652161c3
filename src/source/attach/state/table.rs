//! Things with an id that is used again once they are gone.

use std::collections::HashMap;

use crate::source::attach::clock::{Moment, between};

/// What a table has to know of what it keeps.
#[derive(Debug, Default)]
pub(super) struct Life {
    /// Given by the table, once and never again.
    pub key: u64,
    /// The id on the wire, unique among what lives only.
    pub id: u64,
    /// When it was made; 0 as long as that is not known.
    pub made: Moment,
    /// When it ended; 0 while it lives.
    pub ended: Moment,
}

impl Life {
    /// Of something that has no key yet.
    pub(super) fn new(id: u64) -> Life {
        Life { id, ..Life::default() }
    }

    /// How long it has been there at this moment, or until it ended, in nanoseconds.
    pub(super) fn age_ns(&self, at: Moment) -> u64 {
        let end = if self.ended > 0 { self.ended } else { at };
        if self.made == 0 { 0 } else { between(self.made, end) }
    }
}

/// Something that a table keeps.
pub(super) trait Entry {
    fn life(&self) -> &Life;
    fn life_mut(&mut self) -> &mut Life;

    fn key(&self) -> u64 {
        self.life().key
    }

    fn id(&self) -> u64 {
        self.life().id
    }

    /// When it ended; 0 while it lives.
    fn ended(&self) -> Moment {
        self.life().ended
    }

    /// It is gone, without a word from the target.
    fn end(&mut self, at: Moment) {
        let life = self.life_mut();
        if life.ended == 0 {
            life.ended = at.max(1);
        }
    }
}

/// Entries in the order of their keys, found by the ids that they have now.
#[derive(Debug)]
pub(super) struct Table<T> {
    entries: Vec<T>,
    by_id: HashMap<u64, u32>,
    limit: usize,
    next_key: u64,
    /// How many found no room.
    pub refused: u64,
}

impl<T: Entry> Table<T> {
    /// An empty table for at most this many entries.
    pub(super) fn new(limit: usize) -> Self {
        Table { entries: Vec::new(), by_id: HashMap::new(), limit, next_key: 1, refused: 0 }
    }

    /// Forgets all entries.
    pub(super) fn clear(&mut self) {
        *self = Table::new(self.limit);
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.entries.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.entries.iter_mut()
    }

    /// Whether another one would be refused.
    pub(super) fn is_full(&self) -> bool {
        self.entries.len() >= self.limit
    }

    /// The latest entry with this id.
    pub(super) fn get(&self, id: u64) -> Option<&T> {
        self.entries.get(*self.by_id.get(&id)? as usize)
    }

    /// The latest entry with this id.
    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut T> {
        self.entries.get_mut(*self.by_id.get(&id)? as usize)
    }

    /// The key of the latest entry with this id.
    pub(super) fn key(&self, id: u64) -> Option<u64> {
        self.get(id).map(Entry::key)
    }

    /// The entry with this key.
    pub(super) fn by_key(&self, key: u64) -> Option<&T> {
        let at = self.entries.binary_search_by_key(&key, Entry::key).ok()?;
        self.entries.get(at)
    }

    /// Adds an entry under a new key, if there is room.
    pub(super) fn push(&mut self, mut entry: T) -> Option<&mut T> {
        if self.is_full() {
            self.refused = self.refused.saturating_add(1);
            return None;
        }
        entry.life_mut().key = self.next_key;
        self.next_key += 1;
        self.by_id.insert(entry.id(), self.entries.len() as u32);
        self.entries.push(entry);
        self.entries.last_mut()
    }

    /// Forgets what ended before `oldest`, and of the rest all but the latest `most`.
    /// Returns whether anything was forgotten.
    pub(super) fn sweep(&mut self, oldest: Moment, most: usize) -> bool {
        let mut ends: Vec<Moment> =
            self.entries.iter().map(Entry::ended).filter(|ended| *ended > 0).collect();
        if ends.is_empty() {
            return false;
        }
        let mut oldest = oldest;
        if ends.len() > most {
            // The least of the ends that may stay.
            let at = ends.len() - most.max(1);
            oldest = oldest.max(*ends.select_nth_unstable(at).1);
        }
        let before = self.entries.len();
        self.entries.retain(|entry| entry.ended() == 0 || entry.ended() >= oldest);
        if self.entries.len() == before {
            return false;
        }
        self.by_id.clear();
        // A later entry takes the id over.
        self.by_id.extend((0u32..).zip(&self.entries).map(|(at, entry)| (entry.id(), at)));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Entry for Life {
        fn life(&self) -> &Life {
            self
        }
        fn life_mut(&mut self) -> &mut Life {
            self
        }
    }

    fn entry(id: u64, ended: Moment) -> Life {
        Life { ended, ..Life::new(id) }
    }

    #[test]
    fn an_id_is_that_of_its_latest_bearer() {
        let mut table = Table::new(10);
        table.push(entry(7, 100));
        table.push(entry(8, 0));
        table.push(entry(7, 0));
        assert_eq!((table.key(7), table.by_key(1).map(Life::ended)), (Some(3), Some(100)));
        assert!(table.sweep(101, 10));
        assert_eq!(
            (table.key(7), table.key(8), table.by_key(1).map(Life::id)),
            (Some(3), Some(2), None)
        );
    }

    #[test]
    fn the_latest_ends_stay() {
        let mut table = Table::new(10);
        for key in 1..=6 {
            table.push(entry(key, key as Moment * 10));
        }
        table.sweep(0, 2);
        let kept: Vec<_> = table.iter().map(Entry::key).collect();
        assert_eq!(kept, [5, 6]);
        assert!(!table.sweep(0, 2));
    }

    #[test]
    fn what_finds_no_room_is_counted() {
        let mut table = Table::new(1);
        assert!(table.push(entry(1, 0)).is_some());
        assert!(table.push(entry(2, 0)).is_none());
        assert_eq!((table.len(), table.refused), (1, 1));
    }
}
