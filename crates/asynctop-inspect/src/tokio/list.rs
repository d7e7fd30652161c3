//! Walking a runtime's list of tasks while the program keeps running.
//!
//! A task that is unlinked during the walk has no successor, which is indistinguishable from the
//! end of the list: a plain walk can lose half of the list. Therefore the last task found must be
//! the last task according to the list itself, and the number of tasks must agree with the runtime's
//! own count; otherwise the walk is repeated.

use crate::{
    memory::{Memory, MemoryExt, Span, word_in},
    tokio::{
        read_ahead::ReadAhead,
        runtime::{List, Runtime},
        task::{RawTask, VTABLE_AT, front_length},
        vtable::{Vtable, Vtables},
    },
};

/// Maximum number of walks of one list.
const MAX_WALKS: u32 = 50;
/// Minimum number of tasks for which blocks are read ahead.
const MIN_READ_AHEAD: u64 = 256;
/// Maximum number of walks of all lists if the number of tasks found differs from the count.
const MAX_ROUNDS: u32 = 8;
/// Maximum number of tasks of one runtime.
const MAX_TASKS: usize = 1 << 23;
/// Walks that find this many more tasks than the runtime counts are taken for a cycle.
const CYCLE_MARGIN: usize = 1 << 16;
/// Length of the pointers to the previous and next task, at the beginning of the trailer.
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
        /// Number of failed walks, of all lists.
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

/// The runtime's own counters at one moment.
#[derive(Clone, Copy)]
struct Counters {
    tasks: Option<u64>,
    /// Tasks ever added.
    added: Option<u64>,
}

impl Counters {
    fn read(memory: &(impl Memory + ?Sized), runtime: &Runtime) -> Counters {
        let word = |address: Option<u64>| memory.word(address?);
        Counters { tasks: word(runtime.count), added: word(runtime.added) }
    }

    /// Whether no task was added or has ended in between.
    fn are_unchanged(self, later: Counters) -> bool {
        let is_known = self.tasks.is_some() && self.added.is_some();
        is_known && (self.tasks, self.added) == (later.tasks, later.added)
    }

