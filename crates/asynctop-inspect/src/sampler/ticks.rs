//! Samples the current task of each thread.
//!
//! One sample is one gather of one word per thread, and a second one that compares the states of
//! these tasks. The cost does not depend on the number of tasks.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    fs::File,
    os::unix::fs::FileExt,
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::{
    Contexts, CurrentWord, TaskInfo,
    memory::MemoryExt,
    process::identity::Identity,
    sampler::{
        Shared, cpu_time, lock,
        polls::{Key, Observation, Poll, Polls},
        random::Random,
        share::Observations,
        turns::Turns,
        types::{Continuity, Lateness, LongPoll, ThreadTimes},
    },
    sys,
    tokio::task::State,
};

/// A sample that is taken this much after its planned time is late.
const LATE: Duration = Duration::from_millis(1);
/// Maximum sleep between two checks of whether to stop.
const MAX_SLEEP: Duration = Duration::from_millis(100);
/// The identity of the process is verified once in so many samples, and whenever results are read.
const VERIFIED: u64 = 8;
/// Ended long polls are kept for this long, and no more than this number.
const KEPT: Duration = Duration::from_secs(60);
const MAX_LONG_POLLS: usize = 1000;

/// The words to sample, as of the latest survey.
#[derive(Default)]
pub(super) struct Plan {
    words: Vec<CurrentWord>,
    contexts: Vec<Contexts>,
    /// Threads with a worker's busy time.
    busy: Vec<u32>,
    /// The words of one sample: the current task of each of `words`, then the busy time of each of
    /// `busy`. Had a busy time changed between the two reads, the poll would be a new one.
    addresses: Vec<u64>,
    /// Sorted by key.
    tasks: Vec<(Key, Arc<TaskInfo>)>,
}

impl Plan {
    /// `busy_words` are the addresses of the workers' busy times, by thread.
    pub(super) fn new(
        words: Vec<CurrentWord>,
        contexts: Vec<Contexts>,
        busy_words: &HashMap<u32, u64>,
        mut tasks: Vec<(Key, Arc<TaskInfo>)>,
    ) -> Self {
        tasks.sort_unstable_by_key(|(key, _)| *key);
        let mut busy: Vec<(u64, u32)> = busy_words.iter().map(|(tid, at)| (*at, *tid)).collect();
        // Neighbors are read together.
        busy.sort_unstable();
        let own = words.iter().map(|word| word.address);
        let addresses = own.chain(busy.iter().map(|(at, _)| *at)).collect();
        Plan {
            words,
            contexts,
            busy: busy.into_iter().map(|(_, tid)| tid).collect(),
            addresses,
            tasks,
        }
    }

    /// The task with this key, if the survey has listed it.
    pub(super) fn task(&self, key: Key) -> Option<&Arc<TaskInfo>> {
        let at = self.tasks.binary_search_by_key(&key, |(key, _)| *key).ok()?;
        Some(&self.tasks[at].1)
    }
}

/// Hits of one task.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub hits: u64,
    pub runs: u64,
    /// The number of samples after the latest hit.
    latest: u64,
}

/// Results of the sample loop.
#[derive(Default)]
pub(super) struct Hits {
    pub samples: u64,
    pub taken: Duration,
    /// Of listed tasks.
    pub by_task: HashMap<Key, Tally>,
    /// Hits of other tasks.
    pub unlisted: u64,
    /// Hits of listed tasks by thread.
    pub by_thread: HashMap<u32, u64>,
    /// Busy time of each worker's thread in nanoseconds, as of the latest sample.
    pub busy_ns: HashMap<u32, u64>,
    pub lateness: Lateness,
    /// Comparisons of a thread's current task with the task's state.
    pub agreed: u64,
    pub contradicted: u64,
    pub long_polls: VecDeque<LongPoll>,
    pub cpu: Duration,
}

impl Hits {
    fn add(&mut self, key: Key) {
        let tally = self.by_task.entry(key).or_default();
        // The current sample has been counted.
        tally.runs += u64::from(tally.latest + 1 != self.samples || tally.hits == 0);
        tally.hits += 1;
        tally.latest = self.samples;
    }

