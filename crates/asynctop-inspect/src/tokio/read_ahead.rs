//! Reading whole blocks of memory, because neighbors in a list of tasks are often neighbors in
//! memory.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
};

use crate::memory::{Memory, Span};

/// Size of a block.
const BLOCK: u64 = 1 << 14;
/// Blocks are read only while at least one byte in this many is used.
const MAX_BYTES_PER_USED: u64 = 64;
/// Bytes that are read before their use is measured.
const TRIAL_BYTES: u64 = 64 * BLOCK;
/// Maximum number of bytes cached.
const MAX_CACHED: u64 = 1 << 28;

/// Memory whose gathers read whole blocks, each block once: its content is that at the first use.
/// Single reads are not affected.
pub(super) struct ReadAhead<'a, M: ?Sized> {
    memory: &'a M,
    cache: RefCell<BlockCache>,
}

#[derive(Default)]
struct BlockCache {
    /// A block that cannot be read completely is empty.
    blocks: Vec<Vec<u8>>,
    /// Indices of the blocks by address.
    index: HashMap<u64, usize>,
    /// The latest result of [`BlockCache::find`].
    latest: Cell<Option<(u64, usize)>>,
    used: u64,
    read: u64,
}

impl<'a, M: Memory + ?Sized> ReadAhead<'a, M> {
    pub(super) fn new(memory: &'a M) -> Self {
        ReadAhead { memory, cache: RefCell::default() }
    }
}

impl BlockCache {
    /// Whether reading blocks is cheaper than reading spans.
    fn is_useful(&self) -> bool {
        self.read < TRIAL_BYTES
            || (self.read < MAX_CACHED && self.read / MAX_BYTES_PER_USED < self.used)
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

    /// Reads the missing blocks of `spans`.
    fn load(&mut self, memory: &(impl Memory + ?Sized), spans: &[Span]) {
        let ends = spans.iter().flat_map(|span| [span.address, last_address(span)]);
        let mut missing: Vec<u64> =
            ends.map(block_start).filter(|&block| self.find(block).is_none()).collect();
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

    /// Copies a span of at most two blocks. Returns whether it is completely cached.
    fn copy(&self, span: &Span, mut target: &mut [u8]) -> bool {
        let mut address = span.address;
        while !target.is_empty() {
            let Some(index) = self.find(block_start(address)) else { return false };
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

fn block_start(address: u64) -> u64 {
    address / BLOCK * BLOCK
}

fn last_address(span: &Span) -> u64 {
    span.address.saturating_add(span.length.saturating_sub(1) as u64)
}

impl<M: Memory + ?Sized> Memory for ReadAhead<'_, M> {
    fn read(&self, address: u64, buffer: &mut [u8]) -> usize {
        self.memory.read(address, buffer)
    }

    fn gather(&self, spans: &[Span], mut buffer: &mut [u8]) -> Vec<bool> {
        let mut cache = self.cache.borrow_mut();
        if !cache.is_useful() {
            return self.memory.gather(spans, buffer);
        }
        cache.load(self.memory, spans);
        let mut complete = Vec::with_capacity(spans.len());
        for span in spans {
            let (part, rest) = buffer.split_at_mut(span.length);
            let is_cached = cache.copy(span, part);
            cache.used += if is_cached { span.length as u64 } else { 0 };
            let is_complete = is_cached || self.memory.read(span.address, part) == span.length;
            if !is_complete {
                part.fill(0);
            }
            complete.push(is_complete);
            buffer = rest;
        }
        complete
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{Image, words_of};

    /// Counts the gathers.
    struct Counted {
        image: Image,
        gathers: Cell<usize>,
    }

    impl Memory for Counted {
        fn read(&self, address: u64, buffer: &mut [u8]) -> usize {
            self.image.read(address, buffer)
        }

        fn gather(&self, spans: &[Span], buffer: &mut [u8]) -> Vec<bool> {
            self.gathers.set(self.gathers.get() + 1);
            self.image.gather(spans, buffer)
        }
    }

    fn gather(memory: &impl Memory, address: u64) -> (u64, Vec<bool>) {
        let mut buffer = [9; 8];
        let complete = memory.gather(&[Span { address, length: 8 }], &mut buffer);
        (words_of(&buffer).next().expect("8 bytes"), complete)
    }

    #[test]
    fn each_block_is_read_once() {
        let bytes = (0..2 * BLOCK / 8).flat_map(u64::to_le_bytes).collect();
        let memory = Counted { image: Image::new([(BLOCK, bytes)]), gathers: Cell::new(0) };
        let ahead = ReadAhead::new(&memory);
        for word in [0, 7, 1000, 2040] {
            assert_eq!(gather(&ahead, BLOCK + word * 8), (word, vec![true]));
        }
        assert_eq!(memory.gathers.get(), 1);
        // Across the border of two blocks.
        let (word, complete) = gather(&ahead, 2 * BLOCK - 4);
        assert_eq!((word >> 32, complete), (2048, vec![true]));
        assert_eq!(memory.gathers.get(), 2);
    }

    #[test]
    fn incomplete_blocks_are_read_span_by_span() {
        let memory = Image::new([(BLOCK + 64, vec![1; 64])]);
        let ahead = ReadAhead::new(&memory);
        assert_eq!(gather(&ahead, BLOCK + 72), (0x0101_0101_0101_0101, vec![true]));
        assert_eq!(gather(&ahead, BLOCK + 124), (0, vec![false]));
        assert_eq!(gather(&ahead, u64::MAX - 3), (0, vec![false]));
    }

    #[test]
    fn distant_spans_are_not_read_ahead() {
        let image = Image::new([(0, vec![0; 4096 * BLOCK as usize])]);
        let memory = Counted { image, gathers: Cell::new(0) };
        let ahead = ReadAhead::new(&memory);
        for block in 0..4096 {
            assert!(gather(&ahead, block * BLOCK).1[0]);
        }
        assert!(ahead.cache.borrow().read <= TRIAL_BYTES + BLOCK);
    }
}