    /// Maximum difference between the number of tasks found in between and the two counts.
    fn tolerance(self, later: Counters) -> Option<u64> {
        let change = self.tasks?.abs_diff(later.tasks?);
        Some(match (self.added, later.added) {
            // Upper bound of the tasks added, and of those ended: the two differ by `change`.
            (Some(before), Some(after)) => after.saturating_sub(before).saturating_add(change),
            _ if change == 0 => 4,
            _ => change.saturating_add(64),
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
    if let Some(walk) = walk_with_read_ahead(memory, vtables, runtime) {
        return Ok(walk);
    }
    let mut retries = 0;
    let mut round = 0;
    loop {
        round += 1;
        let before = Counters::read(memory, runtime);
        let walker = Walker::new(memory, vtables, runtime);
        let tasks = walker.walk_lists(before.tasks, MAX_WALKS, &mut retries)?;
        let after = Counters::read(memory, runtime);
        let found = tasks.len() as u64;
        let (Some(first), Some(last)) = (before.tasks, after.tasks) else {
            return Ok(Walk { tasks, count: None, retries });
        };
        let tolerance = before.tolerance(after).unwrap_or(0);
        let min = first.min(last).saturating_sub(tolerance);
        let max = first.max(last).saturating_add(tolerance);
        if (min..=max).contains(&found) {
            return Ok(Walk { tasks, count: Some(last), retries });
        }
        if round == MAX_ROUNDS {
            return Err(WalkError::Miscounted { found, counted: last });
        }
        retries += 1;
    }
}

/// All tasks of a runtime, from blocks that are read once. A change of the list during the walk
/// could remain unnoticed, so the counters must not change.
fn walk_with_read_ahead(
    memory: &(impl Memory + ?Sized),
    vtables: &Vtables,
    runtime: &Runtime,
) -> Option<Walk> {
    let before = Counters::read(memory, runtime);
    let count = before.tasks.filter(|count| *count >= MIN_READ_AHEAD)?;
    before.added?;
    let read_ahead = ReadAhead::new(memory);
    let walker = Walker::new(&read_ahead, vtables, runtime);
    let tasks = walker.walk_lists(Some(count), 1, &mut 0).ok()?;
    let is_complete =
        before.are_unchanged(Counters::read(memory, runtime)) && tasks.len() as u64 == count;
    is_complete.then_some(Walk { tasks, count: Some(count), retries: 0 })
}

/// The walk of one list.
struct Cursor {
    list: List,
    /// The task to read next.
    next: u64,
    /// The latest task read.
    latest: u64,
    tasks: Vec<RawTask>,
    walks: u32,
}

impl Cursor {
    /// Begins another walk.
    ///
    /// # Errors
    ///
    /// If there were `max_walks` already.
    fn restart(
        &mut self,
        memory: &(impl Memory + ?Sized),
        max_walks: u32,
        retries: &mut u32,
    ) -> Result<(), WalkError> {
        *retries += 1;
        if self.walks >= max_walks {
            return Err(WalkError::Torn { retries: *retries });
        }
        self.tasks.clear();
        self.latest = 0;
        self.walks += 1;
        self.next = memory.word(self.list.head).unwrap_or(0);
        Ok(())
    }
}

/// The result of reading the next task of a list.
enum Step {
    Task { task: RawTask, next: u64 },
    End,
    Torn,
}

/// Walks the lists of one runtime.
struct Walker<'a, M: ?Sized> {
    memory: &'a M,
    vtables: &'a Vtables,
    runtime: &'a Runtime,
    /// The vtable of the latest task. Most tasks have the type of the previous one.
    vtable: Option<&'a Vtable>,
    /// Length of a task's front.
    front: usize,
}

impl<'a, M: Memory + ?Sized> Walker<'a, M> {
    fn new(memory: &'a M, vtables: &'a Vtables, runtime: &'a Runtime) -> Self {
        let vtable = vtables.values().min_by_key(|vtable| vtable.trailer);
        Walker { memory, vtables, runtime, vtable, front: front_length(vtables) }
    }

    /// Walks all lists at once, with one gather per step: a step in one list depends on the previous
    /// one. `count` is the runtime's own number of tasks.
    fn walk_lists(
        mut self,
        count: Option<u64>,
        max_walks: u32,
        retries: &mut u32,
    ) -> Result<Vec<RawTask>, WalkError> {
        let limit = count.map_or(MAX_TASKS, |count| (count as usize).saturating_add(CYCLE_MARGIN));
        let mut cursors = self.cursors();
        let mut tasks: Vec<RawTask> = Vec::new();
        let (mut spans, mut buffer) = (Vec::new(), Vec::new());
        while !cursors.is_empty() {
            // The links are read in the same gather, at the offset of the previous task.
            let trailer = self.vtable.map_or(0, |vtable| vtable.trailer);
            let length = self.front + LINKS;
            spans.clear();
            for cursor in &cursors {
                spans.push(Span { address: cursor.next, length: self.front });
                spans.push(Span { address: cursor.next.wrapping_add(trailer), length: LINKS });
            }
            buffer.resize(cursors.len() * length, 0);
            let complete = self.memory.gather(&spans, &mut buffer);
            let mut ended = Vec::new();
            let parts = buffer.chunks(length).zip(complete.as_chunks::<2>().0);
            for (index, (cursor, (bytes, complete))) in cursors.iter_mut().zip(parts).enumerate() {
                let [is_front_complete, are_links_complete] = *complete;
                let (front, links) = bytes.split_at(self.front);
                let front = is_front_complete.then_some(front);
                let links = are_links_complete.then_some((trailer, links));
                match self.step(cursor, front, links) {
                    Step::Task { task, next } => {
                        cursor.latest = cursor.next;
                        cursor.next = next;
                        cursor.tasks.push(task);
                    }
                    Step::End => ended.push(index),
                    Step::Torn => cursor.restart(self.memory, max_walks, retries)?,
                }
            }
            for index in ended.into_iter().rev() {
                tasks.extend(cursors.swap_remove(index).tasks);
            }
            let lengths = || cursors.iter().map(|cursor| cursor.tasks.len());
            let found = tasks.len() + lengths().sum::<usize>();
            if found > MAX_TASKS {
                return Err(WalkError::TooMany);
            }
            // Above the limit, the longest list is a cycle: its walk is repeated like a torn one.
            if found > limit {
                let longest = lengths().max().unwrap_or(0);
                for cursor in cursors.iter_mut().filter(|cursor| cursor.tasks.len() == longest) {
                    cursor.restart(self.memory, max_walks, retries)?;
                }
            }
        }
        // The memory of a task that ended may have been reused, so that it is in two lists.
        tasks.sort_unstable_by_key(|task| task.address);
        tasks.dedup_by_key(|task| task.address);
        Ok(tasks)
    }

    fn cursors(&self) -> Vec<Cursor> {
        let lists = &self.runtime.lists;
        let heads: Vec<u64> = lists.iter().map(|list| list.head).collect();
        let first_tasks = self.memory.words_at(&heads);
        let cursor = |(&list, first): (&List, Option<u64>)| {
            let next = first.unwrap_or(0);
            Cursor { list, next, latest: 0, tasks: Vec::new(), walks: 1 }
        };
        lists.iter().zip(first_tasks).map(cursor).collect()
    }

    /// Decodes the next task from its front, and from the links that were read at an offset.
    fn step(&mut self, cursor: &Cursor, front: Option<&[u8]>, links: Option<(u64, &[u8])>) -> Step {
        if cursor.next == 0 {
            let tail = self.memory.word(cursor.list.head.wrapping_add(8));
            return if tail == Some(cursor.latest) { Step::End } else { Step::Torn };
        }
        let decode = |front: &[u8]| {
            let address = word_in(front, VTABLE_AT)?;
            let latest = self.vtable.filter(|vtable| vtable.address == address);
            let vtable = latest.or_else(|| self.vtables.get(&address))?;
            Some((RawTask::decode_with(cursor.next, front, vtable)?, vtable))
        };
        let Some((task, vtable)) = front.and_then(decode) else { return Step::Torn };
        self.vtable = Some(vtable);
        let is_own = task.scheduler == self.runtime.handle
            && self.runtime.owner.is_none_or(|id| id == task.owner);
        let next = match links {
            Some((trailer, links)) if trailer == vtable.trailer => word_in(links, 8),
            _ => self.memory.word(cursor.next.wrapping_add(vtable.trailer).wrapping_add(8)),
        };
        match next {
            Some(next) if is_own && next.is_multiple_of(8) => Step::Task { task, next },
            _ => Step::Torn,
        }
    }
}