    /// The observations of a task that was listed when `since` samples had been taken.
    pub(super) fn observations(&self, key: Key, since: u64) -> Observations {
        let Tally { hits, runs, .. } = self.by_task.get(&key).copied().unwrap_or_default();
        Observations { samples: self.samples - since, hits, runs }
    }

    /// The current task must be running, or complete while its output is dropped. One in 100
    /// comparisons may fail, because its two reads are not one moment.
    pub(super) fn is_trusted(&self) -> bool {
        self.contradicted <= 2 + self.agreed / 100
    }

    pub(super) fn long_poll(&mut self, number: u64) -> Option<&mut LongPoll> {
        self.long_polls.iter_mut().find(|poll| poll.number == number)
    }
}

/// The sample loop's own state.
pub(super) struct SampleLoop {
    pub shared: Arc<Shared>,
    pub identity: Arc<Identity>,
    pub interval: Duration,
    pub long_poll: Duration,
    pub began: Instant,
    plan: Arc<Plan>,
    polls: Polls,
    turns: Turns,
    /// Where the CPU times of threads are read from.
    cpu_times: HashMap<u32, File>,
    long_polls: u64,
}

/// One thread in one sample.
struct Seen {
    tid: u32,
    task: Option<Key>,
    busy_ns: Option<u64>,
}

impl SampleLoop {
    pub(super) fn new(
        shared: Arc<Shared>,
        identity: Arc<Identity>,
        interval: Duration,
        long_poll: Duration,
        began: Instant,
    ) -> Self {
        SampleLoop {
            shared,
            identity,
            interval,
            long_poll,
            began,
            plan: Arc::default(),
            polls: Polls::default(),
            turns: Turns::default(),
            cpu_times: HashMap::new(),
            long_polls: 0,
        }
    }

    /// Samples until the sampler is dropped or the process ends.
    pub(super) fn run(mut self) {
        // Without it, the sampler waits behind the poll that it is to observe. Older kernels do not
        // have it; the delays are counted in any case.
        let _ = sys::request_short_slice();
        let mut random = Random::new(u64::from(self.identity.pid()));
        let interval = self.interval.as_secs_f64();
        let mut slot = 0_u64;
        while !self.shared.stop.load(Ordering::Relaxed) {
            let planned = Duration::from_secs_f64((slot as f64 + random.fraction()) * interval);
            if !self.sleep_until(planned) {
                return;
            }
            let now = self.began.elapsed();
            let delay = now.saturating_sub(planned);
            if let Err(error) = self.sample(now, delay) {
                lock(&self.shared.ended).get_or_insert(error);
                return;
            }
            let next = (self.began.elapsed().as_secs_f64() / interval) as u64;
            let missed = next.saturating_sub(slot + 1);
            lock(&self.shared.hits).lateness.missed += missed;
            slot = slot.max(next.saturating_sub(1)) + 1;
        }
    }

    /// Returns `false` if the sampler is dropped.
    fn sleep_until(&self, time: Duration) -> bool {
        loop {
            if self.shared.stop.load(Ordering::Relaxed) {
                return false;
            }
            let left = time.saturating_sub(self.began.elapsed());
            if left.is_zero() {
                return true;
            }
            thread::sleep(left.min(MAX_SLEEP));
        }
    }

