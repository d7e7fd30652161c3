//! The thread-local blocks of a thread, found through its thread control block (TCB).
//!
//! In glibc, the TCB begins with its own address and has it again at +16; the list of blocks (DTV)
//! has 16 bytes per module. In musl, the TCB begins with its own address and has two neighbors in a
//! ring at +16 and +24; the list has 8 bytes per module.

use std::{collections::HashMap, ops::Range};

use crate::{
    memory::{Memory, MemoryExt, word_in, words_of},
    process::{
        maps::{Maps, Pages, scan},
        threads::Thread,
    },
};

/// Maximum size of a mapping that is searched for a TCB; thread stacks have 2 to 8 MB.
const MAX_SEARCHED_MAPPING: u64 = 16 << 20;
/// Maximum distance of a TCB above the stack pointer.
const MAX_TCB_DISTANCE: u64 = 16 << 20;
/// Range of the offset of the thread's id in glibc's TCB. The pointers before it could contain the
/// id by chance.
const GLIBC_TID_OFFSETS: Range<usize> = 0x100..0x400;
const MUSL_TID_OFFSET: usize = 48;

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
    /// The TCB at `address`, if it is the one of the thread `tid`.
    fn recognize(memory: &(impl Memory + ?Sized), address: u64, tid: u32) -> Option<Tcb> {
        let bytes = memory.bytes(address, GLIBC_TID_OFFSETS.end);
        let word = |offset| word_in(&bytes, offset);
        let is_tid = |chunk: &[u8]| chunk == tid.to_le_bytes();
        if word(0)? != address {
            return None;
        }
        if word(16)? == address {
            let has_tid = bytes.get(GLIBC_TID_OFFSETS.start..)?.chunks_exact(4).any(is_tid);
            return has_tid.then_some(Tcb { address, library: Library::Glibc });
        }
        let in_ring =
            |neighbor: u64| neighbor == address || memory.word(neighbor) == Some(neighbor);
        let is_musl = is_tid(bytes.get(MUSL_TID_OFFSET..MUSL_TID_OFFSET + 4)?)
            && in_ring(word(16)?)
            && in_ring(word(24)?);
        is_musl.then_some(Tcb { address, library: Library::Musl })
    }

    /// The thread-local block of the module with this number; `None` if the thread has not used it.
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

/// Finds the TCB of each thread, and removes those of threads that have ended from `known`.
pub(crate) fn find(
    memory: &(impl Memory + ?Sized),
    maps: &Maps,
    pages: &Pages,
    threads: &[Thread],
    known: &mut HashMap<u32, Tcb>,
) {
    known.retain(|tid, tcb| {
        threads.iter().any(|thread| {
            thread.tid == *tid && Tcb::recognize(memory, tcb.address, thread.own_tid).is_some()
        })
    });
    // The kernel's threads for io_uring have no TCB.
    let mut missing: Vec<&Thread> = threads
        .iter()
        .filter(|thread| !known.contains_key(&thread.tid) && !thread.name.starts_with("iou-"))
        .collect();
    missing.retain(|thread| {
        let tcb = thread.stack_pointer().and_then(|stack_pointer| {
            let mapping_end = maps.find(stack_pointer)?.range.end;
            let end = mapping_end.min(stack_pointer.saturating_add(MAX_TCB_DISTANCE));
            search(memory, pages, stack_pointer..end, &[thread]).pop()
        });
        known.extend(tcb);
        tcb.is_none()
    });
    // The main thread's TCB is not on its stack, but in a small mapping. Running threads have no
    // known stack pointer.
    for sizes in [0..(1 << 20), (1 << 20)..MAX_SEARCHED_MAPPING] {
        for mapping in maps.iter().filter(|mapping| mapping.is_data() && mapping.inode == 0) {
            if !missing.is_empty() && sizes.contains(&mapping.length()) {
                known.extend(search(memory, pages, mapping.range.clone(), &missing));
                missing.retain(|thread| !known.contains_key(&thread.tid));
            }
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
        let words = (address..).step_by(8).zip(words_of(bytes));
        candidates.extend(words.filter(|(address, word)| address == word).map(|(_, word)| word));
    });
    let tcb_at = |address: u64| {
        threads
            .iter()
            .find_map(|thread| Some((thread.tid, Tcb::recognize(memory, address, thread.own_tid)?)))
    };
    candidates.into_iter().filter_map(tcb_at).collect()
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
    fn blocks_are_found_in_glibc_and_musl() {
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
