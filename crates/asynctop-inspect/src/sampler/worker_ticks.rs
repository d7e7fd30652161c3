//! Whether a thread has begun another poll since the previous sample.
//!
//! A worker counts the iterations of its loop, its ticks, in its core on the heap: each tick polls one
//! task, and at most three more from the LIFO slot. As long as the count does not change, the thread
//! is in the same poll. The address of the count differs from build to build, so it is searched: two
//! pointers lead from the thread's data to the core, and the count has grown whenever the thread
//! polled another task than at the previous sample. Of several such numbers, the one that grows most
//! is taken, because every park and every wake that a worker counts belongs to a tick. Until it is
//! found, a thread is in the same poll if no number has changed that may be the count.

use std::{collections::HashMap, time::Duration};

use crate::{
    Contexts,
    memory::{Memory, MemoryExt, is_pointer},
    sampler::polls::TaskKey,
};

/// Words of a context and of a core that are searched.
const CONTEXT_WORDS: usize = 16;
const CORE_WORDS: usize = 64;
/// Maximum number of cores of one thread that are examined.
const MAX_CORES: usize = 96;
/// Number of changes of the task, in each of which the count must have grown.
const REQUIRED_OBSERVATIONS: u32 = 12;
/// Minimum length of a tick.
const MIN_TICK: Duration = Duration::from_nanos(100);
/// Maximum number of searches for a count.
const MAX_ATTEMPTS: u32 = 4;

/// The path to a number of 32 bits: a pointer near the handle in the thread's block, which leads to
/// the context, a word of the context, which leads to the core, and a half word of the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct CounterPath {
    near: isize,
    word: usize,
    half: usize,
}

/// A number that may be the count.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    path: CounterPath,
    /// The growth in all observations.
    growth: u64,
}

/// The search for the count of a runtime's workers.
#[derive(Debug, Default)]
struct TickSearch {
    /// The numbers that have grown in each observation, those that grow most first; `None` before the
    /// first observation.
    candidates: Option<Vec<Candidate>>,
    observations: u32,
    attempts: u32,
    /// Whether a number has changed between two samples of one task, so that there are counts at all.
    has_changed: bool,
}

/// The numbers of a thread in one sample.
#[derive(Debug)]
struct Reading {
    task: TaskKey,
    at: Duration,
    /// With their paths.
    numbers: Vec<(CounterPath, u32)>,
}

/// The counts of all workers.
#[derive(Debug, Default)]
pub(super) struct WorkerTicks {
    /// By handle of the runtime.
    searches: HashMap<u64, TickSearch>,
    /// By thread.
    latest: HashMap<u32, Reading>,
}

impl WorkerTicks {
    /// Processes a sample, taken at `at`, of a thread that polls `task`. `busy_ns` is its worker's
    /// busy time, if it is known. Returns whether the thread is still in the poll of the previous
    /// sample; `None` if that is not known.
    pub(super) fn observe(
        &mut self,
        memory: &(impl Memory + ?Sized),
        contexts: &Contexts,
        task: TaskKey,
        at: Duration,
        busy_ns: Option<u64>,
    ) -> Option<bool> {
        let search = self.searches.entry(contexts.handle).or_default();
        if search.attempts >= MAX_ATTEMPTS {
            return None;
        }
        let numbers = match &search.candidates {
            None => read_all(memory, contexts, busy_ns),
            Some(candidates) => {
                let count = if search.is_done() { 1 } else { candidates.len() };
                let paths: Vec<CounterPath> =
                    candidates.iter().take(count).map(|candidate| candidate.path).collect();
                read_at(memory, contexts, &paths)
            }
        };
        let now = Reading { task, at, numbers };
        let mut is_same_poll = None;
        match self.latest.get(&contexts.tid) {
            Some(before) if search.is_done() && before.task == task => {
                is_same_poll = before.is_unchanged(&now);
            }
            Some(before) if before.task == task => {
                let is_unchanged = before.numbers == now.numbers && !now.numbers.is_empty();
                is_same_poll = (is_unchanged && search.has_counts()).then_some(true);
                search.has_changed |= before.has_changed(&now);
            }
            Some(before) if !search.is_done() => search.add_observation(before, &now),
            _ => {}
        }
        self.latest.insert(contexts.tid, now);
        is_same_poll
    }