    fn sample(&mut self, now: Duration, delay: Duration) -> Result<(), crate::InspectError> {
        self.update_plan(now);
        let Some(seen) = self.read() else {
            // Nothing can be read, or there is no thread to read.
            return self.identity.verify();
        };
        let [agreed, contradicted] = self.compare(&seen);
        let observations: Vec<(u32, Observation)> =
            seen.iter().map(|seen| (seen.tid, self.observation(seen, now))).collect();
        let shared = Arc::clone(&self.shared);
        let mut hits = lock(&shared.hits);
        if hits.samples.is_multiple_of(VERIFIED) {
            self.identity.verify_quickly()?;
            hits.cpu = cpu_time();
        }
        hits.samples += 1;
        hits.taken = now;
        hits.agreed += agreed;
        hits.contradicted += contradicted;
        hits.lateness.late += u64::from(delay > LATE);
        hits.lateness.longest = hits.lateness.longest.max(delay);
        for (tid, observation) in observations {
            if let Some(busy_ns) = observation.busy_ns {
                hits.busy_ns.insert(tid, busy_ns);
            }
            match observation.task {
                Some(key) if self.plan.task(key).is_some() => {
                    hits.add(key);
                    *hits.by_thread.entry(tid).or_default() += 1;
                }
                Some(_) => hits.unlisted += 1,
                None => {}
            }
            if let Some(ended) = self.polls.observe(tid, now, observation) {
                finish(&mut hits, &ended, now);
            }
            self.report(&mut hits, tid);
        }
        let hits = &mut *hits;
        hits.long_polls.retain(|poll| poll.is_running || now - poll.updated <= KEPT);
        let surplus = hits.long_polls.len().saturating_sub(MAX_LONG_POLLS);
        hits.long_polls.drain(..surplus);
        Ok(())
    }

    fn update_plan(&mut self, now: Duration) {
        let plan = Arc::clone(&lock(&self.shared.plan));
        if Arc::ptr_eq(&plan, &self.plan) {
            return;
        }
        self.plan = plan;
        let words = &self.plan.words;
        let gone = self.polls.retain(|tid| words.iter().any(|word| word.tid == tid));
        self.turns.retain(|tid| words.iter().any(|word| word.tid == tid));
        self.cpu_times.retain(|tid, _| words.iter().any(|word| word.tid == *tid));
        let mut hits = lock(&self.shared.hits);
        hits.busy_ns.retain(|tid, _| words.iter().any(|word| word.tid == *tid));
        gone.iter().for_each(|poll| finish(&mut hits, poll, now));
    }

    /// The current task of each thread; `None` if none of them can be read.
    fn read(&self) -> Option<Vec<Seen>> {
        let Plan { words, busy, addresses, .. } = &*self.plan;
        let read = self.identity.words_at(addresses);
        let (current, busy_times) = read.split_at(words.len());
        if current.iter().all(Option::is_none) {
            return None;
        }
        let busy_ns = |tid| busy_times[busy.iter().position(|&busy| busy == tid)?];
        let seen = words.iter().zip(current).filter_map(|(word, &id)| {
            let task = match id? {
                0 => None,
                id => Some(Key { module: word.module, id }),
            };
            Some(Seen { tid: word.tid, task, busy_ns: busy_ns(word.tid) })
        });
        let mut seen: Vec<Seen> = seen.collect();
        // A thread may be known to several copies of Tokio; at most one of them polls.
        seen.sort_by_key(|seen| (seen.tid, seen.task.is_none()));
        seen.dedup_by_key(|seen| seen.tid);
        Some(seen)
    }

    /// Compares the states of the current tasks. A poll that has ended since does not count.
    fn compare(&self, seen: &[Seen]) -> [u64; 2] {
        let listed: Vec<(&Arc<TaskInfo>, u64, u64)> = seen
            .iter()
            .filter_map(|seen| {
                let key = seen.task?;
                let mut words = self.plan.words.iter();
                let word = words.find(|word| word.tid == seen.tid && word.module == key.module)?;
                Some((self.plan.task(key)?, word.address, key.id))
            })
            .collect();
        if listed.is_empty() {
            return [0, 0];
        }
        let states = listed.iter().map(|(task, _, _)| task.address);
        let addresses: Vec<u64> =
            states.chain(listed.iter().map(|&(_, address, _)| address)).collect();
        let words = self.identity.words_at(&addresses);
        let (states, current) = words.split_at(listed.len());
        let mut counts = [0, 0];
        for ((state, current), (_, _, id)) in states.iter().zip(current).zip(&listed) {
            if let (Some(state), true) = (state.map(State), *current == Some(*id)) {
                let is_inside = state.is_running() || state.is_complete();
                counts[usize::from(!is_inside)] += 1;
            }
        }
        counts
    }

