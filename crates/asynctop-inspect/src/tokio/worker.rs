//! Tokio's own counters of each worker: busy time and parks. Stable builds have them since 1.45.
//!
//! A multi-thread runtime has a boxed slice of them, a current-thread runtime has them inline. They
//! are accepted only if they are consistent: the parks and unparks of a worker together are twice
//! its parks, or one less while it is parked, and each worker has its own thread.

use std::collections::HashSet;

use crate::{
    memory::{Memory, MemoryExt},
    tokio::HANDLE_LENGTH,
};

const MAX_WORKERS: u64 = 4096;
/// Busy time that cannot be mistaken for a small number of something else.
const MIN_BUSY_NS: u64 = 100_000_000;

/// The counters of one worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawWorker {
    /// Rust's id of its thread (not the kernel's).
    pub thread_id: u64,
    /// Time outside of parking, in nanoseconds. Counted when the worker parks.
    pub busy_ns: u64,
    /// Number of parks.
    pub parks: u64,
    /// Whether it is parked now.
    pub is_parked: bool,
    /// Address of `busy_ns`. The worker writes it when it parks, and after at most 61 polls; never
    /// inside a poll.
    pub busy_address: u64,
}

/// The workers of one runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workers {
    /// By index.
    pub workers: Vec<RawWorker>,
    /// Whether the counters are in a slice, as those of a multi-thread runtime.
    pub is_multi_thread: bool,
}

/// Size of the entry of one worker, and offsets of the counters in it, in words.
struct Layout {
    stride: usize,
    thread_id: usize,
    busy: usize,
    parks: usize,
    parks_and_unparks: usize,
}

const LAYOUTS: [Layout; 2] = [
    // Stable.
    Layout { stride: 16, thread_id: 1, busy: 2, parks: 4, parks_and_unparks: 5 },
    // With `tokio_unstable`.
    Layout { stride: 32, thread_id: 9, busy: 6, parks: 10, parks_and_unparks: 11 },
];

impl Layout {
    /// The worker whose entry is `words`, at `address`.
    fn decode(&self, address: u64, words: &[u64]) -> Option<RawWorker> {
        let parks = *words.get(self.parks)?;
        let parks_and_unparks = *words.get(self.parks_and_unparks)?;
        let thread_id = *words.get(self.thread_id)?;
        let is_worker = parks < 1 << 48
            && parks_and_unparks.abs_diff(2 * parks) <= 2
            && (1..1 << 32).contains(&thread_id);
        is_worker.then(|| RawWorker {
            thread_id,
            busy_ns: words[self.busy],
            parks,
            is_parked: parks_and_unparks % 2 == 1,
            busy_address: address.wrapping_add(self.busy as u64 * 8),
        })
    }

    /// The workers in a slice, if each entry is one.
    fn decode_slice(
        &self,
        memory: &(impl Memory + ?Sized),
        (pointer, count): (u64, u64),
    ) -> Option<Vec<RawWorker>> {
        if pointer == 0 || !pointer.is_multiple_of(128) || !(1..=MAX_WORKERS).contains(&count) {
            return None;
        }
        let words = memory.words(pointer, count as usize * self.stride);
        let entries = words.chunks(self.stride).enumerate();
        let workers: Option<Vec<RawWorker>> = entries
            .map(|(index, entry)| {
                let offset = (index * self.stride * 8) as u64;
                self.decode(pointer.wrapping_add(offset), entry)
            })
            .collect();
        workers.filter(|workers| workers.len() as u64 == count)
    }
}

