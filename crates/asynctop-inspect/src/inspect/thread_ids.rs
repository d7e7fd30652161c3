//! Rust's thread ids, which the workers' counters and the thread-local blocks both have.

use std::collections::{HashMap, HashSet};

use crate::inspect::blocks::Block;

/// A worker: Rust's id of its thread, and the handle of its runtime.
pub(super) type Worker = (u64, u64);

/// The threads by Rust's thread id, for each copy of the standard library.
pub(super) struct ThreadIds {
    copies: Vec<HashMap<u64, u32>>,
    /// The threads whose blocks have the handle of a runtime, with that handle.
    in_runtime: HashSet<(u32, u64)>,
}

impl ThreadIds {
    /// Finds the word of the blocks that contains the ids of all workers: a single small number also
    /// occurs elsewhere. The blocks of a runtime's workers have its handle, too.
    pub(super) fn find(blocks: &[Block], workers: &[Worker]) -> ThreadIds {
        let modules: HashSet<usize> = blocks.iter().map(|block| block.module).collect();
        let handles: HashSet<u64> = workers.iter().map(|(_, handle)| *handle).collect();
        let in_runtime: HashSet<(u32, u64)> = blocks
            .iter()
            .flat_map(|block| block.words.iter().map(|word| (block.tid, *word)))
            .filter(|(_, word)| handles.contains(word))
            .collect();
        let in_module = |module| {
            let blocks: Vec<&Block> =
                blocks.iter().filter(|block| block.module == module).collect();
            let length = blocks.iter().map(|block| block.words.len()).max().unwrap_or(0);
            // The maximum is the last one: that of the first offset, if several are equal.
            let candidates = (0..length).rev().filter_map(|offset| threads_at(&blocks, offset));
            candidates.max_by_key(|threads| {
                let is_matched =
                    |worker: &&Worker| thread_of(threads, &in_runtime, **worker).is_some();
                (workers.iter().filter(is_matched).count(), threads.len())
            })
        };
        let copies = modules.into_iter().filter_map(in_module).collect();
        ThreadIds { copies, in_runtime }
    }

    /// The threads of these workers, which belong to one runtime.
    pub(super) fn threads(&self, workers: &[Worker]) -> Vec<Option<u32>> {
        let in_copy = |threads: &HashMap<u64, u32>| -> Vec<Option<u32>> {
            workers.iter().map(|&worker| thread_of(threads, &self.in_runtime, worker)).collect()
        };
        let candidates = self.copies.iter().map(in_copy);
        let best = candidates.max_by_key(|tids| tids.iter().flatten().count());
        best.unwrap_or_else(|| vec![None; workers.len()])
    }
}

/// The thread of a worker, if it is in the worker's runtime.
fn thread_of(
    threads: &HashMap<u64, u32>,
    in_runtime: &HashSet<(u32, u64)>,
    (id, handle): Worker,
) -> Option<u32> {
    threads.get(&id).copied().filter(|tid| in_runtime.contains(&(*tid, handle)))
}

/// The threads by the word at `offset` of their blocks; `None` if two have the same, or one is a
/// pointer: ids are unique, and counted from 1.
fn threads_at(blocks: &[&Block], offset: usize) -> Option<HashMap<u64, u32>> {
    const MAX_ID: u64 = 1 << 32;
    let mut threads = HashMap::new();
    for block in blocks {
        let word = block.words.get(offset).copied().filter(|word| *word != 0);
        if word.is_some_and(|word| word > MAX_ID || threads.insert(word, block.tid).is_some()) {
            return None;
        }
    }
    Some(threads)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HANDLE: u64 = 0x7000;

    fn block(tid: u32, module: usize, words: &[u64]) -> Block {
        let words = [words, &[HANDLE]].concat();
        Block { tid, module, address: 0, words }
    }

    fn workers(ids: &[u64]) -> Vec<Worker> {
        ids.iter().map(|id| (*id, HANDLE)).collect()
    }

    /// Word 1 is the current task, word 2 the thread's id.
    #[test]
    fn task_id_is_not_taken_for_a_thread_id() {
        let blocks = [
            block(101, 0, &[9, 0, 1]),
            block(102, 0, &[9, 4, 2]),
            block(103, 0, &[9, 0, 3]),
            block(104, 0, &[9, 0, 4]),
        ];
        let all = ThreadIds::find(&blocks, &workers(&[2, 3, 4]));
        assert_eq!(all.threads(&workers(&[2, 3])), [Some(102), Some(103)]);
        assert_eq!(all.threads(&workers(&[4])), [Some(104)]);
        let one = ThreadIds::find(&blocks, &workers(&[4]));
        assert_eq!(one.threads(&workers(&[4])), [Some(104)], "most threads have an id, few a task");
    }

    /// Word 0 is the id of the worker in another thread.
    #[test]
    fn thread_of_a_worker_has_the_handle_of_its_runtime() {
        let outside = Block { tid: 101, module: 0, address: 0, words: vec![2, 1, 0] };
        let blocks = [outside, block(102, 0, &[3, 2])];
        assert_eq!(ThreadIds::find(&blocks, &workers(&[2])).threads(&workers(&[2])), [Some(102)]);
        assert_eq!(ThreadIds::find(&blocks[..1], &workers(&[2])).threads(&workers(&[2])), [None]);
    }

    /// Word 0 is a number in one thread and a pointer in the other.
    #[test]
    fn pointer_is_not_a_thread_id() {
        let blocks = [block(101, 0, &[2, 1]), block(102, 0, &[0x7f00_1234_5670, 2])];
        assert_eq!(ThreadIds::find(&blocks, &workers(&[2])).threads(&workers(&[2])), [Some(102)]);
    }

    #[test]
    fn each_copy_of_the_standard_library_has_its_own_thread_ids() {
        let blocks = [
            block(101, 0, &[1]),
            block(102, 0, &[2]),
            block(103, 1, &[0, 1]),
            block(104, 1, &[0, 2]),
            block(105, 1, &[0, 3]),
        ];
        let ids = ThreadIds::find(&blocks, &workers(&[1, 2, 3]));
        assert_eq!(ids.threads(&workers(&[2, 3])), [Some(104), Some(105)]);
        assert_eq!(ids.threads(&workers(&[7])), [None]);
        assert_eq!(ThreadIds::find(&[], &workers(&[1])).threads(&workers(&[1])), [None]);
    }
}
