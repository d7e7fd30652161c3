//! Finding tasks by scanning memory: tasks in no list (blocking tasks, local sets, completed tasks
//! whose handle is kept), and as a check of the lists.

use crate::{
    memory::word_in,
    tokio::{task::VTABLE_AT, vtable::Vtables},
};

/// Alignment of tasks since Tokio 1.29.
pub const ALIGNMENT: u64 = 128;
/// Alignment before Tokio 1.29.
pub const OLD_ALIGNMENT: u64 = 16;
/// Maximum number of candidates of one scan.
const MAX_CANDIDATES: usize = 1 << 23;

/// Collects the addresses at which a task may begin.
#[derive(Debug)]
pub struct Scan<'a> {
    vtables: &'a Vtables,
    alignment: u64,
    /// The addresses that have a vtable where a task has it. Nothing else has been tested.
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
        let Some(first) = address.checked_next_multiple_of(self.alignment) else { return };
        for offset in ((first - address) as usize..bytes.len()).step_by(self.alignment as usize) {
            let vtable = word_in(bytes, offset + VTABLE_AT);
            let is_task = vtable.is_some_and(|vtable| self.vtables.contains_key(&vtable));
            if is_task && self.candidates.len() < MAX_CANDIDATES {
                self.candidates.push(address + offset as u64);
            }
        }
    }
}
