//! Task vtables: one for each future type that is spawned.
//!
//! A vtable has seven pointers to functions, followed by the offsets of a task's trailer, scheduler
//! and id from its header; with `tokio_unstable` also that of the spawn location, behind the id. Older
//! compilers put the offsets first.

use std::{collections::HashMap, ops::Range};

use crate::memory::{Memory, MemoryExt, words_of};

const FUNCTIONS: usize = 7;
const OFFSETS: usize = 3;
/// Length of a task's header: state, next in queue, vtable, owner.
const HEADER_LENGTH: u64 = 32;
/// Upper bound of the offsets, and so of the size of a future.
const MAX_OFFSET: u64 = 1 << 24;
/// Upper bound of the vtables of one program; the largest number seen is 2,631.
const MAX_VTABLES: usize = 1 << 16;
/// Bytes read at a time.
const CHUNK: u64 = 1 << 20;
/// Maximum number of bytes read of one program or library.
const MAX_BYTES: u64 = 1 << 30;

/// The vtable of one future type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vtable {
    /// Its address.
    pub address: u64,
    /// poll, schedule, dealloc, try_read_output, drop_join_handle_slow, drop_abort_handle,
    /// shutdown.
    pub functions: [u64; FUNCTIONS],
    /// Offset of the trailer, which begins with the links of the list of tasks.
    pub trailer: u64,
    /// Offset of the pointer to the scheduler.
    pub scheduler: u64,
    /// Offset of the task's id.
    pub id: u64,
    /// Offset of the pointer to the spawn location, in programs built with `tokio_unstable`.
    pub spawn_location: Option<u64>,
}

/// The order of a vtable's words.
#[derive(Clone, Copy)]
enum Order {
    FunctionsFirst,
    OffsetsFirst,
}

impl Vtable {
    /// The vtable at the beginning of `words`, if they have its shape.
    fn recognize(
        address: u64,
        words: &[u64],
        order: Order,
        is_code: &impl Fn(u64) -> bool,
    ) -> Option<Vtable> {
        let (functions_at, offsets_at) = match order {
            Order::FunctionsFirst => (0, FUNCTIONS),
            Order::OffsetsFirst => (OFFSETS, 0),
        };
        let functions: [u64; FUNCTIONS] = *words.get(functions_at..)?.first_chunk()?;
        let [trailer, scheduler, id]: [u64; OFFSETS] = *words.get(offsets_at..)?.first_chunk()?;
        let is_offset = |word: u64| (24..MAX_OFFSET).contains(&word) && word.is_multiple_of(8);
        let is_vtable = is_offset(trailer)
            && is_offset(scheduler)
            && is_offset(id)
            && (scheduler == HEADER_LENGTH
                || scheduler == HEADER_LENGTH + 8
                || (scheduler >= 64 && scheduler.is_power_of_two()))
            && (scheduler..=scheduler.saturating_add(0x40)).contains(&id)
            && trailer > id
            && functions.iter().all(|&function| is_code(function));
        let spawn_location = words
            .get(offsets_at + OFFSETS)
            .copied()
            .filter(|&word| id.checked_add(8) == Some(word));
        is_vtable.then_some(Vtable { address, functions, trailer, scheduler, id, spawn_location })
    }

    /// Length of a task up to and including its id and spawn location.
    pub(crate) fn front(&self) -> usize {
        self.id as usize + 16
    }
}

/// All vtables of one copy of Tokio in `ranges`. `is_code` decides which addresses can be functions.
pub fn find(
    memory: &(impl Memory + ?Sized),
    ranges: &[Range<u64>],
    is_code: impl Fn(u64) -> bool,
) -> Vec<Vtable> {
    const LENGTH: usize = FUNCTIONS + OFFSETS + 1;
    const ORDERS: [Order; 2] = [Order::FunctionsFirst, Order::OffsetsFirst];
    let mut by_order = ORDERS.map(|order| (order, Vec::new()));
    let mut unread = MAX_BYTES;
    for range in ranges {
        let mut next = range.start.checked_next_multiple_of(8);
        while let Some(start) = next.filter(|start| *start < range.end)
            && unread > 0
            && by_order.iter().all(|(_, found)| found.len() < MAX_VTABLES)
        {
            // Chunks overlap, so that no vtable is cut.
            let length = (range.end - start).min(CHUNK + LENGTH as u64 * 8);
            let bytes = memory.bytes(start, length as usize);
            let words: Vec<u64> = words_of(&bytes).collect();
            for index in 0..words.len().min((CHUNK / 8) as usize) {
                let (address, words) = (start + index as u64 * 8, &words[index..]);
                for (order, found) in &mut by_order {
                    found.extend(Vtable::recognize(address, words, *order, &is_code));
                }
            }
            unread = unread.saturating_sub(length);
            let is_readable = bytes.len() as u64 == length;
            next = start.checked_add(CHUNK).filter(|_| is_readable);
        }
    }
    // A row of n vtables in one order also contains n − 1 that look like the other order.
    let [(_, functions_first), (_, offsets_first)] = by_order;
    let mut found = match functions_first.len() >= offsets_first.len() {
        true => functions_first,
        false => offsets_first,
    };
    found.truncate(MAX_VTABLES);
    // All tasks of a build have a fourth offset, or none, but a word may have its form by chance.
    let with_location = found.iter().filter(|vtable| vtable.spawn_location.is_some()).count();
    let is_unstable = with_location * 2 > found.len();
    for vtable in &mut found {
        vtable.spawn_location = is_unstable.then_some(vtable.id + 8);
    }
    found
}

