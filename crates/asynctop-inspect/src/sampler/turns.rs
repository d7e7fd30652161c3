//! Whether a thread has begun another poll since the previous sample.
//!
//! A worker counts the turns of its loop in its core, which lies on the heap: each turn polls one
//! task, and at most three more from its LIFO slot. As long as the count stands still, the thread
//! is in the same poll. Its place differs from build to build, so it is learned: from the thread's
//! data two pointers lead to the core, and the count has grown whenever the thread polled another
//! task than at the previous sample. Of several such numbers the one that grows most is taken,
//! because every park and every wake that a worker counts belongs to a turn.

use std::{collections::HashMap, time::Duration};

use crate::{
    Contexts,
    memory::{Memory, MemoryExt, is_pointer},
    sampler::polls::Key,
};

/// Words of a context and of a core that are examined.
const CONTEXT: usize = 16;
const CORE: usize = 64;
/// Maximum number of cores of one thread that are examined.
const MAX_CORES: usize = 96;
/// Changes of the task in each of which the count must have grown.
const OBSERVATIONS: u32 = 12;
/// A turn takes at least this long.
const TURN: Duration = Duration::from_nanos(100);
/// Maximum number of searches for a count.
const ATTEMPTS: u32 = 4;

/// The way to a number of 32 bits: a pointer near the handle in the thread's block, a word of the
/// context that it leads to, and a half word of the core that this leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Place {
    near: isize,
    word: usize,
    half: usize,
}

/// A number that may be the count.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    place: Place,
    /// The growth in all observations.
    growth: u64,
}

/// The result of the search for the count of a runtime's workers.
#[derive(Debug, Default)]
struct Learned {
    /// The numbers that have grown in each observation, once there was one; after the last
    /// observation, those that grow most first.
    candidates: Option<Vec<Candidate>>,
    observations: u32,
    attempts: u32,
}

/// The numbers of a thread at a sample.
#[derive(Debug)]
struct Read {
    task: Key,
    at: Duration,
    /// By place.
    numbers: Vec<(Place, u32)>,
}

/// The counts of all workers.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// By handle of the runtime.
    learned: HashMap<u64, Learned>,
    /// By thread.
    latest: HashMap<u32, Read>,
}

impl Turns {
    /// Processes a sample, taken at `at`, of a thread that polls `task`. `busy_ns` is its worker's
    /// busy time, if it is known. Returns whether the thread is still in the poll of the previous
    /// sample; `None` if that is not known.
    pub(super) fn observe(
        &mut self,
        memory: &(impl Memory + ?Sized),
        contexts: &Contexts,
        task: Key,
        at: Duration,
        busy_ns: Option<u64>,
    ) -> Option<bool> {
        let learned = self.learned.entry(contexts.handle).or_default();
        if learned.attempts >= ATTEMPTS {
            return None;
        }
        let numbers = match &learned.candidates {
            None => all(memory, contexts, busy_ns),
            Some(candidates) if learned.is_known() => {
                let first = candidates.first().map(|candidate| candidate.place);
                read(memory, contexts, first.as_slice())
            }
            Some(candidates) => {
                let places: Vec<Place> = candidates.iter().map(|it| it.place).collect();
                read(memory, contexts, &places)
            }
        };
        let now = Read { task, at, numbers };
        let before = self.latest.get(&contexts.tid);
        let mut is_same = None;
        match before {
            Some(before) if learned.is_known() && before.task == task => {
                is_same = before.unchanged(&now);
            }
            Some(before) if !learned.is_known() && before.task != task => {
                learned.learn(before, &now);
            }
            _ => {}
        }
        self.latest.insert(contexts.tid, now);
        is_same
    }

    /// Removes threads that are no longer sampled.
    pub(super) fn retain(&mut self, is_sampled: impl Fn(u32) -> bool) {
        self.latest.retain(|&tid, _| is_sampled(tid));
    }
}

impl Learned {
    fn is_known(&self) -> bool {
        self.observations >= OBSERVATIONS
    }

