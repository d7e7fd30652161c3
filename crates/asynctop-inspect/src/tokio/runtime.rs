//! Runtimes: the scheduler's handle, which every task points to.
//!
//! A handle is found from the tasks' scheduler pointers or from words of thread-local blocks. It
//! is recognized by the list of tasks in it: since Tokio 1.35 a boxed slice of 2^k lists, with
//! the number of tasks and the mask 2^k − 1 behind it; before, one list.

use crate::{
    memory::{Memory, MemoryExt, words_of},
    tokio::{task::RawTask, vtable::Vtables},
};

/// Bytes of a handle that are searched.
const SEARCHED: usize = 4096;
const MAX_SHARDS: u64 = 1 << 16;
/// A shard: lock, first and last task.
const SHARD: u64 = 24;
/// Maximum number of tasks that are tested to recognize a handle.
const TESTED: usize = 16;

/// A doubly linked list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct List {
    /// Address of the pointer to the first task. The one to the last task follows it.
    pub head: u64,
}

/// The lists of one runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lists {
    /// One, or one for each shard.
    pub lists: Vec<List>,
    /// Address of the number of tasks, where Tokio keeps it (1.35 and later).
    pub count: Option<u64>,
    /// Address of the number of tasks ever added, where Tokio keeps it.
    pub added: Option<u64>,
}

/// A runtime, recognized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runtime {
    /// Address of the scheduler's handle; the runtime's identity.
    pub handle: u64,
    /// Id of its list of tasks. Not unique if the program contains several copies of Tokio.
    pub owner: Option<u64>,
    /// Its tasks.
    pub lists: Lists,
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
        let words = memory.words(handle, SEARCHED / 8);
        sharded(memory, vtables, handle, &words).or_else(|| single(memory, vtables, handle, &words))
    }
}

/// Sharded lists: `[pointer, n]`, with or without the number of tasks ever added, the number of
/// tasks, `n − 1`, the owner id.
fn sharded(
    memory: &(impl Memory + ?Sized),
    vtables: &Vtables,
    handle: u64,
    words: &[u64],
) -> Option<Runtime> {
    let mut empty = None;
    for at in 0..words.len().saturating_sub(5) {
        let (pointer, shards) = (words[at], words[at + 1]);
        let is_candidate = (4..=MAX_SHARDS).contains(&shards)
            && shards.is_power_of_two()
            && pointer != 0
            && pointer.is_multiple_of(8);
        if !is_candidate {
            continue;
        }
        for (added, count) in [(Some(at + 2), at + 3), (None, at + 2)] {
            let Some(&[mask, owner]) =
                words.get(count + 1..count + 3).and_then(|x| x.first_chunk())
            else {
                continue;
            };
            // The owner id is needed as well: in an empty runtime, the other words would often
            // match by chance.
            if mask != shards - 1 || !(1..1 << 32).contains(&owner) || words[count] >= 1 << 32 {
                continue;
            }
            let address = |word: usize| handle.wrapping_add(word as u64 * 8);
            let lists = (0..shards)
                .map(|shard| List { head: pointer.wrapping_add(shard * SHARD + 8) })
                .collect::<Vec<_>>();
            let lists = Lists { lists, count: Some(address(count)), added: added.map(address) };
            let runtime = Runtime { handle, owner: Some(owner), lists };
            match test(memory, vtables, &runtime, pointer, shards) {
                Test::Tasks => return Some(runtime),
                Test::Empty if words[count] == 0 => empty = Some(runtime),
                Test::Empty | Test::Other => {}
            }
        }
    }
    empty
}

enum Test {
    /// The lists have tasks of this runtime.
    Tasks,
    /// All lists are empty.
    Empty,
    /// These are not lists of this runtime.
    Other,
}

fn test(
    memory: &(impl Memory + ?Sized),
    vtables: &Vtables,
    runtime: &Runtime,
    pointer: u64,
    shards: u64,
) -> Test {
    let bytes = memory.bytes(pointer, (shards * SHARD) as usize);
    let words: Vec<u64> = words_of(&bytes).collect();
    if words.len() as u64 != shards * SHARD / 8 {
        return Test::Other;
    }
    let (shards, _) = words.as_chunks::<3>();
    // A lock that is held and waited for is a small number in both kinds of mutex.
    if shards.iter().any(|[lock, _, _]| lock & 0xffff_ffff > 3) {
        return Test::Other;
    }
    let ends = shards.iter().flat_map(|&[_, head, tail]| [head, tail]).filter(|&end| end != 0);
    let mut ends: Vec<u64> = ends.collect();
    if ends.is_empty() {
        return Test::Empty;
    }
    ends.truncate(TESTED);
    // Some may have been freed between the two reads.
    let tasks = RawTask::read_many(memory, &ends, vtables);
    let own =
        |task: &Option<RawTask>| task.as_ref().is_some_and(|task| task.scheduler == runtime.handle);
    match tasks.iter().any(own) {
        true => Test::Tasks,
        false => Test::Other,
    }
}

/// One list: two consecutive words, the first and the last task of this runtime, which no other
/// task precedes or follows. (The injection queue has two such words too, but its tasks have
/// neighbors in the list.)
fn single(
    memory: &(impl Memory + ?Sized),
    vtables: &Vtables,
    handle: u64,
    words: &[u64],
) -> Option<Runtime> {
    let is_pointer = |word: u64| word > 0xffff && word.is_multiple_of(16);
    let pairs: Vec<usize> = (0..words.len().saturating_sub(1))
        .filter(|&at| is_pointer(words[at]) && is_pointer(words[at + 1]))
        .collect();
    let ends: Vec<u64> = pairs.iter().flat_map(|&at| [words[at], words[at + 1]]).collect();
    let tasks = RawTask::read_many(memory, &ends, vtables);
    for (&at, ends) in pairs.iter().zip(tasks.as_chunks::<2>().0) {
        let [Some(head), Some(tail)] = ends else { continue };
        if head.scheduler != handle || tail.scheduler != handle || head.owner != tail.owner {
            continue;
        }
        let link = |task: &RawTask, offset: u64| {
            let trailer = vtables.get(task.vtable)?.trailer;
            memory.word(task.address.checked_add(trailer)?.checked_add(offset)?)
        };
        if link(head, 0) == Some(0) && link(tail, 8) == Some(0) {
            let list = List { head: handle.wrapping_add(at as u64 * 8) };
            let lists = Lists { lists: vec![list], count: None, added: None };
            return Some(Runtime { handle, owner: Some(head.owner), lists });
        }
    }
    None
}

/// Words that may be pointers to a shared handle: 16-aligned, and preceded at their target by
/// plausible reference counts. Order is kept.
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
