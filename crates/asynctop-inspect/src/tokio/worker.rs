//! Tokio's own counters of each worker: busy time and parks. Stable builds have them since 1.45.
//!
//! A multi-thread runtime has a boxed slice of them, a current-thread runtime has them inline. They
//! are accepted only if they are consistent: a worker's parks and unparks together are twice its
//! parks, give or take the current one, and each has its own thread.

use crate::memory::{Memory, MemoryExt, words_of};

/// Bytes of a handle that are searched.
const SEARCHED: usize = 4096;
const MAX_WORKERS: u64 = 4096;

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
    /// Address of `busy_ns`. The worker writes it when it parks, and between two of at most 61
    /// polls; never inside a poll.
    pub busy_at: u64,
}

/// The workers of one runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workers {
    /// By index.
    pub workers: Vec<RawWorker>,
    /// Whether the counters are in a separate slice; a current-thread runtime has them inline.
    pub is_multi_thread: bool,
}

/// Offsets of the counters within the entry of one worker, in words.
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
        let both = *words.get(self.parks_and_unparks)?;
        let thread_id = *words.get(self.thread_id)?;
        let plausible =
            parks < 1 << 48 && both.abs_diff(2 * parks) <= 2 && (1..1 << 32).contains(&thread_id);
        plausible.then(|| RawWorker {
            thread_id,
            busy_ns: words[self.busy],
            parks,
            is_parked: both % 2 == 1,
            busy_at: address.wrapping_add(self.busy as u64 * 8),
        })
    }
}

/// The workers of the runtime whose handle is at `handle`. `uptime_ns` is for how long the
/// process has been running.
///
/// The counters of workers that have hardly parked could match by chance, so their thread ids must
/// belong to threads: `are_threads` decides that.
pub fn find(
    memory: &(impl Memory + ?Sized),
    handle: u64,
    uptime_ns: u64,
    are_threads: impl Fn(&[u64]) -> bool,
) -> Option<Workers> {
    let words = memory.words(handle, SEARCHED / 8);
    let is_valid = |workers: &[RawWorker]| {
        let mut ids: Vec<u64> = workers.iter().map(|worker| worker.thread_id).collect();
        let have_parked = workers.iter().any(|worker| worker.parks > 1);
        if !have_parked && (ids.len() < 2 || !are_threads(&ids)) {
            return false;
        }
        ids.sort_unstable();
        ids.dedup();
        ids.len() == workers.len() && workers.iter().all(|worker| worker.busy_ns <= uptime_ns)
    };
    for layout in &LAYOUTS {
        for pair in words.windows(2) {
            let [pointer, count] = *pair else { continue };
            if pointer == 0 || pointer % 128 != 0 || !(1..=MAX_WORKERS).contains(&count) {
                continue;
            }
            let bytes = memory.bytes(pointer, count as usize * layout.stride * 8);
            let words: Vec<u64> = words_of(&bytes).collect();
            let addresses =
                (0..).map(|index| pointer.wrapping_add(index * layout.stride as u64 * 8));
            let workers: Option<Vec<RawWorker>> = addresses
                .zip(words.chunks(layout.stride))
                .map(|(address, part)| layout.decode(address, part))
                .collect();
            if let Some(workers) = workers
                && workers.len() as u64 == count
                && is_valid(&workers)
            {
                return Some(Workers { workers, is_multi_thread: true });
            }
        }
    }
    for layout in &LAYOUTS {
        // Counters are aligned to 128 bytes, and so is the handle.
        let inline = words.chunks(16).enumerate().skip(1);
        for (index, _) in inline {
            let address = handle.wrapping_add(index as u64 * 128);
            let worker = layout.decode(address, &words[index * 16..]);
            if let Some(worker) = worker
                && is_valid(&[worker])
            {
                return Some(Workers { workers: vec![worker], is_multi_thread: false });
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Image;

    fn image(counters: &[[u64; 4]]) -> Image {
        let mut image = Image::new([(0x1000, vec![0; 4096]), (0x8000, vec![0; 4096])]);
        image.set_word(0x1040, 0x8000);
        image.set_word(0x1048, counters.len() as u64);
        for (index, [thread, busy, parks, both]) in counters.iter().enumerate() {
            let at = 0x8000 + index as u64 * 128;
            for (word, value) in [(1, thread), (2, busy), (4, parks), (5, both)] {
                image.set_word(at + word * 8, *value);
            }
        }
        image
    }

    #[test]
    fn counters_are_accepted_only_if_consistent() {
        let good = image(&[[2, 900, 10, 19], [3, 800, 7, 14]]);
        let workers = find(&good, 0x1000, 1000, |_| false).expect("workers");
        assert!(workers.is_multi_thread);
        let (first, second) = (workers.workers[0], workers.workers[1]);
        assert_eq!((first.thread_id, first.busy_ns, first.parks), (2, 900, 10));
        assert!(first.is_parked && !second.is_parked);

        for bad in [
            [[2, 900, 10, 19], [2, 800, 7, 14]],
            [[2, 900, 10, 19], [3, 2000, 7, 14]],
            [[2, 900, 10, 19], [3, 800, 7, 18]],
            [[2, 900, 0, 0], [3, 800, 0, 0]],
            [[0, 900, 10, 19], [3, 800, 7, 14]],
        ] {
            assert_eq!(find(&image(&bad), 0x1000, 1000, |ids| ids != [2, 3]), None, "{bad:?}");
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

    #[test]
    fn a_current_thread_runtime_has_them_inline() {
        let mut image = Image::new([(0x1000, vec![0; 4096])]);
        for (word, value) in [(1, 5), (2, 70), (4, 3), (5, 5)] {
            image.set_word(0x1080 + word * 8, value);
        }
        let workers = find(&image, 0x1000, 1000, |_| false).expect("workers");
        assert!(!workers.is_multi_thread);
        assert_eq!(workers.workers.len(), 1);
    }
}