/// Whether there are vtables of Tokio 1.21 and 1.22: eight functions and one offset.
pub fn has_older_shape(
    memory: &(impl Memory + ?Sized),
    ranges: &[Range<u64>],
    is_code: impl Fn(u64) -> bool,
) -> bool {
    const OLDER_FUNCTIONS: usize = 8;
    let (mut matches, mut unread) = (0, CHUNK * 64);
    for range in ranges {
        let length = range.end.saturating_sub(range.start).min(unread);
        unread -= length;
        let words: Vec<u64> = words_of(&memory.bytes(range.start, length as usize)).collect();
        matches += words
            .windows(OLDER_FUNCTIONS + 1)
            .filter(|window| {
                let offset = window[OLDER_FUNCTIONS];
                (48..MAX_OFFSET).contains(&offset)
                    && offset.is_multiple_of(8)
                    && window[..OLDER_FUNCTIONS].iter().all(|&word| is_code(word))
            })
            .count();
    }
    // One or two tables of something else may have this shape by chance.
    matches >= 3
}

/// Vtables by address.
pub type Vtables = HashMap<u64, Vtable>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Image;

    const CODE: Range<u64> = 0x1000..0x2000;

    fn table(offsets: &[u64]) -> Vec<u64> {
        (0..7).map(|i| CODE.start + i * 16).chain(offsets.iter().copied()).collect()
    }

    fn find_in(words: &[u64]) -> Vec<Vtable> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let range = 0x8000..0x8000 + bytes.len() as u64;
        find(&Image::new([(0x8000, bytes)]), &[range], |address| CODE.contains(&address))
    }

    #[test]
    fn vtables_of_stable_and_unstable_builds_are_found() {
        let stable = find_in(&[table(&[200, 32, 40]), table(&[96, 32, 40]), vec![5]].concat());
        assert_eq!(stable.len(), 2);
        assert_eq!((stable[0].trailer, stable[0].scheduler, stable[0].id), (200, 32, 40));
        assert_eq!(stable[0].spawn_location, None);
        assert_eq!(stable[1].address, 0x8000 + 80);

        let unstable = find_in(&[table(&[200, 40, 48, 56]), table(&[496, 128, 136, 144])].concat());
        assert_eq!(unstable.len(), 2);
        assert_eq!(unstable[0].spawn_location, Some(56));
        assert_eq!(unstable[1].spawn_location, Some(144));
    }

    #[test]
    fn offsets_may_be_first() {
        let functions = table(&[]);
        let words =
            [[200, 32, 40].as_slice(), &functions, &[96, 32, 40], &functions, &[5]].concat();
        let found = find_in(&words);
        let addresses: Vec<u64> = found.iter().map(|vtable| vtable.address).collect();
        assert_eq!(addresses, [0x8000, 0x8000 + 80]);
        assert_eq!((found[1].trailer, found[1].functions[0]), (96, CODE.start));
    }

    #[test]
    fn other_shapes_are_rejected() {
        let offsets: [[u64; 3]; 8] = [
            [200, 33, 40],
            [200, 32, 28],
            [40, 32, 40],
            [1 << 24, 32, 40],
            [200, 48, 56],
            [200, 32, 104],
            [204, 32, 40],
            [u64::MAX - 7, 32, 40],
        ];
        for offsets in offsets {
            assert_eq!(find_in(&table(&offsets)), [], "{offsets:?}");
        }
        let mut no_code = table(&[200, 32, 40]);
        no_code[3] = CODE.end;
        assert_eq!(find_in(&no_code), []);
    }

    /// The headers of a file may state any size.
    #[test]
    fn search_ends_with_the_memory() {
        let bytes = table(&[200, 32, 40]).iter().flat_map(|word| word.to_le_bytes()).collect();
        let memory = Image::new([(0x8000, bytes)]);
        let ranges = [0x8000..1 << 60, u64::MAX - 9..u64::MAX, u64::MAX - 3..u64::MAX];
        let is_code = |address| CODE.contains(&address);
        assert_eq!(find(&memory, &ranges, is_code).len(), 1);
        assert!(!has_older_shape(&memory, &vec![0x8000..1 << 60; 100_000], is_code));
    }

    #[test]
    fn vtable_across_two_chunks_is_found_once() {
        let mut words = vec![0; (CHUNK / 8) as usize - 4];
        words.extend(table(&[200, 32, 40]));
        assert_eq!(find_in(&words).len(), 1);
    }
}