    /// Removes threads that are no longer sampled.
    pub(super) fn retain(&mut self, is_sampled: impl Fn(u32) -> bool) {
        self.latest.retain(|&tid, _| is_sampled(tid));
    }
}

impl TickSearch {
    fn is_done(&self) -> bool {
        self.observations >= REQUIRED_OBSERVATIONS
    }

    /// Whether counts are among the numbers that are read.
    fn has_counts(&self) -> bool {
        self.candidates.is_some() || self.has_changed
    }

    /// Adds two readings between which the thread has begun another poll.
    fn add_observation(&mut self, before: &Reading, now: &Reading) {
        let max_growth = (now.at.saturating_sub(before.at)).as_nanos() / MIN_TICK.as_nanos();
        let [earlier, later] = [before, now]
            .map(|reading| reading.numbers.iter().copied().collect::<HashMap<_, u32>>());
        let growth = |path: CounterPath| {
            let growth = later.get(&path)?.wrapping_sub(*earlier.get(&path)?);
            (growth > 0 && u128::from(growth) <= max_growth).then_some(u64::from(growth))
        };
        let mut grown: Vec<Candidate> = match self.candidates.take() {
            None => before
                .numbers
                .iter()
                .filter_map(|(path, _)| Some(Candidate { path: *path, growth: growth(*path)? }))
                .collect(),
            Some(mut candidates) => {
                candidates.retain_mut(|candidate| match growth(candidate.path) {
                    Some(growth) => {
                        candidate.growth += growth;
                        true
                    }
                    None => false,
                });
                candidates
            }
        };
        if grown.is_empty() {
            *self = TickSearch { attempts: self.attempts + 1, ..TickSearch::default() };
            return;
        }
        self.observations += 1;
        grown.sort_by_key(|candidate| std::cmp::Reverse(candidate.growth));
        self.candidates = Some(grown);
    }
}

impl Reading {
    /// Whether `now` has the same numbers, with another value of at least one.
    fn has_changed(&self, now: &Reading) -> bool {
        let [before, after] =
            [self, now].map(|reading| reading.numbers.iter().map(|(path, _)| path));
        self.numbers != now.numbers && before.eq(after)
    }

    /// Whether the first number of `now` is the same; `None` if one of the readings lacks it.
    fn is_unchanged(&self, now: &Reading) -> Option<bool> {
        let (path, later) = now.numbers.first()?;
        let (_, earlier) = self.numbers.iter().find(|(known, _)| known == path)?;
        Some(earlier == later)
    }
}

/// Reads the halves of all words of all cores that a thread's block may lead to, except for its
/// worker's busy time, which also grows.
fn read_all(
    memory: &(impl Memory + ?Sized),
    contexts: &Contexts,
    busy_ns: Option<u64>,
) -> Vec<(CounterPath, u32)> {
    let mut numbers = Vec::new();
    let mut cores = Vec::new();
    for &(near, context) in &contexts.pointers {
        for (word, core) in memory.words(context, CONTEXT_WORDS).into_iter().enumerate() {
            if !is_pointer(core) || cores.contains(&core) || cores.len() == MAX_CORES {
                continue;
            }
            cores.push(core);
            for (index, value) in memory.words(core, CORE_WORDS).into_iter().enumerate() {
                if Some(value) == busy_ns {
                    continue;
                }
                for (half, number) in [(0, value as u32), (1, (value >> 32) as u32)] {
                    numbers.push((CounterPath { near, word, half: 2 * index + half }, number));
                }
            }
        }
    }
    numbers
}

