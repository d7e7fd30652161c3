//! The place of the current task in thread-local data: its distance from the word of the runtime's
//! handle differs between versions of Tokio.

use std::collections::{HashMap, HashSet};

use crate::inspect::{
    blocks::{Block, Offsets},
    current::is_polled,
    open::Process,
    tasks::Found,
};

/// Distances from the word of the runtime's handle to that of the current task's id, in words.
const KNOWN_DISTANCES: [usize; 3] = [4, 3, 2];
/// Maximum distance of the two words in other versions.
const MAX_DISTANCE: usize = 64;
/// Smaller numbers also occur in thread-local data for other reasons.
const MIN_DISTINCTIVE_ID: u64 = 64;

impl Process {
    /// The best-fitting offsets for each module that contains Tokio. Cached once running tasks have
    /// confirmed them.
    pub(super) fn offsets(&mut self, blocks: &[Block], found: &Found) -> HashMap<usize, Offsets> {
        let mut all = HashMap::new();
        for (&module, copy) in self.with_tokio.iter().zip(&self.copies) {
            let own: Vec<&Block> = blocks.iter().filter(|block| block.module == module).collect();
            let known = self.offsets.get(&module).copied();
            if let Some((offsets, is_proved)) = known
                .map(|offsets| (offsets, true))
                .or_else(|| find_offsets(&own, found, copy.minor_version()))
            {
                all.insert(module, offsets);
                if is_proved {
                    self.offsets.insert(module, offsets);
                }
            }
        }
        all
    }
}

/// The pair of words that fits best: the handle of a known runtime, and near it 0 or the id of a
/// known task in every thread. The second value is whether running tasks have confirmed it. `minor`
/// is the version of Tokio.
fn find_offsets(blocks: &[&Block], found: &Found, minor: Option<u32>) -> Option<(Offsets, bool)> {
    let handles: HashSet<u64> = found.index.keys().copied().collect();
    // Most words are not ids, and most ids are not among the words.
    let mut all: Vec<u64> = blocks.iter().flat_map(|block| block.words.iter().copied()).collect();
    all.sort_unstable();
    all.dedup();
    let ids = found.tasks.iter().map(|task| task.id);
    let ids: HashSet<u64> = ids.filter(|id| all.binary_search(id).is_ok()).collect();
    let running: HashSet<u64> =
        found.tasks.iter().filter(|task| is_polled(task)).map(|task| task.id).collect();
    let last_id = found.tasks.iter().map(|task| task.id).max().unwrap_or(0);
    let usual = minor.and_then(usual_distance);
    let mut best: Option<([usize; 6], Offsets)> = None;
    let length = blocks.iter().map(|block| block.words.len()).max()?;
    for handle in 0..length {
        let with_handle = blocks
            .iter()
            .filter(|block| block.words.get(handle).is_some_and(|word| handles.contains(word)))
            .count();
        if with_handle == 0 {
            continue;
        }
        let near = handle.saturating_sub(MAX_DISTANCE)..(handle + MAX_DISTANCE).min(length);
        for current in near.filter(|current| *current != handle) {
            // Where the version determines the distance, a word at another one may be the number of the
            // thread, which matches a task that happens to be running.
            let may_be = |distance: &usize| usual.is_none_or(|usual| usual == *distance);
            let known = KNOWN_DISTANCES
                .iter()
                .position(|distance| may_be(distance) && handle + distance == current);
            let words: Vec<u64> =
                blocks.iter().filter_map(|block| block.words.get(current).copied()).collect();
            let others = words.iter().filter(|word| **word != 0 && !ids.contains(word)).count();
            let matches = words.iter().filter(|word| ids.contains(word)).count();
            let polled: HashSet<u64> =
                words.iter().copied().filter(|word| running.contains(word)).collect();
            let acceptable = match known {
                // Without a scan, the closures of the blocking pool and the loops of workers are
                // not known, and some tasks may have ended since.
                Some(_) => are_ids(&words, last_id),
                // A word at any other distance must match all running tasks, and not by chance.
                None => {
                    others == 0
                        && words.contains(&0)
                        && !polled.is_empty()
                        && polled.len() == running.len()
                        && (polled.len() > 1 || polled.iter().all(|id| *id >= MIN_DISTINCTIVE_ID))
                }
            };
            if !acceptable {
                continue;
            }
            let rank = known.map_or(0, |rank| KNOWN_DISTANCES.len() - rank);
            let is_known = usize::from(known.is_some());
            // A number next to it, such as that of the thread, may be the id of a task, too.
            let is_usual = usize::from(usual.is_some_and(|distance| handle + distance == current));
            let score = [polled.len(), is_usual, is_known, matches, with_handle, rank];
            if best.is_none_or(|(known, _)| score > known) {
                best = Some((score, Offsets { handle, current }));
            }
        }
    }
    let ([polled, ..], offsets) = best?;
    Some((offsets, polled > 0 && polled == running.len()))
}

/// The distance in the versions in which it was seen.
fn usual_distance(minor: u32) -> Option<usize> {
    match minor {
        45.. => Some(4),
        32..=37 => Some(3),
        ..=24 => Some(2),
        _ => None,
    }
}

