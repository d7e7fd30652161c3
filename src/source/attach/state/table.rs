//! Tables of objects whose ids are reused after their end.

use std::collections::HashMap;

use crate::source::attach::clock::{Moment, between};

/// The part of an entry that its table uses.
#[derive(Debug, Default)]
pub(super) struct EntryHeader {
    /// Assigned by the table; never used again.
    pub key: u64,
    /// The id in the protocol, unique only among entries that have not ended.
    pub id: u64,
    /// 0 if not known yet.
    pub created: Moment,
    /// 0 if it has not ended.
    pub ended: Moment,
}

impl EntryHeader {
    /// The header of an entry that is not in a table yet.
    pub(super) fn new(id: u64) -> EntryHeader {
        EntryHeader { id, ..EntryHeader::default() }
    }

    /// The nanoseconds from the creation to `at`, or to the end.
    pub(super) fn age_ns(&self, at: Moment) -> u64 {
        let end = if self.ended > 0 { self.ended } else { at };
        if self.created == 0 { 0 } else { between(self.created, end) }
    }
}

/// An object in a [`Table`].
pub(super) trait TableEntry {
    fn header(&self) -> &EntryHeader;
    fn header_mut(&mut self) -> &mut EntryHeader;

    fn key(&self) -> u64 {
        self.header().key
    }

    fn id(&self) -> u64 {
        self.header().id
    }

    /// 0 if it has not ended.
    fn ended(&self) -> Moment {
        self.header().ended
    }

    /// Whether stats with this time of creation belong to this entry or to one that reused its id.
    fn was_created_at(&self, created: Moment) -> bool {
        self.header().created == 0 || self.header().created == created
    }

    /// Ends the entry, if the program has not reported its end.
    fn end(&mut self, at: Moment) {
        let header = self.header_mut();
        if header.ended == 0 {
            header.ended = at.max(1);
        }
    }
}

/// Entries in the order of their keys, with an index of the current ids.
#[derive(Debug)]
pub(super) struct Table<T> {
    entries: Vec<T>,
    by_id: HashMap<u64, u32>,
    limit: usize,
    next_key: u64,
    /// Number of entries beyond the limit.
    pub refused: u64,
}

impl<T: TableEntry> Table<T> {
    /// An empty table for at most `limit` entries.
    pub(super) fn new(limit: usize) -> Self {
        Table { entries: Vec::new(), by_id: HashMap::new(), limit, next_key: 1, refused: 0 }
    }

    /// Removes all entries. Keys are not used again, also not by a restarted program.
    pub(super) fn clear(&mut self) {
        *self = Table { next_key: self.next_key, ..Table::new(self.limit) };
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
        self.get(id).map(TableEntry::key)
    }

    /// The entry with this key.
    pub(super) fn by_key(&self, key: u64) -> Option<&T> {
        let at = self.entries.binary_search_by_key(&key, TableEntry::key).ok()?;
        self.entries.get(at)
    }

    /// Adds an entry under a new key; `None` if the table is full.
    pub(super) fn push(&mut self, mut entry: T) -> Option<&mut T> {
        if self.is_full() {
            self.refused = self.refused.saturating_add(1);
            return None;
        }
        entry.header_mut().key = self.next_key;
        self.next_key += 1;
        self.by_id.insert(entry.id(), self.entries.len() as u32);
        self.entries.push(entry);
        self.entries.last_mut()
    }

    /// Removes the entries that ended before `oldest`, and all but the latest `max_ended` of the
    /// other ended entries. Returns whether any entry was removed.
    pub(super) fn remove_ended(&mut self, oldest: Moment, max_ended: usize) -> bool {
        let mut ends: Vec<Moment> =
            self.entries.iter().map(TableEntry::ended).filter(|ended| *ended > 0).collect();
        if ends.is_empty() {
            return false;
        }
        let mut oldest = oldest;
        if ends.len() > max_ended {
            // The earliest end that is kept.
            let at = ends.len() - max_ended.max(1);
            oldest = oldest.max(*ends.select_nth_unstable(at).1);
        }
        let before = self.entries.len();
        self.entries.retain(|entry| entry.ended() == 0 || entry.ended() >= oldest);
        if self.entries.len() == before {
            return false;
        }
        self.by_id.clear();
        // If entries share an id, the latest one is indexed.
        self.by_id.extend((0u32..).zip(&self.entries).map(|(at, entry)| (entry.id(), at)));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl TableEntry for EntryHeader {
        fn header(&self) -> &EntryHeader {
            self
        }
        fn header_mut(&mut self) -> &mut EntryHeader {
            self
        }
    }

    fn entry(id: u64, ended: Moment) -> EntryHeader {
        EntryHeader { ended, ..EntryHeader::new(id) }
    }

    #[test]
    fn reused_id_finds_the_latest_entry() {
        let mut table = Table::new(10);
        table.push(entry(7, 100));
        table.push(entry(8, 0));
        table.push(entry(7, 0));
        assert_eq!((table.key(7), table.by_key(1).map(EntryHeader::ended)), (Some(3), Some(100)));
        assert!(table.remove_ended(101, 10));
        assert_eq!(
            (table.key(7), table.key(8), table.by_key(1).map(EntryHeader::id)),
            (Some(3), Some(2), None)
        );
    }

    #[test]
    fn remove_ended_keeps_the_latest_ends() {
        let mut table = Table::new(10);
        for key in 1..=6 {
            table.push(entry(key, key as Moment * 10));
        }
        table.remove_ended(0, 2);
        let kept: Vec<_> = table.iter().map(TableEntry::key).collect();
        assert_eq!(kept, [5, 6]);
        assert!(!table.remove_ended(0, 2));
    }

    #[test]
    fn keys_are_not_used_again() {
        let mut table = Table::new(10);
        table.push(entry(7, 0));
        table.clear();
        table.push(entry(7, 0));
        assert_eq!((table.len(), table.key(7)), (1, Some(2)));
    }

    #[test]
    fn entries_beyond_the_limit_are_counted() {
        let mut table = Table::new(1);
        assert!(table.push(entry(1, 0)).is_some());
        assert!(table.push(entry(2, 0)).is_none());
        assert_eq!((table.len(), table.refused), (1, 1));
    }
}
