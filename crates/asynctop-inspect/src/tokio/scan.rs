//! Finding tasks by scanning memory: those in no list (blocking tasks, local sets, completed
//! tasks whose handle is kept), and as a check of the lists.

use crate::{
    memory::words_of,
    tokio::{task::VTABLE_AT, vtable::Vtables},
};

/// Alignment of tasks since Tokio 1.29.
pub const ALIGNMENT: u64 = 128;
/// Alignment before Tokio 1.29.
pub const OLD_ALIGNMENT: u64 = 16;
/// Maximum number of candidates of one scan.
const MAX_CANDIDATES: usize = 1 << 23;

/// Collects addresses where a task may begin.
#[derive(Debug)]
pub struct Scan<'a> {
    vtables: &'a Vtables,
    alignment: u64,
    /// Addresses at which a task may begin: the vtable word is right, nothing else has been tested.
    pub candidates: Vec<u64>,
}

impl<'a> Scan<'a> {
    /// A scan for tasks at multiples of `alignment`.
    ///
    /// # Panics
    ///
    /// If `alignment` is not a multiple of 8.
    pub fn new(vtables: &'a Vtables, alignment: u64) -> Self {
        assert!(alignment > 0 && alignment.is_multiple_of(8));
        Scan { vtables, alignment, candidates: Vec::new() }
    }

    /// Adds the candidates in `bytes`, which are at `address`.
    pub fn add(&mut self, address: u64, bytes: &[u8]) {
        let Some(skipped) = address.checked_next_multiple_of(self.alignment) else { return };
        let Some(bytes) = bytes.get((skipped - address) as usize..) else { return };
        let starts = bytes.chunks(self.alignment as usize);
        for (index, start) in starts.enumerate() {
            let Some(vtable) = start.get(VTABLE_AT..).and_then(|rest| words_of(rest).next()) else {
                // Old alignment: the word is the first of the next chunk.
                let at = index * self.alignment as usize + VTABLE_AT;
                let word = bytes.get(at..).and_then(|rest| words_of(rest).next());
                self.test(skipped, index, word);
                continue;
            };
            self.test(skipped, index, Some(vtable));
        }
    }

    fn test(&mut self, start: u64, index: usize, word: Option<u64>) {
        if word.is_some_and(|word| self.vtables.get(word).is_some())
            && self.candidates.len() < MAX_CANDIDATES
        {
            self.candidates.push(start + index as u64 * self.alignment);
        }
    }
}