    /// Processes two reads between which the thread has begun another poll.
    fn learn(&mut self, before: &Read, now: &Read) {
        let most = (now.at.saturating_sub(before.at)).as_nanos() / TURN.as_nanos();
        let [earlier, later] =
            [before, now].map(|read| read.numbers.iter().copied().collect::<HashMap<_, u32>>());
        let growth = |place: Place| {
            let growth = later.get(&place)?.wrapping_sub(*earlier.get(&place)?);
            (growth > 0 && u128::from(growth) <= most).then_some(u64::from(growth))
        };
        let mut grown: Vec<Candidate> = match self.candidates.take() {
            None => before
                .numbers
                .iter()
                .filter_map(|(place, _)| Some(Candidate { place: *place, growth: growth(*place)? }))
                .collect(),
            Some(mut candidates) => {
                candidates.retain_mut(|candidate| match growth(candidate.place) {
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
            *self = Learned { attempts: self.attempts + 1, ..Learned::default() };
            return;
        }
        self.observations += 1;
        grown.sort_by_key(|candidate| std::cmp::Reverse(candidate.growth));
        self.candidates = Some(grown);
    }
}

impl Read {
    /// Whether the first number of `now` was the same; `None` if one of the reads lacks it.
    fn unchanged(&self, now: &Read) -> Option<bool> {
        let (place, number) = now.numbers.first()?;
        let (_, before) = self.numbers.iter().find(|(known, _)| known == place)?;
        Some(before == number)
    }
}

/// The halves of all words of all cores that a thread's block may lead to, except for its worker's
/// busy time, which also grows.
fn all(
    memory: &(impl Memory + ?Sized),
    contexts: &Contexts,
    busy_ns: Option<u64>,
) -> Vec<(Place, u32)> {
    let mut numbers = Vec::new();
    let mut cores = Vec::new();
    for &(near, context) in &contexts.pointers {
        for (word, core) in memory.words(context, CONTEXT).into_iter().enumerate() {
            if !is_pointer(core) || cores.contains(&core) || cores.len() == MAX_CORES {
                continue;
            }
            cores.push(core);
            for (at, value) in memory.words(core, CORE).into_iter().enumerate() {
                if Some(value) == busy_ns {
                    continue;
                }
                let halves = [value as u32, (value >> 32) as u32];
                numbers.extend(
                    halves.into_iter().enumerate().map(|(which, number)| {
                        (Place { near, word, half: 2 * at + which }, number)
                    }),
                );
            }
        }
    }
    numbers
}

/// The numbers at these places, as far as they can be read.
fn read(
    memory: &(impl Memory + ?Sized),
    contexts: &Contexts,
    places: &[Place],
) -> Vec<(Place, u32)> {
    let pointer = |near| contexts.pointers.iter().find(|(known, _)| *known == near).map(|it| it.1);
    let contexts: Vec<(Place, u64)> = places
        .iter()
        .filter_map(|place| Some((*place, pointer(place.near)? + place.word as u64 * 8)))
        .collect();
    let addresses: Vec<u64> = contexts.iter().map(|(_, address)| *address).collect();
    let cores = memory.words_at(&addresses);
    let cores: Vec<(Place, u64)> = contexts
        .iter()
        .zip(cores)
        .filter_map(|((place, _), core)| Some((*place, core.filter(|core| is_pointer(*core))?)))
        .collect();
    let addresses: Vec<u64> =
        cores.iter().map(|(place, core)| core.wrapping_add(place.half as u64 / 2 * 8)).collect();
    let words = memory.words_at(&addresses);
    let number = |(place, word): (Place, Option<u64>)| {
        Some((place, (word? >> (place.half % 2 * 32)) as u32))
    };
    cores.iter().map(|(place, _)| *place).zip(words).filter_map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Image;

    /// A thread whose context is at 0x1000, and its core at 0x80000: turns, parks, a number that
    /// changes all the time, and the busy time.
    fn thread(turns: u32, parks: u32, noise: u32, busy_ns: u64) -> Image {
        let bytes = |words: &[u64]| words.iter().copied().flat_map(u64::to_le_bytes).collect();
        let core = [7, u64::from(turns) << 32 | u64::from(noise), u64::from(parks), busy_ns];
        Image::new([(0x1000, bytes(&[1, 0x80000, 3])), (0x80000, bytes(&core))])
    }

    fn observe(turns: &mut Turns, image: &Image, task: u64, ms: u64) -> Option<bool> {
        let contexts = Contexts { tid: 1, handle: 0x77_0000, pointers: vec![(-2, 0x1000)] };
        let busy_ns = image.word(0x80018);
        let key = Key { module: 0, id: task };
        turns.observe(image, &contexts, key, Duration::from_millis(ms), busy_ns)
    }

    /// The counters of a worker after so many samples, in each of which it polled another task.
    fn learned(samples: u32) -> (Turns, u32) {
        let mut turns = Turns::default();
        for sample in 0..samples {
            let noise = sample.wrapping_mul(0x9e37_79b9);
            let image = thread(100 + 5 * sample, sample, noise, 1000 * u64::from(sample));
            let step = observe(&mut turns, &image, sample.into(), 10 * u64::from(sample));
            assert_eq!(step, None, "another task is another poll anyway");
        }
        (turns, 100 + 5 * (samples - 1))
    }

    #[test]
    fn a_poll_lasts_as_long_as_the_worker_counts_no_turn() {
        let (mut turns, count) = learned(OBSERVATIONS + 2);
        let task = u64::from(OBSERVATIONS) + 1;
        let at = |noise, turn| thread(count + turn, OBSERVATIONS + 1, noise, 99_000);
        assert_eq!(observe(&mut turns, &at(5, 0), task, 1010), Some(true));
        assert_eq!(observe(&mut turns, &at(6, 0), task, 1020), Some(true), "only noise");
        // It has not parked in between.
        assert_eq!(observe(&mut turns, &at(7, 1), task, 1030), Some(false));
        assert_eq!(observe(&mut turns, &at(8, 1), task, 1040), Some(true));
        let gone = Image::new([]);
        assert_eq!(observe(&mut turns, &gone, task, 1050), None);
    }

    #[test]
    fn nothing_is_claimed_before_it_is_learned() {
        let (mut turns, count) = learned(OBSERVATIONS - 1);
        let task = u64::from(OBSERVATIONS) - 2;
        let image = thread(count, OBSERVATIONS - 2, 5, 99_000);
        assert_eq!(observe(&mut turns, &image, task, 1010), None);
    }
}