/// The workers of the runtime whose handle is at `handle`, in a process that was started
/// `uptime_ns` ago.
///
/// Other words may match by chance. Workers whose ids are those of threads (`are_threads`) come
/// first, then those with the most parks. A single worker with at most one park, as in a saturated
/// runtime, must have the id of a thread and have been busy for `MIN_BUSY_NS`, and is accepted only
/// if nothing else is found.
pub fn find(
    memory: &(impl Memory + ?Sized),
    handle: u64,
    uptime_ns: u64,
    are_threads: impl Fn(&[u64]) -> bool,
) -> Option<Workers> {
    let words = memory.words(handle, HANDLE_LENGTH / 8);
    let in_slices = LAYOUTS.iter().flat_map(|layout| {
        let slices = words.windows(2).map(|pair| (pair[0], pair[1]));
        slices.filter_map(|slice| layout.decode_slice(memory, slice))
    });
    let inline = LAYOUTS.iter().flat_map(|layout| {
        // Counters are aligned to 128 bytes, and so is the handle.
        (16..words.len()).step_by(16).filter_map(|start| {
            let address = handle.wrapping_add(start as u64 * 8);
            Some(vec![layout.decode(address, &words[start..])?])
        })
    });
    let in_slices = in_slices.map(|workers| Workers { workers, is_multi_thread: true });
    let inline = inline.map(|workers| Workers { workers, is_multi_thread: false });
    let ids = |found: &Workers| -> Vec<u64> {
        found.workers.iter().map(|worker| worker.thread_id).collect()
    };
    let candidates = in_slices.chain(inline).filter(|found| {
        let distinct: HashSet<u64> = ids(found).into_iter().collect();
        let workers = &found.workers;
        distinct.len() == workers.len() && workers.iter().all(|it| it.busy_ns <= uptime_ns)
    });
    let have_parked = |found: &Workers| found.workers.iter().any(|worker| worker.parks > 1);
    let has_several = |found: &Workers| found.workers.len() > 1;
    let have_threads =
        |found: &Workers| (have_parked(found) || has_several(found)) && are_threads(&ids(found));
    // Other words of the handle may point to its inline counters, as a slice would.
    let near = handle..handle.saturating_add(HANDLE_LENGTH as u64);
    let is_saturated = |found: &Workers| {
        let [worker] = found.workers[..] else { return false };
        worker.busy_ns >= MIN_BUSY_NS
            && !(found.is_multi_thread && near.contains(&worker.busy_address))
            && are_threads(&ids(found))
    };
    let parks = |found: &Workers| found.workers.iter().map(|worker| worker.parks).sum::<u64>();
    let with_threads = candidates.clone().filter(have_threads).max_by_key(parks);
    with_threads
        .or_else(|| candidates.clone().filter(have_parked).max_by_key(parks))
        .or_else(|| candidates.clone().find(is_saturated))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Image;

    fn image(counters: &[[u64; 4]]) -> Image {
        let mut image = Image::new([(0x1000, vec![0; 4096]), (0x8000, vec![0; 4096])]);
        image.set_word(0x1040, 0x8000);
        image.set_word(0x1048, counters.len() as u64);
        for (index, [thread, busy, parks, parks_and_unparks]) in counters.iter().enumerate() {
            let entry = 0x8000 + index as u64 * 128;
            for (word, value) in [(1, thread), (2, busy), (4, parks), (5, parks_and_unparks)] {
                image.set_word(entry + word * 8, *value);
            }
        }
        image
    }

    #[test]
    fn counters_are_accepted_only_if_consistent() {
        let consistent = image(&[[2, 900, 10, 19], [3, 800, 7, 14]]);
        let workers = find(&consistent, 0x1000, 1000, |_| false).expect("workers");
        assert!(workers.is_multi_thread);
        let (first, second) = (workers.workers[0], workers.workers[1]);
        assert_eq!((first.thread_id, first.busy_ns, first.parks), (2, 900, 10));
        assert!(first.is_parked && !second.is_parked);

        for inconsistent in [
            [[2, 900, 10, 19], [2, 800, 7, 14]],
            [[2, 900, 10, 19], [3, 2000, 7, 14]],
            [[2, 900, 10, 19], [3, 800, 7, 18]],
            [[2, 900, 0, 0], [3, 800, 0, 0]],
            [[0, 900, 10, 19], [3, 800, 7, 14]],
        ] {
            assert_eq!(
                find(&image(&inconsistent), 0x1000, 1000, |ids| ids != [2, 3]),
                None,
                "{inconsistent:?}"
            );
        }
    }

    #[test]
    fn workers_that_never_parked_are_recognized_by_their_threads() {
        let fresh = image(&[[2, 0, 0, 0], [3, 0, 1, 1]]);
        assert_eq!(find(&fresh, 0x1000, 1000, |_| false), None);
        let workers = find(&fresh, 0x1000, 1000, |ids| ids == [2, 3]).expect("workers");
        assert_eq!(workers.workers.len(), 2);
        assert_eq!(find(&image(&[[2, 0, 0, 0]]), 0x1000, 1000, |_| true), None, "one is too few");
    }

    /// The handle of a current-thread runtime, with counters at these words.
    fn inline(words: &[(u64, u64)]) -> Image {
        let mut image = Image::new([(0x1000, vec![0; 4096])]);
        words.iter().for_each(|(word, value)| image.set_word(0x1080 + word * 8, *value));
        image
    }

    #[test]
    fn saturated_worker_is_recognized_by_its_thread_and_its_busy_time() {
        let saturated = inline(&[(1, 2), (2, MIN_BUSY_NS), (4, 1), (5, 1)]);
        let find = |uptime, id| find(&saturated, 0x1000, uptime, |ids| ids == [id]);
        let workers = find(2 * MIN_BUSY_NS, 2).expect("a worker");
        assert!(!workers.is_multi_thread);
        assert_eq!(workers.workers[0].busy_ns, MIN_BUSY_NS);
        assert_eq!(find(2 * MIN_BUSY_NS, 3), None, "no thread has its id");
        assert_eq!(find(MIN_BUSY_NS / 2, 2), None, "it was busy for longer than the process runs");
    }

    #[test]
    fn worker_that_has_parked_takes_precedence_over_words_like_those_of_a_saturated_one() {
        let other = [(1, 2), (2, MIN_BUSY_NS), (4, 0), (5, 0)];
        let counters = [(16 + 9, 2), (16 + 6, 70), (16 + 10, 9), (16 + 11, 17)];
        let image = inline(&[&other[..], &counters].concat());
        let workers = find(&image, 0x1000, 2 * MIN_BUSY_NS, |_| true).expect("a worker");
        assert_eq!((workers.workers[0].busy_ns, workers.workers[0].parks), (70, 9));
    }

    #[test]
    fn current_thread_runtime_has_inline_counters() {
        let image = inline(&[(1, 5), (2, 70), (4, 3), (5, 5)]);
        let workers = find(&image, 0x1000, 1000, |_| false).expect("workers");
        assert!(!workers.is_multi_thread);
        assert_eq!(workers.workers.len(), 1);
    }

    /// A slice of one entry looks like counters of the same thread.
    #[test]
    fn counters_with_the_most_parks_are_preferred() {
        let mut image = image(&[[2, 900, 2, 4]]);
        for (word, value) in [(1, 2), (2, 800), (4, 7), (5, 14)] {
            image.set_word(0x1100 + word * 8, value);
        }
        let workers = find(&image, 0x1000, 1000, |_| true).expect("workers");
        assert_eq!((workers.workers[0].parks, workers.is_multi_thread), (7, false));
    }

    /// A slice of one entry looks like counters; the inline ones behind it have a thread.
    #[test]
    fn counters_with_a_thread_are_preferred() {
        let mut image = image(&[[9, 900, 10, 19]]);
        for (word, value) in [(1, 2), (2, 800), (4, 7), (5, 14)] {
            image.set_word(0x1100 + word * 8, value);
        }
        let workers = find(&image, 0x1000, 1000, |ids| ids == [2]).expect("workers");
        assert_eq!((workers.workers[0].thread_id, workers.is_multi_thread), (2, false));
        let workers = find(&image, 0x1000, 1000, |_| false).expect("workers");
        assert_eq!((workers.workers[0].thread_id, workers.is_multi_thread), (9, true));
    }
}