/// Reads the numbers at these paths. Unreadable ones are left out.
fn read_at(
    memory: &(impl Memory + ?Sized),
    contexts: &Contexts,
    paths: &[CounterPath],
) -> Vec<(CounterPath, u32)> {
    let pointer = |near| {
        let mut pointers = contexts.pointers.iter();
        Some(pointers.find(|(known, _)| *known == near)?.1)
    };
    let contexts: Vec<(CounterPath, u64)> = paths
        .iter()
        .filter_map(|path| Some((*path, pointer(path.near)? + path.word as u64 * 8)))
        .collect();
    let addresses: Vec<u64> = contexts.iter().map(|(_, address)| *address).collect();
    let cores = memory.words_at(&addresses);
    let cores: Vec<(CounterPath, u64)> = contexts
        .iter()
        .zip(cores)
        .filter_map(|((path, _), core)| Some((*path, core.filter(|core| is_pointer(*core))?)))
        .collect();
    let addresses: Vec<u64> =
        cores.iter().map(|(path, core)| core.wrapping_add(path.half as u64 / 2 * 8)).collect();
    let words = memory.words_at(&addresses);
    let number = |(path, word): (CounterPath, Option<u64>)| {
        Some((path, (word? >> (path.half % 2 * 32)) as u32))
    };
    cores.iter().map(|(path, _)| *path).zip(words).filter_map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Image;

    /// A thread whose context is at 0x1000, and its core at 0x80000: ticks, a number that changes all
    /// the time, parks, and the busy time.
    fn thread(ticks: u32, parks: u32, noise: u32, busy_ns: u64) -> Image {
        let bytes = |words: &[u64]| words.iter().copied().flat_map(u64::to_le_bytes).collect();
        let core = [7, u64::from(ticks) << 32 | u64::from(noise), u64::from(parks), busy_ns];
        Image::new([(0x1000, bytes(&[1, 0x80000, 3])), (0x80000, bytes(&core))])
    }

    fn observe(ticks: &mut WorkerTicks, image: &Image, task: u64, ms: u64) -> Option<bool> {
        let contexts = Contexts { tid: 1, handle: 0x77_0000, pointers: vec![(-2, 0x1000)] };
        let busy_ns = image.word(0x80018);
        let key = TaskKey { module: 0, id: task };
        ticks.observe(image, &contexts, key, Duration::from_millis(ms), busy_ns)
    }

    /// The search after `samples` in each of which the worker polled another task, and its ticks.
    fn searched(samples: u32) -> (WorkerTicks, u32) {
        let mut ticks = WorkerTicks::default();
        for sample in 0..samples {
            let noise = sample.wrapping_mul(0x9e37_79b9);
            let image = thread(100 + 5 * sample, sample, noise, 1000 * u64::from(sample));
            let step = observe(&mut ticks, &image, sample.into(), 10 * u64::from(sample));
            assert_eq!(step, None, "another task is another poll anyway");
        }
        (ticks, 100 + 5 * (samples - 1))
    }

    #[test]
    fn poll_ends_when_the_worker_counts_a_tick() {
        let (mut ticks, count) = searched(REQUIRED_OBSERVATIONS + 2);
        let task = u64::from(REQUIRED_OBSERVATIONS) + 1;
        let thread_at =
            |noise, tick| thread(count + tick, REQUIRED_OBSERVATIONS + 1, noise, 99_000);
        assert_eq!(observe(&mut ticks, &thread_at(5, 0), task, 1010), Some(true));
        assert_eq!(observe(&mut ticks, &thread_at(6, 0), task, 1020), Some(true), "only noise");
        // It has not parked in between.
        assert_eq!(observe(&mut ticks, &thread_at(7, 1), task, 1030), Some(false));
        assert_eq!(observe(&mut ticks, &thread_at(8, 1), task, 1040), Some(true));
        let gone = Image::new([]);
        assert_eq!(observe(&mut ticks, &gone, task, 1050), None);
    }

    #[test]
    fn before_the_search_is_done_a_poll_is_the_same_if_no_number_has_changed() {
        let (mut ticks, count) = searched(1);
        let parks = |parks, noise| thread(count, parks, noise, 99_000);
        assert_eq!(observe(&mut ticks, &parks(0, 1), 0, 1010), None, "nothing to compare yet");
        assert_eq!(observe(&mut ticks, &parks(1, 1), 0, 1020), None, "now there are counts");
        assert_eq!(observe(&mut ticks, &parks(1, 1), 0, 1030), Some(true));
        assert_eq!(observe(&mut ticks, &parks(1, 2), 0, 1040), None, "it may be the count");
        assert_eq!(observe(&mut ticks, &Image::new([]), 0, 1050), None);
        assert_eq!(observe(&mut ticks, &Image::new([]), 0, 1060), None, "nothing was read");
    }

    #[test]
    fn poll_is_unknown_if_no_number_has_ever_changed() {
        let (mut ticks, count) = searched(1);
        let image = thread(count, 0, 0, 99_000);
        for sample in 0..3 {
            assert_eq!(observe(&mut ticks, &image, 0, 1010 + 10 * sample), None);
        }
    }
}
