//! The counters of a runtime's blocking pool.
//!
//! The runtime's handle has a shared pointer to the pool. Near the end of the pool are, in this
//! order: the time for which an idle thread is kept, the function that names threads, two optional
//! callbacks, the limit of threads, the number of the runtime's own workers, and the numbers of
//! threads, of idle threads and of queued closures. (Workers run on threads of the pool and count.)

use crate::{
    memory::{Memory, MemoryExt, is_pointer},
    tokio::{HANDLE_LENGTH, runtime::shared_pointers},
};

/// Words of a pool that are searched, the reference counts included.
const POOL_WORDS: usize = 192;
/// Words from the time for which an idle thread is kept to the last counter.
const COUNTERS: usize = 13;
/// Upper bound of the number of threads.
const MAX_THREADS: u64 = 1 << 20;

/// A blocking pool at one moment. The runtime's workers are not included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Maximum number of threads.
    pub limit: u64,
    /// Number of threads.
    pub threads: u64,
    /// Threads without a closure.
    pub idle: u64,
    /// Closures that wait for a thread.
    pub queued: u64,
}

/// The address of a pool's counters. It does not change as long as the runtime exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountersAddress {
    counters: u64,
    /// The address of the word of the handle that points to the pool, and the pointer. A pool that has
    /// been freed may still have the shape of one.
    word: u64,
    pointer: u64,
}

/// Finds the counters of the pool of the runtime whose handle is at `handle`, and of which `workers`
/// run on threads of the pool. `is_constant` decides whether an address can have a constant of the
/// program.
pub fn find(
    memory: &(impl Memory + ?Sized),
    handle: u64,
    workers: u64,
    is_constant: impl Fn(u64) -> bool,
) -> Option<CountersAddress> {
    let handle_words = memory.words(handle, HANDLE_LENGTH / 8);
    let pointers = shared_pointers(memory, handle_words.iter().copied(), is_pointer);
    pointers.into_iter().find_map(|pointer| {
        let words = memory.words(pointer, POOL_WORDS);
        let is_pool = |window: &[u64]| {
            let counters = window.first_chunk();
            counters.is_some_and(|words| decode(words, workers, &is_constant).is_some())
        };
        // A pool has no weak pointers.
        let index = words.windows(COUNTERS).position(is_pool).filter(|_| words[1] == 1)?;
        let word = handle_words.iter().position(|word| *word == pointer)?;
        let at = |start: u64, index: usize| start.wrapping_add(index as u64 * 8);
        let (counters, word) = (at(pointer, index), at(handle, word));
        Some(CountersAddress { counters, word, pointer })
    })
}

/// Reads the counters at an address from [`find`]; `None` if they are no longer there.
pub fn read(
    memory: &(impl Memory + ?Sized),
    address: CountersAddress,
    workers: u64,
    is_constant: impl Fn(u64) -> bool,
) -> Option<Pool> {
    if memory.word(address.word) != Some(address.pointer) {
        return None;
    }
    decode(memory.words(address.counters, COUNTERS).first_chunk()?, workers, &is_constant)
}

/// The pool whose last words these are, if they have its shape.
fn decode(
    words: &[u64; COUNTERS],
    workers: u64,
    is_constant: &impl Fn(u64) -> bool,
) -> Option<Pool> {
    const NANOSECONDS: u32 = 1_000_000_000;
    let [keep_s, keep_ns, name, name_table, rest @ ..] = *words;
    let [start, start_table, stop, stop_table, limit, counted, threads, idle, queued] = rest;
    let is_callback = |function: u64, table: u64| function == 0 || is_constant(table);
    let is_pool = counted == workers
        && (1..=MAX_THREADS).contains(&limit)
        && workers < limit
        && (workers..=limit).contains(&threads)
        && idle <= threads - workers
        && queued < 1 << 32
        && keep_s < 1 << 32
        && (keep_ns as u32) < NANOSECONDS
        && name > 0xffff
        && is_constant(name_table)
        && is_callback(start, start_table)
        && is_callback(stop, stop_table);
    is_pool.then(|| Pool { limit: limit - workers, threads: threads - workers, idle, queued })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Image;

    const HANDLE: u64 = 0x1_0000;
    const POOL: u64 = 0x2_0000;
    const TABLE: u64 = 0x9_0000;
    const COUNTERS_AT: u64 = POOL + 0x200;
    /// Two workers, two more threads of at most two, and ten closures that wait.
    const VALID: [u64; COUNTERS] =
        [10, 0xdead << 32, POOL, TABLE, 0, 7, POOL, TABLE, 4, 2, 4, 0, 10];

    fn image(counters: &[u64]) -> Image {
        let mut image = Image::new([HANDLE, POOL].map(|start| (start, vec![0; 0x1000])));
        for (address, word) in [(HANDLE + 0x80, POOL), (POOL, 5), (POOL + 8, 1)] {
            image.set_word(address, word);
        }
        for (index, word) in counters.iter().enumerate() {
            image.set_word(COUNTERS_AT + index as u64 * 8, *word);
        }
        image
    }

    fn pool(counters: &[u64]) -> Option<Pool> {
        let (image, is_constant) = (image(counters), |address| address == TABLE);
        let counters = find(&image, HANDLE, 2, is_constant)?;
        assert_eq!(counters.counters, COUNTERS_AT);
        read(&image, counters, 2, is_constant)
    }

    #[test]
    fn counters_exclude_the_workers() {
        let expected = Pool { limit: 2, threads: 2, idle: 0, queued: 10 };
        assert_eq!(pool(&VALID), Some(expected));
    }

    /// Another runtime may have a handle at the same address.
    #[test]
    fn pool_to_which_the_handle_no_longer_points_is_not_read() {
        let mut image = image(&VALID);
        let address = find(&image, HANDLE, 2, |address| address == TABLE).expect("a pool");
        image.set_word(HANDLE + 0x80, POOL + 0x800);
        assert_eq!(read(&image, address, 2, |address| address == TABLE), None);
    }

    #[test]
    fn counters_that_contradict_each_other_are_rejected() {
        for (index, word, reason) in [
            (1, 1_000_000_000, "not a duration"),
            (3, TABLE + 8, "not a function"),
            (7, 0, "not a callback"),
            (8, 3, "more threads than the limit"),
            (9, 1, "not its workers"),
            (10, 1, "fewer threads than workers"),
            (11, 3, "more idle threads than threads"),
        ] {
            let mut counters = VALID;
            counters[index] = word;
            assert_eq!(pool(&counters), None, "{reason}");
        }
        let mut image = image(&VALID);
        image.set_word(POOL + 8, 3);
        assert_eq!(find(&image, HANDLE, 2, |_| true), None, "not shared");
    }
}
