//! Rust's ids of threads, which the workers' counters and the thread-local blocks both have.

use std::collections::{HashMap, HashSet};

use crate::inspect::blocks::Block;

/// The threads by Rust's id, for each copy of the standard library.
pub(super) struct ThreadIds(Vec<HashMap<u64, u32>>);

impl ThreadIds {
    /// Finds the word of the blocks that has these ids, which are those of all workers: a single
    /// small number also occurs elsewhere.
    pub(super) fn find(blocks: &[Block], ids: &[u64]) -> ThreadIds {
        let modules: HashSet<usize> = blocks.iter().map(|block| block.module).collect();
        let in_module = |module| {
            let own: Vec<&Block> = blocks.iter().filter(|block| block.module == module).collect();
            let length = own.iter().map(|block| block.words.len()).max().unwrap_or(0);
            // The first of several equally good ones.
            let offsets = (0..length).rev().filter_map(|offset| threads_at(&own, offset));
            offsets.max_by_key(|threads| {
                let matched = ids.iter().filter(|id| threads.contains_key(id)).count();
                (matched, threads.len())
            })
        };
        ThreadIds(modules.into_iter().filter_map(in_module).collect())
    }

    /// The threads with these ids, which belong to one runtime.
    pub(super) fn threads(&self, ids: &[u64]) -> Vec<Option<u32>> {
        let in_copy = |threads: &HashMap<u64, u32>| -> Vec<Option<u32>> {
            ids.iter().map(|id| threads.get(id).copied()).collect()
        };
        let best = self.0.iter().map(in_copy).max_by_key(|tids| tids.iter().flatten().count());
        best.unwrap_or_else(|| vec![None; ids.len()])
    }
}

/// The threads by the word at `offset` of their blocks; `None` if two have the same, because ids
/// are unique.
fn threads_at(blocks: &[&Block], offset: usize) -> Option<HashMap<u64, u32>> {
    let mut threads = HashMap::new();
    for block in blocks {
        let word = block.words.get(offset).copied().filter(|word| *word != 0);
        if word.is_some_and(|word| threads.insert(word, block.tid).is_some()) {
            return None;
        }
    }
    Some(threads)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(tid: u32, module: usize, words: &[u64]) -> Block {
        Block { tid, module, address: 0, words: words.to_vec() }
    }

    /// Word 1 is the current task, word 2 the thread's id.
    #[test]
    fn a_current_task_with_the_number_of_a_thread_is_not_its_id() {
        let blocks = [
            block(101, 0, &[9, 0, 1]),
            block(102, 0, &[9, 4, 2]),
            block(103, 0, &[9, 0, 3]),
            block(104, 0, &[9, 0, 4]),
        ];
        let all = ThreadIds::find(&blocks, &[2, 3, 4]);
        assert_eq!(all.threads(&[2, 3]), [Some(102), Some(103)]);
        assert_eq!(all.threads(&[4]), [Some(104)]);
        let one = ThreadIds::find(&blocks, &[4]);
        assert_eq!(one.threads(&[4]), [Some(104)], "most threads have an id, few a task");
    }

    #[test]
    fn copies_of_the_standard_library_count_threads_separately() {
        let blocks = [
            block(101, 0, &[1]),
            block(102, 0, &[2]),
            block(103, 1, &[0, 1]),
            block(104, 1, &[0, 2]),
            block(105, 1, &[0, 3]),
        ];
        let ids = ThreadIds::find(&blocks, &[1, 2, 3]);
        assert_eq!(ids.threads(&[2, 3]), [Some(104), Some(105)]);
        assert_eq!(ids.threads(&[7]), [None]);
        assert_eq!(ThreadIds::find(&[], &[1]).threads(&[1]), [None]);
    }
}