    /// The CPU times are needed only of threads that may be in a long poll of a listed task.
    fn observation(&mut self, seen: &Seen, now: Duration) -> Observation {
        let Seen { tid, task, busy_ns } = *seen;
        let poll = self.polls.get_mut(tid);
        let is_same =
            poll.is_some_and(|poll| task == Some(poll.task) && !poll.at_least().is_zero());
        let is_listed = task.is_some_and(|key| self.plan.task(key).is_some());
        let times = if is_same && is_listed { self.times_of(tid) } else { None };
        let contexts = self.plan.contexts.iter().find(|contexts| contexts.tid == tid);
        let is_same_poll = contexts.zip(task).and_then(|(contexts, task)| {
            self.turns.observe(&*self.identity, contexts, task, now, busy_ns)
        });
        Observation { task, busy_ns, times, is_same_poll }
    }

    fn times_of(&mut self, tid: u32) -> Option<ThreadTimes> {
        let path = || self.identity.path(&format!("task/{tid}/schedstat"));
        let file = match self.cpu_times.entry(tid) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(File::open(path()).ok()?),
        };
        let mut text = [0; 64];
        let Ok(length) = file.read_at(&mut text, 0) else {
            // The thread has ended; another one may get its number.
            self.cpu_times.remove(&tid);
            return None;
        };
        ThreadTimes::parse(str::from_utf8(text.get(..length)?).ok()?)
    }

    /// Creates or updates the record of the poll that a thread is in, if it is a long one.
    fn report(&mut self, hits: &mut Hits, tid: u32) {
        let Some(poll) = self.polls.get_mut(tid) else { return };
        let at_least = poll.at_least();
        if at_least < self.long_poll {
            return;
        }
        let continuity = match () {
            () if poll.still.max(poll.counted()) >= self.long_poll => Continuity::Proven,
            () if poll.is_counted() => Continuity::Counted,
            () => Continuity::Assumed,
        };
        if let Some(record) = poll.record.and_then(|number| hits.long_poll(number)) {
            (record.at_least, record.updated) = (at_least, poll.latest);
            (record.continuity, record.times) = (continuity, poll.times());
            return;
        }
        // Closures of the blocking pool and the loops of workers are in no list.
        let Some(task) = self.plan.task(poll.task) else { return };
        self.long_polls += 1;
        poll.record = Some(self.long_polls);
        hits.long_polls.push_back(LongPoll {
            number: self.long_polls,
            task: Arc::clone(task),
            copy: poll.task.module,
            tid,
            began: poll.first,
            at_least,
            at_most: None,
            is_running: true,
            continuity,
            times: poll.times(),
            syscall: None,
            stack: Vec::new(),
            no_stack: Some("it has not been read yet".into()),
            stopped: None,
            updated: poll.latest,
            threshold: self.long_poll,
        });
        self.shared.request_stack(self.long_polls, tid);
    }
}

fn finish(hits: &mut Hits, ended: &Poll, now: Duration) {
    if let Some(record) = ended.record.and_then(|number| hits.long_poll(number)) {
        record.is_running = false;
        (record.at_least, record.times) = (ended.at_least(), ended.times());
        record.at_most = ended.at_most(now);
        record.updated = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hits_in_consecutive_samples_are_one_run() {
        let key = Key { module: 0, id: 7 };
        let mut hits = Hits::default();
        for is_busy in [false, true, true, false, true, false, false, true, true] {
            hits.samples += 1;
            if is_busy {
                hits.add(key);
            }
        }
        let since = hits.observations(key, 1);
        assert_eq!(since, Observations { samples: 8, hits: 5, runs: 3 });
        let other = hits.observations(Key { module: 0, id: 8 }, 1);
        assert_eq!(other, Observations { samples: 8, hits: 0, runs: 0 });
    }

    #[test]
    fn sampler_that_contradicts_the_tasks_states_is_not_trusted() {
        let hits = |agreed, contradicted| Hits { agreed, contradicted, ..Hits::default() };
        assert!(hits(0, 0).is_trusted() && hits(10_000, 50).is_trusted());
        assert!(!hits(10, 10).is_trusted() && !hits(0, 3).is_trusted());
    }
}
