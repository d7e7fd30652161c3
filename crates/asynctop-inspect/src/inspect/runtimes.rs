//! The runtimes, from the thread-local blocks of threads and from the schedulers of tasks.

use std::{cmp::Reverse, collections::HashMap};

use crate::{
    inspect::{blocks::Block, open::Process},
    memory::MemoryExt,
    process::maps::Maps,
    tokio::{
        runtime::{Runtime, shared_pointers},
        task::{RawTask, VTABLE_AT},
    },
};

/// Maximum number of schedulers of scanned tasks that are examined for a runtime.
const MAX_SCHEDULERS: usize = 1024;

impl Process {
    /// Finds the runtimes that threads are in: their handles are words of thread-local blocks.
    pub(super) fn find_runtimes_of_threads(&mut self, maps: &Maps, blocks: &[Block]) {
        let recognize = |&handle: &u64| Runtime::recognize(&*self.identity, &self.vtables, handle);
        let existing = self.runtimes.keys().filter_map(recognize);
        self.runtimes = existing.map(|runtime| (runtime.handle, runtime)).collect();
        self.no_runtimes.start(blocks.iter().map(|block| block.tid));
        let words = blocks.iter().flat_map(|block| block.words.iter().copied());
        let is_new = |&word: &u64| {
            word.is_multiple_of(8) && maps.is_data(word) && !self.no_runtimes.contains(word)
        };
        let pointers: Vec<u64> = words.filter(is_new).collect();
        self.recognize(shared_pointers(&*self.identity, pointers.iter().copied(), |_| true));
        let runtimes = &self.runtimes;
        let others = pointers.into_iter().filter(|pointer| !runtimes.contains_key(pointer));
        self.no_runtimes.extend(others);
    }

    /// Finds the runtimes that tasks belong to.
    pub(super) fn find_runtimes_of_tasks(&mut self, tasks: &[RawTask]) {
        let mut counts: HashMap<u64, usize> = HashMap::new();
        for task in tasks.iter().filter(|task| task.owner != 0) {
            *counts.entry(task.scheduler).or_default() += 1;
        }
        let mut schedulers: Vec<(u64, usize)> = counts.into_iter().collect();
        schedulers.sort_by_key(|&(handle, count)| (Reverse(count), handle));
        schedulers.truncate(MAX_SCHEDULERS);
        self.recognize(schedulers.into_iter().map(|(handle, _)| handle));
    }

    /// Adds the runtimes whose handles are among `handles`.
    fn recognize(&mut self, handles: impl IntoIterator<Item = u64>) {
        for handle in handles {
            if !self.runtimes.contains_key(&handle)
                && let Some(runtime) = Runtime::recognize(&*self.identity, &self.vtables, handle)
            {
                self.runtimes.insert(handle, runtime);
            }
        }
    }

    /// Whether a runtime is a local set: since Tokio 1.35, only local sets have a single list.
    pub(super) fn is_local_set(&self, runtime: &Runtime) -> bool {
        let [list] = runtime.lists.as_slice() else { return false };
        let first_task = self.identity.word(list.head);
        let vtable =
            first_task.and_then(|task| self.identity.word(task.checked_add(VTABLE_AT as u64)?));
        let copy = self.with_tokio.iter().zip(&self.copies).find(|&(&index, _)| {
            vtable.is_some_and(|vtable| self.modules[index].range.contains(&vtable))
        });
        copy.and_then(|(_, copy)| copy.minor_version()).is_some_and(|minor| minor >= 35)
    }
}
