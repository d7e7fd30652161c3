//! The counters of a runtime's blocking pool.
//!
//! The runtime's handle has a shared pointer to the pool. Near the end of the pool are, in this
//! order: how long an idle thread is kept, the function that names threads, two optional callbacks,
//! the limit of threads, the number of the runtime's own workers, and the numbers of threads, of
//! idle threads and of queued closures. (The workers run on threads of the pool and count.)

use std::collections::HashSet;

use crate::memory::{Memory, MemoryExt};

/// Bytes of a handle that are searched.
const SEARCHED: usize = 4096;
/// Words of a pool that are examined, the counts of references included.
const WORDS: usize = 192;
/// Words from the time that an idle thread is kept to the last counter.
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

/// The address of a pool's counters, which is the same as long as the runtime exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Address of the words before the counters.
    address: u64,
}

/// The place of the pool of the runtime whose handle is at `handle`, and which has so many workers
/// on threads of the pool. `is_constant` decides whether a constant of the program can be at an
/// address.
pub fn find(
    memory: &(impl Memory + ?Sized),
    handle: u64,
    workers: u64,
    is_constant: impl Fn(u64) -> bool,
) -> Option<Place> {
    let mut seen = HashSet::new();
    let words = memory.words(handle, SEARCHED / 8);
    let is_pointer = |word: &u64| *word > 0xffff && word.is_multiple_of(8) && seen.insert(*word);
    let pointers: Vec<u64> = words.into_iter().filter(is_pointer).collect();
    let counts = pointers.iter().flat_map(|&pointer| [pointer, pointer.wrapping_add(8)]);
    let counts = memory.words_at(&counts.collect::<Vec<_>>());
    let counts = counts.as_chunks::<2>().0.iter();
    let is_shared = |counts: &[Option<u64>; 2]| {
        counts[0].is_some_and(|count| (1..1 << 31).contains(&count)) && counts[1] == Some(1)
    };
    let shared = pointers.iter().zip(counts).filter(|(_, counts)| is_shared(counts));
    shared.map(|(pointer, _)| *pointer).find_map(|pointer| {
        let words = memory.words(pointer, WORDS);
        let is_pool = |window: &[u64]| {
            window.first_chunk().is_some_and(|it| decode(it, workers, &is_constant).is_some())
        };
        let at = words.windows(COUNTERS).position(is_pool)?;
        Some(Place { address: pointer.wrapping_add(at as u64 * 8) })
    })
}

/// The pool at a place that [`find`] has found; `None` if it is no longer there.
pub fn read(
    memory: &(impl Memory + ?Sized),
    place: Place,
    workers: u64,
    is_constant: impl Fn(u64) -> bool,
) -> Option<Pool> {
    decode(memory.words(place.address, COUNTERS).first_chunk()?, workers, &is_constant)
}

/// The counters at the end of `words`, if all of them are those of a pool.
fn decode(
    words: &[u64; COUNTERS],
    workers: u64,
    is_constant: &impl Fn(u64) -> bool,
) -> Option<Pool> {
    const NANOSECONDS: u32 = 1_000_000_000;
    let [keep_s, keep_ns, name, name_table, rest @ ..] = *words;
    let [start, start_table, stop, stop_table, limit, own, threads, idle, queued] = rest;
    let is_callback = |function: u64, table: u64| function == 0 || is_constant(table);
    let is_pool = own == workers
        && (1..=MAX_THREADS).contains(&limit)
        && own < limit
        && (own..=limit).contains(&threads)
        && idle <= threads - own
        && queued < 1 << 32
        && keep_s < 1 << 32
        && (keep_ns as u32) < NANOSECONDS
        && name > 0xffff
        && is_constant(name_table)
        && is_callback(start, start_table)
        && is_callback(stop, stop_table);
    is_pool.then(|| Pool { limit: limit - own, threads: threads - own, idle, queued })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Image;

    const HANDLE: u64 = 0x1_0000;
    const POOL: u64 = 0x2_0000;
    const TABLE: u64 = 0x9_0000;
    const WORDS_AT: u64 = POOL + 0x200;
    /// Two workers, and of at most two more threads both, with ten closures that wait.
    const NUMBERS: [u64; COUNTERS] =
        [10, 0xdead << 32, POOL, TABLE, 0, 7, POOL, TABLE, 4, 2, 4, 0, 10];

    fn image(counters: &[u64]) -> Image {
        let mut image = Image::new([HANDLE, POOL].map(|at| (at, vec![0; 0x1000])));
        for (address, word) in [(HANDLE + 0x80, POOL), (POOL, 5), (POOL + 8, 1)] {
            image.set_word(address, word);
        }
        for (at, word) in counters.iter().enumerate() {
            image.set_word(WORDS_AT + at as u64 * 8, *word);
        }
        image
    }

    fn pool(counters: &[u64]) -> Option<Pool> {
        let (image, is_constant) = (image(counters), |address| address == TABLE);
        let place = find(&image, HANDLE, 2, is_constant)?;
        assert_eq!(place, Place { address: WORDS_AT });
        read(&image, place, 2, is_constant)
    }

    #[test]
    fn counters_without_the_workers() {
        let expected = Pool { limit: 2, threads: 2, idle: 0, queued: 10 };
        assert_eq!(pool(&NUMBERS), Some(expected));
    }

    #[test]
    fn counters_that_contradict_each_other_are_rejected() {
        for (at, word, reason) in [
            (1, 1_000_000_000, "not a duration"),
            (3, TABLE + 8, "not a function"),
            (7, 0, "not a callback"),
            (8, 3, "more threads than the limit"),
            (9, 1, "not its workers"),
            (10, 1, "fewer threads than workers"),
            (11, 3, "more idle threads than threads"),
        ] {
            let mut counters = NUMBERS;
            counters[at] = word;
            assert_eq!(pool(&counters), None, "{reason}");
        }
        let mut image = image(&NUMBERS);
        image.set_word(POOL + 8, 3);
        assert_eq!(find(&image, HANDLE, 2, |_| true), None, "not shared");
    }
}