/// Whether these words of the threads can be ids of current tasks: each thread has a different one,
/// or none. Ids are counted from 1, and `last_id` is one of the latest.
fn are_ids(words: &[u64], last_id: u64) -> bool {
    /// More than are spawned during an inspection.
    const NEWER: u64 = 1 << 20;
    let mut ids: Vec<u64> = words.iter().copied().filter(|word| *word != 0).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    ids.len() == all && ids.last().is_none_or(|id| *id <= last_id.saturating_add(NEWER))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{TaskInfo, TaskKind, tokio::task::StateKind};

    const HANDLE: u64 = 0x7000;

    fn task(id: u64, state: StateKind) -> TaskInfo {
        TaskInfo {
            id,
            state,
            kind: TaskKind::Task,
            runtime: Some(0),
            names: Arc::default(),
            spawned_at: None,
            size: 128,
            wakers: 1,
            has_join_handle: false,
            is_awaited: false,
            is_canceled: false,
            address: id * 128,
            vtable: 0,
            tid: None,
            queue: None,
        }
    }

    fn found(running: &[u64]) -> Found {
        let states = (1..200).map(|id| match running.contains(&id) {
            true => task(id, StateKind::Running),
            false => task(id, StateKind::Idle),
        });
        Found {
            runtimes: Vec::new(),
            index: HashMap::from([(HANDLE, 0)]),
            tasks: states.collect(),
            retries: 0,
        }
    }

    fn offsets_in(words: &[[u64; 8]], running: &[u64]) -> Option<(Offsets, bool)> {
        let block =
            |words: &[u64; 8]| Block { tid: 1, module: 0, address: 0, words: words.to_vec() };
        let blocks: Vec<Block> = words.iter().map(block).collect();
        find_offsets(&blocks.iter().collect::<Vec<_>>(), &found(running), Some(54))
    }

    #[test]
    fn known_distance_is_confirmed_by_running_tasks() {
        let words = [[9, HANDLE, 0, 0, 0, 150, 0, 0], [9, HANDLE, 0, 0, 0, 0, 0, 0]];
        let offsets = Offsets { handle: 1, current: 5 };
        assert_eq!(offsets_in(&words, &[150]), Some((offsets, true)));
        assert_eq!(offsets_in(&words, &[]), Some((offsets, false)));
    }

    /// Word 4 is the number of the only thread, which is also the id of an idle task.
    #[test]
    fn number_next_to_the_current_task_is_not_taken_for_it() {
        let offsets = Offsets { handle: 1, current: 5 };
        assert_eq!(offsets_in(&[[9, HANDLE, 0, 0, 2, 0, 0, 0]], &[]), Some((offsets, false)));
    }

    /// Word 4 is the number of the thread, and the task with this id was running when its state was read,
    /// but no longer when the words were.
    #[test]
    fn number_of_the_thread_is_not_proved_by_a_running_task() {
        let words = [[9, HANDLE, 0, 0, 50, 0, 0, 0], [9, HANDLE, 0, 0, 51, 0, 0, 0]];
        let offsets = Offsets { handle: 1, current: 5 };
        assert_eq!(offsets_in(&words, &[50]), Some((offsets, false)));
    }

    /// Word 0 is the id of a task too, but the same in all threads; word 6 has the running one.
    #[test]
    fn unknown_distance_must_match_all_running_tasks() {
        let words = [[150, HANDLE, 0, 0, 7, 0, 150, 0], [150, HANDLE, 0, 0, 8, 0, 0, 0]];
        let offsets = Offsets { handle: 1, current: 6 };
        assert_eq!(offsets_in(&words, &[150]), Some((offsets, true)));
        // A small id may match by chance.
        let words = [[0, HANDLE, 0, 0, 0, 0, 3, 0], [0, HANDLE, 0, 0, 0, 0, 0, 0]];
        assert!(!offsets_in(&words, &[3]).is_some_and(|(_, is_proved)| is_proved));
    }

    /// The loops of workers are in no list.
    #[test]
    fn known_distance_with_tasks_that_are_not_listed() {
        let block = |current| [9, HANDLE, 0, 0, 0, current, 0, 0];
        let offsets = Offsets { handle: 1, current: 5 };
        let words = [block(201), block(202), block(150)];
        assert_eq!(offsets_in(&words, &[150]), Some((offsets, true)));
        assert_eq!(offsets_in(&words[..2], &[]), Some((offsets, false)));
        let pointers = [block(0x7f00_1234_5670), block(150)];
        assert_ne!(offsets_in(&pointers, &[150]).map(|(offsets, _)| offsets), Some(offsets));
        let same = [block(150), block(150)];
        assert_ne!(offsets_in(&same, &[]).map(|(offsets, _)| offsets), Some(offsets));
    }

    #[test]
    fn no_offsets_without_a_thread_in_a_runtime() {
        assert_eq!(offsets_in(&[[1, 2, 3, 4, 5, 6, 7, 8]], &[150]), None);
        assert_eq!(offsets_in(&[], &[150]), None);
    }
}
