//! Walking a runtime's list of tasks while the program keeps running.
//!
//! A task that is unlinked during the walk has no successor, which is indistinguishable from the
//! end of the list: a plain walk can lose half of the list. So the last task found must be the last
//! task according to the list itself, and the number of tasks must agree with the runtime's own
//! count; otherwise the walk is repeated.

use crate::{
    memory::{Memory, MemoryExt, Span, word_in},
    tokio::{
        read_ahead::ReadAhead,
        runtime::{List, Lists, Runtime},
        task::{RawTask, VTABLE_AT, front_length},
        vtable::{Vtable, Vtables},
    },
};

/// Maximum number of walks of one list.
const MAX_WALKS: u32 = 50;
/// Shorter lists are walked without reading ahead.
const READ_AHEAD_FROM: u64 = 256;
/// Maximum number of rounds over all lists before a different count is an error.
const MAX_ROUNDS: u32 = 8;
/// Maximum number of tasks of one runtime.
const MAX_TASKS: usize = 1 << 23;
/// A walk that meets this many more tasks than the runtime counts is taken for a cycle.
const SLACK: usize = 1 << 16;
/// Previous and next task, at the beginning of the trailer.
const LINKS: usize = 16;

/// The tasks of one runtime.
#[derive(Clone, Debug, Default)]
pub struct Walk {
    /// In no particular order.
    pub tasks: Vec<RawTask>,
    /// The runtime's own count, read after the walk.
    pub count: Option<u64>,
    /// Number of repeated walks.
    pub retries: u32,
}

/// The reason why a runtime's tasks are not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WalkError {
    /// The list changes too fast, or the memory is not a list.
    #[error("the list of tasks could not be read to its end in {retries} attempts")]
    Torn {
        /// Number of walks.
        retries: u32,
    },
    /// The number of tasks found is not the number that the runtime counts.
    #[error("{found} tasks were found, but the runtime counts {counted}")]
    Miscounted {
        /// Tasks found.
        found: u64,
        /// The runtime's own count.
        counted: u64,
    },
    /// More tasks than can be read.
    #[error("the list has more than {MAX_TASKS} tasks")]
    TooMany,
}

/// The runtime's own counters.
#[derive(Clone, Copy)]
struct Counts {
    count: Option<u64>,
    added: Option<u64>,
}

impl Counts {
    /// Whether no task was added or has ended in between.
    fn are_unchanged(self, after: Counts) -> bool {
        let is_known = self.count.is_some() && self.added.is_some();
        is_known && (self.count, self.added) == (after.count, after.added)
    }

    fn read(memory: &(impl Memory + ?Sized), lists: &Lists) -> Counts {
        let word = |address: Option<u64>| memory.word(address?);
        Counts { count: word(lists.count), added: word(lists.added) }
    }

    /// Maximum difference between the number of tasks found and the counts before and after.
    fn slack(self, after: Counts) -> Option<u64> {
        let change = self.count?.abs_diff(after.count?);
        Some(match (self.added, after.added) {
            // Tasks added, and tasks ended: as many as were added, apart from the change of the
            // count.
            (Some(before), Some(after)) => after.saturating_sub(before) + change,
            _ if change == 0 => 4,
            _ => change + 64,
        })
    }
}

/// All tasks of a runtime.
///
/// # Errors
///
/// If the list does not pass its checks.
pub fn walk(
    memory: &(impl Memory + ?Sized),
    vtables: &Vtables,
    runtime: &Runtime,
) -> Result<Walk, WalkError> {
    let mut retries = 0;
    if let Some(walk) = walk_ahead(memory, vtables, runtime) {
        return Ok(walk);
    }
    let mut round = 0;
    loop {
        round += 1;
        let before = Counts::read(memory, &runtime.lists);
        let tasks = walk_lists(memory, vtables, runtime, before.count, MAX_WALKS, &mut retries)?;
        let after = Counts::read(memory, &runtime.lists);
        let found = tasks.len() as u64;
        let (Some(first), Some(last)) = (before.count, after.count) else {
            return Ok(Walk { tasks, count: None, retries });
        };
        let slack = before.slack(after).unwrap_or(0);
        let range = first.min(last).saturating_sub(slack)..=first.max(last).saturating_add(slack);
        if range.contains(&found) {
            return Ok(Walk { tasks, count: Some(last), retries });
        }
        if round == MAX_ROUNDS {
            return Err(WalkError::Miscounted { found, counted: last });
        }
        retries += 1;
    }
}

/// All tasks of a runtime, with blocks that are read once. The list must not change during the walk,
/// because a change could remain unnoticed.
fn walk_ahead(
    memory: &(impl Memory + ?Sized),
    vtables: &Vtables,
    runtime: &Runtime,
) -> Option<Walk> {
    let before = Counts::read(memory, &runtime.lists);
    let count = before.count.filter(|count| *count >= READ_AHEAD_FROM)?;
    before.added?;
    let ahead = ReadAhead::new(memory);
    let tasks = walk_lists(&ahead, vtables, runtime, Some(count), 1, &mut 0).ok()?;
    let is_complete =
        before.are_unchanged(Counts::read(memory, &runtime.lists)) && tasks.len() as u64 == count;
    is_complete.then_some(Walk { tasks, count: Some(count), retries: 0 })
}

