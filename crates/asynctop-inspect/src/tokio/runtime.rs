//! Runtimes: the scheduler's handle, which every task points to.
//!
//! A handle is found from the tasks' scheduler pointers or from words of thread-local blocks. It
//! is recognized by the list of tasks in it: since Tokio 1.35 a boxed slice of 2^k lists, with
//! the number of tasks and the mask 2^k − 1 behind it; before, one list.

use crate::{
    memory::{Memory, MemoryExt, words_of},
    tokio::{HANDLE_LENGTH, task::RawTask, vtable::Vtables},
};

const MAX_SHARDS: u64 = 1 << 16;
/// Length of a shard: lock, first and last task.
const SHARD_LENGTH: u64 = 24;
/// Maximum number of tasks that are read to recognize a handle.
const MAX_TESTED_TASKS: usize = 16;

/// A doubly linked list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct List {
    /// Address of the pointer to the first task. The pointer to the last task follows it.
    pub head: u64,
}

/// A runtime that has been recognized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runtime {
    /// Address of the scheduler's handle; the runtime's identity.
    pub handle: u64,
    /// Id of its list of tasks. Not unique if the program contains several copies of Tokio.
    pub owner: Option<u64>,
    /// The lists of its tasks: one, or one for each shard.
    pub lists: Vec<List>,
    /// Address of the number of tasks. Tokio keeps it since 1.35.
    pub count: Option<u64>,
    /// Address of the number of tasks ever added, in versions that keep it.
    pub added: Option<u64>,
}

impl Runtime {
    /// The runtime whose handle is at `handle`, if there is one.
    pub fn recognize(
        memory: &(impl Memory + ?Sized),
        vtables: &Vtables,
        handle: u64,
    ) -> Option<Runtime> {
        if handle == 0 || !handle.is_multiple_of(8) {
            return None;
        }
        let words = memory.words(handle, HANDLE_LENGTH / 8);
        with_sharded_list(memory, vtables, handle, &words)
            .or_else(|| with_single_list(memory, vtables, handle, &words))
    }
}

/// Recognizes a sharded list: `[pointer, n]`, the number of tasks ever added (not in all versions),
/// the number of tasks, `n − 1`, the owner id.
fn with_sharded_list(
    memory: &(impl Memory + ?Sized),
    vtables: &Vtables,
    handle: u64,
    words: &[u64],
) -> Option<Runtime> {
    let mut empty = None;
    for start in 0..words.len().saturating_sub(5) {
        let (pointer, shards) = (words[start], words[start + 1]);
        let is_candidate = (4..=MAX_SHARDS).contains(&shards)
            && shards.is_power_of_two()
            && pointer != 0
            && pointer.is_multiple_of(8);
        if !is_candidate {
            continue;
        }
        for (added, count) in [(Some(start + 2), start + 3), (None, start + 2)] {
            let Some(&[mask, owner]) = words[count + 1..].first_chunk() else { continue };
            // The owner id is needed as well: in an empty runtime, the other words would often
            // match by chance.
            if mask != shards - 1 || !(1..1 << 32).contains(&owner) || words[count] >= 1 << 32 {
                continue;
            }
            let address = |word: usize| handle.wrapping_add(word as u64 * 8);
            let runtime = Runtime {
                handle,
                owner: Some(owner),
                lists: (0..shards)
                    .map(|shard| List { head: pointer.wrapping_add(shard * SHARD_LENGTH + 8) })
                    .collect(),
                count: Some(address(count)),
                added: added.map(address),
            };
            match ShardContents::read(memory, vtables, handle, pointer, shards) {
                ShardContents::Tasks => return Some(runtime),
                ShardContents::Empty if words[count] == 0 => empty = Some(runtime),
                ShardContents::Empty | ShardContents::Other => {}
            }
        }
    }
    empty
}

/// The contents of memory that may be the shards of a list.
enum ShardContents {
    /// Tasks of the runtime.
    Tasks,
    /// No tasks.
    Empty,
    /// Other data than shards of the runtime.
    Other,
}

