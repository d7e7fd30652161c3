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
        const CAPABILITY: &str = "current task of each thread";
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
        let Comparison { current, running, missing, unknown } = comparison;
        let detail = format!(
            "{} of {threads} threads with thread-local data; {} of {running} running tasks are \
             the current task of a thread, {unknown} threads have a task that is not listed",
            self.tcbs.len(),
            running - missing,
        );
        self.current_words.clear();
        if missing > 0 {
            self.offsets.clear();
            checks.push(Check::failed(CAPABILITY, detail));
            return HashMap::new();
        }
        checks.push(Check::passed(CAPABILITY, detail));
        self.current_words.extend(blocks.iter().filter_map(|block| {
            let offset = offsets.get(&block.module)?.current as u64 * 8;
            let Block { tid, module, address, .. } = *block;
            Some(CurrentWord { tid, module, address: address.wrapping_add(offset) })
        }));
        current
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
