//! The thread-local blocks of a thread, found through its thread control block (TCB).
//!
//! glibc: the TCB begins with its own address and has it once more at +16; its list of blocks
//! (DTV) has 16 bytes per module. musl: the TCB begins with its own address, has two neighbors
//! in a ring at +16 and +24, and its list has 8 bytes per module.

use std::{collections::HashMap, ops::Range};

use crate::{
    memory::{Memory, MemoryExt, word_in, words_of},
    process::{
        maps::{Maps, Pages, scan},
        threads::Thread,
    },
};

/// Larger mappings are not searched for a TCB; thread stacks are 2 to 8 MB.
const MAX_SEARCHED_MAPPING: u64 = 16 << 20;
/// Maximum distance of a TCB above the stack pointer.
const MAX_STACK: u64 = 16 << 20;
/// glibc's TCB has the thread's id below this offset.
const GLIBC_TID_WITHIN: usize = 0x400;
const MUSL_TID_AT: usize = 48;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Library {
    Glibc,
    Musl,
}

/// A thread's control block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tcb {
    pub address: u64,
    pub library: Library,
}

impl Tcb {
    /// The TCB at `address` if it is one, and the one of the thread `tid`.
    fn recognize(memory: &(impl Memory + ?Sized), address: u64, tid: u32) -> Option<Tcb> {
        let bytes = memory.bytes(address, GLIBC_TID_WITHIN);
        let word = |offset| word_in(&bytes, offset);
        let is_tid = |chunk: &[u8]| chunk == tid.to_le_bytes();
        if word(0)? != address {
            return None;
        }
        if word(16)? == address {
            let (words, _) = bytes.as_chunks::<4>();
            // Only behind the pointers at the start of the TCB, which could contain the id by
            // chance.
            let found = words.iter().skip(0x100 / 4).any(|chunk| is_tid(chunk));
            return found.then_some(Tcb { address, library: Library::Glibc });
        }
        let in_ring =
            |neighbor: u64| neighbor == address || memory.word(neighbor) == Some(neighbor);
        let is_musl = is_tid(bytes.get(MUSL_TID_AT..MUSL_TID_AT + 4)?)
            && in_ring(word(16)?)
            && in_ring(word(24)?);
        is_musl.then_some(Tcb { address, library: Library::Musl })
    }

    /// The block of the module with this number; `None` if this thread has not used it yet.
    pub(crate) fn block(self, memory: &(impl Memory + ?Sized), module: u64) -> Option<u64> {
        let dtv = memory.word(self.address.checked_add(8)?)?;
        let size = match self.library {
            Library::Glibc => 16,
            Library::Musl => 8,
        };
        let block = memory.word(dtv.checked_add(module.checked_mul(size)?)?)?;
        (block != 0 && block != u64::MAX).then_some(block)
    }
}

/// Finds the TCB of each thread. Those found before are tested first.
pub(crate) fn find(
    memory: &(impl Memory + ?Sized),
    maps: &Maps,
    pages: &Pages,
    threads: &[Thread],
    known: &mut HashMap<u32, Tcb>,
) {
    known.retain(|tid, tcb| {
        threads
            .iter()
            .find(|thread| thread.tid == *tid)
            .is_some_and(|thread| Tcb::recognize(memory, tcb.address, thread.own_tid).is_some())
    });
    for thread in threads.iter().filter(|thread| !thread.name.starts_with("iou-")) {
        if known.contains_key(&thread.tid) {
            continue;
        }
        let Some(stack_pointer) = thread.place.stack_pointer() else { continue };
        let Some(mapping) = maps.find(stack_pointer) else { continue };
        let end = mapping.range.end.min(stack_pointer.saturating_add(MAX_STACK));
        if let Some(tcb) = search(memory, pages, stack_pointer..end, &[thread]).pop() {
            known.insert(tcb.0, tcb.1);
        }
    }
    // The main thread's TCB is not on its stack; running threads have no stack pointer.
    let missing = |known: &HashMap<u32, Tcb>| -> Vec<&Thread> {
        threads
            .iter()
            .filter(|thread| !known.contains_key(&thread.tid) && !thread.name.starts_with("iou-"))
            .collect()
    };
    let searched = |size: &Range<u64>| {
        maps.iter().filter({
            let size = size.clone();
            move |mapping| {
                mapping.is_data() && mapping.inode == 0 && size.contains(&mapping.length())
            }
        })
    };
    // Small mappings first: that is where the main thread's is.
    for size in [0..(1 << 20), (1 << 20)..MAX_SEARCHED_MAPPING] {
        for mapping in searched(&size) {
            let left = missing(known);
            if left.is_empty() {
                return;
            }
            known.extend(search(memory, pages, mapping.range.clone(), &left));
        }
    }
}

/// The TCBs of `threads` in a range.
fn search(
    memory: &(impl Memory + ?Sized),
    pages: &Pages,
    range: Range<u64>,
    threads: &[&Thread],
) -> Vec<(u32, Tcb)> {
    let mut candidates = Vec::new();
    let start = range.start.next_multiple_of(8);
    scan(memory, pages, start..range.end, |address, bytes| {
        let own = words_of(bytes).enumerate().map(|(i, word)| (address + i as u64 * 8, word));
        candidates.extend(own.filter(|(at, word)| at == word).map(|(at, _)| at));
    });
    let mut found = Vec::new();
    for address in candidates {
        for thread in threads {
            if let Some(tcb) = Tcb::recognize(memory, address, thread.own_tid) {
                found.push((thread.tid, tcb));
                break;
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Image;

    fn image(words: &[(u64, u64)]) -> Image {
        let mut image = Image::new([(0x1000, vec![0; 0x4000])]);
        words.iter().for_each(|&(address, word)| image.set_word(address, word));
        image
    }

    #[test]
    fn glibc_and_musl_blocks() {
        let glibc = image(&[
            (0x2000, 0x2000),
            (0x2008, 0x3000),
            (0x2010, 0x2000),
            (0x22d0, 77),
            (0x3010, 0x1100),
            (0x3020, u64::MAX),
        ]);
        let tcb = Tcb::recognize(&glibc, 0x2000, 77).expect("a TCB");
        assert_eq!(tcb.library, Library::Glibc);
        assert_eq!(tcb.block(&glibc, 1), Some(0x1100));
        assert_eq!(tcb.block(&glibc, 2), None);
        assert_eq!(tcb.block(&glibc, 3), None);
        assert_eq!(tcb.block(&glibc, u64::MAX), None);
        assert_eq!(Tcb::recognize(&glibc, 0x2000, 78), None);
        assert_eq!(Tcb::recognize(&glibc, 0x2010, 77), None);

        let ring = [(0x2010, 0x2200), (0x2018, 0x2200), (0x2200, 0x2200)];
        let mut words = vec![(0x2000, 0x2000), (0x2008, 0x3000), (0x2030, 77), (0x3008, 0x1100)];
        words.extend(ring);
        let musl = image(&words);
        let tcb = Tcb::recognize(&musl, 0x2000, 77).expect("a TCB");
        assert_eq!((tcb.library, tcb.block(&musl, 1)), (Library::Musl, Some(0x1100)));
    }
}
