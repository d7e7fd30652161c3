//! The task that each thread polls: a word of its thread-local data, 0 if there is none.

use std::{
    collections::{HashMap, HashSet},
    thread,
    time::Duration,
};

use crate::{
    TaskInfo, TaskKind,
    inspect::{
        blocks::{Block, CurrentWord, Offsets},
        open::Process,
        tasks::Found,
        types::Check,
    },
    memory::MemoryExt,
    tokio::task::{State, StateKind},
};

/// Comparisons of the threads' words with the tasks' states that follow each other without a pause.
const ATTEMPTS: u32 = 8;
/// Comparisons after them, each after twice the pause of the previous one.
const PAUSES: u32 = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(1);

const CAPABILITY: &str = "current task of each thread";

/// One comparison of threads and tasks.
struct Comparison {
    current: HashMap<u32, u64>,
    /// Tasks that were running before and after the threads' words were read.
    running: usize,
    /// Running tasks that are not the current task of any thread.
    missing: usize,
    /// Threads whose current task id belongs to no known task.
    unknown: usize,
}

impl Comparison {
    /// `is_known` is whether any thread has a known place of its current task; `with_data` of these
    /// threads have thread-local data.
    fn check(&self, is_known: bool, with_data: usize, threads: usize) -> Check {
        if !is_known {
            return Check::failed(CAPABILITY, "its place was not found");
        }
        let Comparison { running, missing, unknown, .. } = self;
        let detail = format!(
            "{with_data} of {threads} threads with thread-local data; {} of {running} running tasks \
             are the current task of a thread, {unknown} threads have a task that is not listed",
            running - missing,
        );
        let check = if *missing == 0 { Check::passed } else { Check::failed };
        check(CAPABILITY, detail)
    }
}

impl Process {
    /// The current task of each thread. The comparison is repeated until threads and tasks agree: a
    /// short poll may end between two reads, and a thread may have lost its CPU between marking a
    /// task as running and making it the current one.
    pub(super) fn current_tasks(
        &mut self,
        blocks: &[Block],
        found: &Found,
        offsets: &HashMap<usize, Offsets>,
        threads: usize,
        checks: &mut Vec<Check>,
    ) -> HashMap<u32, u64> {
        let mut comparison = self.compare(blocks, found, offsets);
        for attempt in 1..ATTEMPTS + PAUSES {
            if comparison.missing == 0 {
                break;
            }
            if let Some(pause) = attempt.checked_sub(ATTEMPTS) {
                thread::sleep(FIRST_PAUSE * 2_u32.pow(pause));
            }
            comparison = self.compare(blocks, found, offsets);
        }
        let has_place = blocks.iter().any(|block| offsets.contains_key(&block.module));
        // Before the first runtime there is no place to find.
        let is_known = has_place || found.runtimes.is_empty();
        let check = comparison.check(is_known, self.tcbs.len(), threads);
        let is_passed = check.passed;
        checks.push(check);
        self.current_words.clear();
        if !is_passed {
            self.offsets.clear();
            return HashMap::new();
        }
        self.current_words.extend(blocks.iter().filter_map(|block| {
            let offset = offsets.get(&block.module)?.current as u64 * 8;
            let Block { tid, module, address, .. } = *block;
            Some(CurrentWord { tid, module, address: address.wrapping_add(offset) })
        }));
        comparison.current
    }

    fn compare(
        &self,
        blocks: &[Block],
        found: &Found,
        offsets: &HashMap<usize, Offsets>,
    ) -> Comparison {
        let is_running = |task: &&&TaskInfo| {
            let state = self.identity.word(task.address).map(State);
            state.is_some_and(|state| state.is_plausible() && state.is_running())
        };
        let before = found.tasks.iter().filter(|task| is_polled(task));
        let before: Vec<&TaskInfo> = before.filter(|task| is_running(&task)).collect();
        let words = blocks.iter().filter_map(|block| {
            let offset = offsets.get(&block.module)?.current as u64 * 8;
            let id = self.identity.word(block.address.wrapping_add(offset))?;
            (id != 0).then_some((block.tid, id))
        });
        let current: Vec<(u32, u64)> = words.collect();
        let mut wanted: Vec<u64> = current.iter().map(|&(_, id)| id).collect();
        wanted.sort_unstable();
        let ids = found.tasks.iter().map(|task| task.id);
        let known: HashSet<u64> = ids.filter(|id| wanted.binary_search(id).is_ok()).collect();
        let (current, others): (Vec<_>, Vec<_>) =
            current.into_iter().partition(|(_, id)| known.contains(id));
        let (current, unknown) = (HashMap::from_iter(current), others.len());
        let ids: HashSet<u64> = current.values().copied().collect();
        let running: Vec<&&TaskInfo> = before.iter().filter(is_running).collect();
        let missing = running.iter().filter(|task| !ids.contains(&task.id)).count();
        Comparison { current, running: running.len(), missing, unknown }
    }
}

/// Whether a task is running and so must be the current task of a thread. Worker loops are
/// excluded: they are blocking tasks that always run.
pub(super) fn is_polled(task: &TaskInfo) -> bool {
    task.state == StateKind::Running && matches!(task.kind, TaskKind::Task | TaskKind::Local)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparison_of_nothing_does_not_pass() {
        let comparison = |running, missing| {
            let current = HashMap::new();
            Comparison { current, running, missing, unknown: 0 }
        };
        assert!(comparison(2, 0).check(true, 3, 3).passed);
        assert!(comparison(0, 0).check(true, 3, 3).passed, "all tasks are idle");
        assert!(!comparison(2, 1).check(true, 3, 3).passed);
        assert!(!comparison(0, 0).check(false, 3, 3).passed, "no place to compare");
    }
}