impl ShardContents {
    fn read(
        memory: &(impl Memory + ?Sized),
        vtables: &Vtables,
        handle: u64,
        pointer: u64,
        shards: u64,
    ) -> ShardContents {
        let length = (shards * SHARD_LENGTH) as usize;
        let words: Vec<u64> = words_of(&memory.bytes(pointer, length)).collect();
        let (shards, _) = words.as_chunks::<3>();
        // A mutex that is locked and waited for is a small number in both of its implementations. In
        // that of parking_lot it is one byte, and the bytes behind it are arbitrary.
        let is_mutex = |[mutex, _, _]: &[u64; 3]| mutex & 0xff <= 3;
        if words.len() != length / 8 || !shards.iter().all(is_mutex) {
            return ShardContents::Other;
        }
        let ends = shards.iter().flat_map(|&[_, head, tail]| [head, tail]).filter(|&end| end != 0);
        let tested: Vec<u64> = ends.take(MAX_TESTED_TASKS).collect();
        if tested.is_empty() {
            return ShardContents::Empty;
        }
        // Some may have been freed between the two reads.
        let mut tasks = RawTask::read_many(memory, &tested, vtables).into_iter().flatten();
        match tasks.any(|task| task.scheduler == handle) {
            true => ShardContents::Tasks,
            false => ShardContents::Other,
        }
    }
}

/// Recognizes a single list: two consecutive words that point to the first and the last task of the
/// runtime, which no other task precedes or follows. (The injection queue has two such words too,
/// but its tasks have neighbors in the list.)
fn with_single_list(
    memory: &(impl Memory + ?Sized),
    vtables: &Vtables,
    handle: u64,
    words: &[u64],
) -> Option<Runtime> {
    let may_be_task = |word: u64| word > 0xffff && word.is_multiple_of(16);
    let pairs: Vec<usize> = (0..words.len().saturating_sub(1))
        .filter(|&index| may_be_task(words[index]) && may_be_task(words[index + 1]))
        .collect();
    let ends: Vec<u64> = pairs.iter().flat_map(|&index| [words[index], words[index + 1]]).collect();
    let tasks = RawTask::read_many(memory, &ends, vtables);
    for (&index, ends) in pairs.iter().zip(tasks.as_chunks::<2>().0) {
        let [Some(head), Some(tail)] = ends else { continue };
        if head.scheduler != handle || tail.scheduler != handle || head.owner != tail.owner {
            continue;
        }
        let link = |task: &RawTask, offset: u64| {
            let trailer = vtables.get(&task.vtable)?.trailer;
            memory.word(task.address.checked_add(trailer)?.checked_add(offset)?)
        };
        if link(head, 0) == Some(0) && link(tail, 8) == Some(0) {
            let lists = vec![List { head: handle.wrapping_add(index as u64 * 8) }];
            let owner = Some(head.owner);
            return Some(Runtime { handle, owner, lists, count: None, added: None });
        }
    }
    None
}

/// The distinct words that may be pointers to shared data (`Arc`), which begins with two reference
/// counts. `is_data` decides which addresses are tested. Keeps their order.
pub fn shared_pointers(
    memory: &(impl Memory + ?Sized),
    words: impl IntoIterator<Item = u64>,
    is_data: impl Fn(u64) -> bool,
) -> Vec<u64> {
    let mut seen = std::collections::HashSet::new();
    let pointers: Vec<u64> = words
        .into_iter()
        .filter(|&word| word.is_multiple_of(8) && is_data(word) && seen.insert(word))
        .collect();
    let counts = pointers.iter().flat_map(|&pointer| [pointer, pointer.wrapping_add(8)]);
    let counts = memory.words_at(&counts.collect::<Vec<_>>());
    let is_count = |word: &Option<u64>| word.is_some_and(|word| (1..1 << 31).contains(&word));
    let (pairs, _) = counts.as_chunks::<2>();
    pointers
        .iter()
        .zip(pairs)
        .filter(|(_, counts)| counts.iter().all(is_count))
        .map(|(&pointer, _)| pointer)
        .collect()
}