/// The walk of one list.
struct Cursor {
    list: List,
    /// The task to be read next.
    at: u64,
    last: u64,
    tasks: Vec<RawTask>,
    walks: u32,
}

impl Cursor {
    fn restart(&mut self, memory: &(impl Memory + ?Sized)) {
        self.tasks.clear();
        self.last = 0;
        self.walks += 1;
        self.at = memory.word(self.list.head).unwrap_or(0);
    }
}

/// Walks all lists at once, with one gather per step: a step in one list depends on the previous
/// one.
fn walk_lists(
    memory: &(impl Memory + ?Sized),
    vtables: &Vtables,
    runtime: &Runtime,
    count: Option<u64>,
    max_walks: u32,
    retries: &mut u32,
) -> Result<Vec<RawTask>, WalkError> {
    let limit = count.map_or(MAX_TASKS, |count| (count as usize).saturating_add(SLACK));
    let limit = limit.min(MAX_TASKS);
    let front = front_length(vtables);
    let addresses: Vec<u64> = runtime.lists.lists.iter().map(|list| list.head).collect();
    let heads = memory.words_at(&addresses);
    let mut cursors: Vec<Cursor> = runtime
        .lists
        .lists
        .iter()
        .zip(heads)
        .map(|(&list, head)| Cursor {
            list,
            at: head.unwrap_or(0),
            last: 0,
            tasks: Vec::new(),
            walks: 1,
        })
        .collect();
    let mut done: Vec<RawTask> = Vec::new();
    // Most tasks have the type of the previous one, so the trailer is read at its offset in the
    // same gather.
    let mut trailer = vtables.iter().map(|vtable| vtable.trailer).min().unwrap_or(0);
    let mut latest = None;
    let mut spans = Vec::new();
    let mut buffer = Vec::new();
    while !cursors.is_empty() {
        spans.clear();
        for cursor in &cursors {
            spans.push(Span { address: cursor.at, length: front });
            spans.push(Span { address: cursor.at.wrapping_add(trailer), length: LINKS });
        }
        buffer.resize(cursors.len() * (front + LINKS), 0);
        let complete = memory.gather(&spans, &mut buffer);
        let guess = trailer;
        let mut ended = Vec::new();
        let parts = buffer.chunks(front + LINKS).zip(complete.chunks(2));
        for (index, (cursor, (bytes, complete))) in cursors.iter_mut().zip(parts).enumerate() {
            let step =
                Step::take(memory, vtables, &mut latest, runtime, cursor, bytes, complete, guess);
            match step {
                Step::Next { task, next, trailer: its } => {
                    trailer = its;
                    cursor.last = cursor.at;
                    cursor.at = next;
                    cursor.tasks.push(task);
                    if cursor.tasks.len() + done.len() > MAX_TASKS {
                        return Err(WalkError::TooMany);
                    }
                    if cursor.tasks.len() <= limit {
                        continue;
                    }
                }
                Step::End => {
                    ended.push(index);
                    continue;
                }
                Step::Torn => {}
            }
            *retries += 1;
            if cursor.walks >= max_walks {
                return Err(WalkError::Torn { retries: *retries });
            }
            cursor.restart(memory);
        }
        for index in ended.into_iter().rev() {
            done.extend(cursors.swap_remove(index).tasks);
        }
    }
    // The memory of a task that ended may have been reused, so that it was met in two lists.
    done.sort_unstable_by_key(|task| task.address);
    done.dedup_by_key(|task| task.address);
    Ok(done)
}

enum Step {
    Next { task: RawTask, next: u64, trailer: u64 },
    End,
    Torn,
}

impl Step {
    #[expect(clippy::too_many_arguments)]
    fn take<'v>(
        memory: &(impl Memory + ?Sized),
        vtables: &'v Vtables,
        latest: &mut Option<&'v Vtable>,
        runtime: &Runtime,
        cursor: &Cursor,
        bytes: &[u8],
        complete: &[bool],
        guess: u64,
    ) -> Step {
        if cursor.at == 0 {
            // At the end: is the last task read also the last task of the list?
            let tail = memory.word(cursor.list.head.wrapping_add(8));
            return if tail == Some(cursor.last) { Step::End } else { Step::Torn };
        }
        let front = &bytes[..bytes.len() - LINKS];
        let address = word_in(front, VTABLE_AT).filter(|_| complete[0]);
        let known = latest.filter(|vtable| Some(vtable.address) == address);
        let Some(vtable) = known.or_else(|| vtables.get(address?)) else { return Step::Torn };
        *latest = Some(vtable);
        let task = RawTask::decode_with(cursor.at, front, vtable);
        let Some(task) = task else { return Step::Torn };
        if task.scheduler != runtime.handle || runtime.owner.is_some_and(|id| id != task.owner) {
            return Step::Torn;
        }
        let next = if vtable.trailer == guess && complete[1] {
            word_in(bytes, bytes.len() - 8)
        } else {
            memory.word(cursor.at.wrapping_add(vtable.trailer).wrapping_add(8))
        };
        match next {
            Some(next) if next.is_multiple_of(8) => {
                Step::Next { task, next, trailer: vtable.trailer }
            }
            _ => Step::Torn,
        }
    }
}
