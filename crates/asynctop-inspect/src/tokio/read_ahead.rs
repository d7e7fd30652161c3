//! Reading whole blocks of memory: neighbors in a list of tasks are often neighbors in memory, too.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
};

use crate::memory::{Memory, Span};

/// Bytes read at once.
const BLOCK: u64 = 1 << 14;
/// Blocks are read only while at least one byte in so many is used.
const MAX_WASTE: u64 = 64;
/// The waste is not judged before so many bytes have been read.
const TRIED: u64 = 64 * BLOCK;
/// Maximum number of bytes kept.
const MAX_KEPT: u64 = 1 << 28;

/// Memory whose gathers read whole blocks, and each block once: the content is as old as its first
/// use. Single reads are not affected.
pub(super) struct ReadAhead<'a, M: ?Sized> {
    memory: &'a M,
    kept: RefCell<Kept>,
}

#[derive(Default)]
struct Kept {
    /// Empty if it cannot be read completely.
    blocks: Vec<Vec<u8>>,
    /// Indices of the blocks by address.
    index: HashMap<u64, usize>,
    /// The latest result of [`Kept::find`].
    latest: Cell<Option<(u64, usize)>>,
    used: u64,
    read: u64,
}

impl<'a, M: Memory + ?Sized> ReadAhead<'a, M> {
    pub(super) fn new(memory: &'a M) -> Self {
        ReadAhead { memory, kept: RefCell::default() }
    }
}

impl Kept {
    /// Whether reading blocks is cheaper than reading spans.
    fn is_useful(&self) -> bool {
        self.read < TRIED || (self.read < MAX_KEPT && self.read / MAX_WASTE < self.used)
    }

    /// The index of the block at `address`. Consecutive spans are mostly in the same block.
    fn find(&self, address: u64) -> Option<usize> {
        if let Some((_, index)) = self.latest.get().filter(|(latest, _)| *latest == address) {
            return Some(index);
        }
        let index = *self.index.get(&address)?;
        self.latest.set(Some((address, index)));
        Some(index)
    }

    fn load(&mut self, memory: &(impl Memory + ?Sized), spans: &[Span]) {
        let starts = spans.iter().map(|span| block_of(span.address));
        let ends = spans.iter().map(|span| block_of(last(span)));
        let mut missing: Vec<u64> =
            starts.chain(ends).filter(|&block| self.find(block).is_none()).collect();
        if missing.is_empty() {
            return;
        }
        missing.sort_unstable();
        missing.dedup();
        let length = BLOCK as usize;
        let blocks: Vec<Span> = missing.iter().map(|&address| Span { address, length }).collect();
        let mut buffer = vec![0; blocks.len() * length];
        let complete = memory.gather(&blocks, &mut buffer);
        self.read += buffer.len() as u64;
        let first = self.blocks.len();
        self.index.extend(missing.into_iter().zip(first..));
        let parts = buffer.chunks(length).zip(complete);
        self.blocks.extend(parts.map(|(bytes, complete)| match complete {
            true => bytes.to_vec(),
            false => Vec::new(),
        }));
    }

    /// Copies a span of at most two blocks. Returns whether it is completely known.
    fn copy(&self, span: &Span, mut target: &mut [u8]) -> bool {
        let mut address = span.address;
        while !target.is_empty() {
            let Some(index) = self.find(block_of(address)) else { return false };
            let rest = self.blocks[index].get((address % BLOCK) as usize..).unwrap_or_default();
            let length = rest.len().min(target.len());
            if length == 0 {
                return false;
            }
            target[..length].copy_from_slice(&rest[..length]);
            target = &mut target[length..];
            address = address.wrapping_add(length as u64);
        }
        true
    }
}

fn block_of(address: u64) -> u64 {
    address / BLOCK * BLOCK
}

fn last(span: &Span) -> u64 {
    span.address.saturating_add(span.length.saturating_sub(1) as u64)
}

impl<M: Memory + ?Sized> Memory for ReadAhead<'_, M> {
    fn read(&self, address: u64, buffer: &mut [u8]) -> usize {
        self.memory.read(address, buffer)
    }

    fn gather(&self, spans: &[Span], buffer: &mut [u8]) -> Vec<bool> {
        let mut kept = self.kept.borrow_mut();
        if !kept.is_useful() {
            return self.memory.gather(spans, buffer);
        }
        kept.load(self.memory, spans);
        let mut at = 0;
        let mut complete = Vec::with_capacity(spans.len());
        for span in spans {
            let part = &mut buffer[at..at + span.length];
            at += span.length;
            let is_known = kept.copy(span, part);
            kept.used += if is_known { span.length as u64 } else { 0 };
            let is_complete = is_known || self.memory.read(span.address, part) == span.length;
            if !is_complete {
                part.fill(0);
            }
            complete.push(is_complete);
        }
        complete
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{Image, words_of};

    /// Counts the calls.
    struct Counted {
        image: Image,
        calls: Cell<usize>,
    }

    impl Memory for Counted {
        fn read(&self, address: u64, buffer: &mut [u8]) -> usize {
            self.image.read(address, buffer)
        }

        fn gather(&self, spans: &[Span], buffer: &mut [u8]) -> Vec<bool> {
            self.calls.set(self.calls.get() + 1);
            self.image.gather(spans, buffer)
        }
    }

    fn gather(memory: &impl Memory, address: u64) -> (u64, Vec<bool>) {
        let mut buffer = [9; 8];
        let complete = memory.gather(&[Span { address, length: 8 }], &mut buffer);
        (words_of(&buffer).next().expect("8 bytes"), complete)
    }

    #[test]
    fn neighbors_are_read_once() {
        let bytes = (0..2 * BLOCK / 8).flat_map(u64::to_le_bytes).collect();
        let memory = Counted { image: Image::new([(BLOCK, bytes)]), calls: Cell::new(0) };
        let ahead = ReadAhead::new(&memory);
        for word in [0, 7, 1000, 2040] {
            assert_eq!(gather(&ahead, BLOCK + word * 8), (word, vec![true]));
        }
        assert_eq!(memory.calls.get(), 1);
        // Across the border of two blocks.
        let (word, complete) = gather(&ahead, 2 * BLOCK - 4);
        assert_eq!((word >> 32, complete), (2048, vec![true]));
        assert_eq!(memory.calls.get(), 2);
    }

    #[test]
    fn a_block_that_is_not_mapped_completely_is_read_as_far_as_it_is() {
        let memory = Image::new([(BLOCK + 64, vec![1; 64])]);
        let ahead = ReadAhead::new(&memory);
        assert_eq!(gather(&ahead, BLOCK + 72), (0x0101_0101_0101_0101, vec![true]));
        assert_eq!(gather(&ahead, BLOCK + 124), (0, vec![false]));
        assert_eq!(gather(&ahead, u64::MAX - 3), (0, vec![false]));
    }

    #[test]
    fn tasks_far_apart_are_read_alone() {
        let image = Image::new([(0, vec![0; 4096 * BLOCK as usize])]);
        let memory = Counted { image, calls: Cell::new(0) };
        let ahead = ReadAhead::new(&memory);
        for block in 0..4096 {
            assert!(gather(&ahead, block * BLOCK).1[0]);
        }
        assert!(ahead.kept.borrow().read <= TRIED + BLOCK);
    }
}
