//! The words that the sample loop reads, from the surveys.

use std::{collections::HashMap, sync::Arc};

use crate::{Contexts, CurrentWord, TaskInfo, sampler::polls::TaskKey};

/// The words to read in a sample, and the listed tasks, as of the latest survey.
#[derive(Default)]
pub(super) struct Plan {
    pub words: Vec<CurrentWord>,
    pub contexts: Vec<Contexts>,
    /// The threads of workers whose busy time is known.
    pub busy: Vec<u32>,
    /// The words of one sample: the current task of each of `words`, then the busy time of each of
    /// `busy`. A busy time that changes between the two reads starts a new poll.
    pub addresses: Vec<u64>,
    /// Sorted by key.
    tasks: Vec<(TaskKey, Arc<TaskInfo>)>,
}

impl Plan {
    /// `busy_words` are the addresses of the workers' busy times, by thread.
    pub(super) fn new(
        words: Vec<CurrentWord>,
        contexts: Vec<Contexts>,
        busy_words: &HashMap<u32, u64>,
        mut tasks: Vec<(TaskKey, Arc<TaskInfo>)>,
    ) -> Self {
        tasks.sort_unstable_by_key(|(key, _)| *key);
        let mut busy: Vec<(u64, u32)> =
            busy_words.iter().map(|(&tid, &address)| (address, tid)).collect();
        // Neighbors are read together.
        busy.sort_unstable();
        let (busy_addresses, busy): (Vec<u64>, Vec<u32>) = busy.into_iter().unzip();
        let addresses = words.iter().map(|word| word.address).chain(busy_addresses).collect();
        Plan { words, contexts, busy, addresses, tasks }
    }

    /// The task with this key, if the survey has listed it.
    pub(super) fn task(&self, key: TaskKey) -> Option<&Arc<TaskInfo>> {
        let index = self.tasks.binary_search_by_key(&key, |(key, _)| *key).ok()?;
        Some(&self.tasks[index].1)
    }

    pub(super) fn has_thread(&self, tid: u32) -> bool {
        self.words.iter().any(|word| word.tid == tid)
    }
}
