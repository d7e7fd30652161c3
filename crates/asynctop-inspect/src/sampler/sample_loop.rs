//! The sample loop: samples the current task of each thread.
//!
//! One sample is one gather of one word per thread, and a second one that compares the states of
//! these tasks. The cost does not depend on the number of tasks.

use std::{
    collections::{HashMap, hash_map::Entry},
    fs::File,
    io,
    os::unix::fs::FileExt,
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use asynctop_stack::Activity;
use fastrand::Rng;

use crate::{
    InspectError, TaskInfo,
    memory::MemoryExt,
    process::{identity::Identity, threads},
    sampler::{
        Shared, cpu_time,
        hits::Hits,
        lock,
        plan::Plan,
        polls::{Observation, Poll, Polls, TaskKey},
        stops::StopTracker,
        types::{Continuity, LongPoll, SamplerOptions, ThreadTimes},
        worker_ticks::WorkerTicks,
    },
    sys,
    tokio::task::State,
};

/// Minimum delay of a late sample.
const LATE: Duration = Duration::from_millis(1);
/// Maximum sleep between two checks of whether to stop.
const MAX_SLEEP: Duration = Duration::from_millis(100);
/// Number of samples per verification of the process's identity, which is also verified whenever
/// results are read.
const SAMPLES_PER_VERIFICATION: u64 = 8;

/// The state of the sample loop.
pub(super) struct SampleLoop {
    shared: Arc<Shared>,
    identity: Arc<Identity>,
    interval: Duration,
    long_poll: Duration,
    realtime: bool,
    began: Instant,
    plan: Arc<Plan>,
    polls: Polls,
    ticks: WorkerTicks,
    stops: StopTracker,
    /// The opened `schedstat` files of threads.
    schedstats: HashMap<u32, File>,
    /// Number of long polls so far.
    long_polls: u64,
}

/// The words of one thread in one sample.
struct ThreadReading {
    tid: u32,
    task: Option<TaskKey>,
    busy_ns: Option<u64>,
}

impl SampleLoop {
    pub(super) fn new(
        shared: Arc<Shared>,
        identity: Arc<Identity>,
        options: &SamplerOptions,
        began: Instant,
    ) -> Self {
        SampleLoop {
            shared,
            identity,
            interval: options.interval.max(Duration::from_millis(1)),
            long_poll: options.long_poll,
            realtime: options.realtime,
            began,
            plan: Arc::default(),
            polls: Polls::default(),
            ticks: WorkerTicks::default(),
            stops: StopTracker::default(),
            schedstats: HashMap::new(),
            long_polls: 0,
        }
    }

    /// Sets the priority of the calling thread, which will run the loop.
    pub(super) fn set_priority(&self) -> io::Result<()> {
        if self.realtime {
            return sys::request_realtime();
        }
        // With a longer slice, the sampler waits for the CPU of the poll that it observes. Kernels
        // before 6.12 ignore the request; the delays are counted in any case.
        let _ = sys::request_short_slice();
        Ok(())
    }

    /// Samples until the sampler is dropped or the process ends.
    pub(super) fn run(mut self) {
        // At random moments, so that a periodic program is not always sampled at the same point of its
        // period.
        let mut random = Rng::with_seed(u64::from(self.identity.pid()));
        let interval = self.interval.as_secs_f64();
        let mut slot = 0_u64;
        while !self.shared.stop.load(Ordering::Relaxed) {
            let planned = Duration::from_secs_f64((slot as f64 + random.f64()) * interval);
            if !self.sleep_until(planned) {
                return;
            }
            let now = self.began.elapsed();
            let delay = now.saturating_sub(planned);
            let is_sampled = match self.sample(now, delay) {
                Ok(is_sampled) => is_sampled,
                Err(error) => {
                    lock(&self.shared.ended).get_or_insert(error);
                    return;
                }
            };
            let next = (self.began.elapsed().as_secs_f64() / interval) as u64;
            if is_sampled {
                let missed = next.saturating_sub(slot + 1);
                lock(&self.shared.hits).lateness.missed += missed;
            }
            slot = next.max(slot + 1);
        }
    }

    /// Returns `false` if the sampler has been dropped.
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

    /// Returns `false` if no current task can be read, or the place of the current task is not known.
    fn sample(&mut self, now: Duration, delay: Duration) -> Result<bool, InspectError> {
        self.update_plan(now);
        let Some(readings) = self.read() else {
            self.identity.verify_quickly()?;
            self.observe_process(&mut lock(&Arc::clone(&self.shared).hits), now);
            return Ok(false);
        };
        let comparisons = self.compare(&readings);
        let observations: Vec<(u32, Observation)> =
            readings.iter().map(|reading| (reading.tid, self.observation(reading, now))).collect();
        let shared = Arc::clone(&self.shared);
        let mut hits = lock(&shared.hits);
        if hits.samples.is_multiple_of(SAMPLES_PER_VERIFICATION) {
            self.identity.verify_quickly()?;
        }
        hits.samples += 1;
        hits.add_comparisons(comparisons);
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
                hits.end_poll(&ended, now);
            }
            self.record_long_poll(&mut hits, tid);
        }
        self.observe_process(&mut hits, now);
        Ok(true)
    }

    /// Updates what does not depend on the current tasks: the time up to which the process was
    /// observed, and its stops.
    fn observe_process(&mut self, hits: &mut Hits, now: Duration) {
        (hits.taken, hits.cpu) = (now, cpu_time());
        let may_be_long = self.polls.has_poll_of(self.long_poll / 2);
        self.stops.observe(&self.identity, now, may_be_long, &mut hits.stops);
        hits.forget_long_polls(now);
    }

    fn update_plan(&mut self, now: Duration) {
        let plan = Arc::clone(&lock(&self.shared.plan));
        if Arc::ptr_eq(&plan, &self.plan) {
            return;
        }
        self.plan = plan;
        let plan = &self.plan;
        let ended: Vec<Poll> = self.polls.retain(|tid| plan.has_thread(tid));
        self.ticks.retain(|tid| plan.has_thread(tid));
        self.schedstats.retain(|tid, _| plan.has_thread(*tid));
        let mut hits = lock(&self.shared.hits);
        hits.busy_ns.retain(|tid, _| plan.has_thread(*tid));
        ended.iter().for_each(|poll| hits.end_poll(poll, now));
    }

    /// The current task of each thread; `None` if no thread can be read.
    fn read(&self) -> Option<Vec<ThreadReading>> {
        let Plan { words, busy, addresses, .. } = &*self.plan;
        let values = self.identity.words_at(addresses);
        let (current, busy_times) = values.split_at(words.len());
        if current.iter().all(Option::is_none) {
            return None;
        }
        let busy_ns = |tid| busy_times[busy.iter().position(|&busy| busy == tid)?];
        let readings = words.iter().zip(current).filter_map(|(word, &id)| {
            let task = match id? {
                0 => None,
                id => Some(TaskKey { module: word.module, id }),
            };
            Some(ThreadReading { tid: word.tid, task, busy_ns: busy_ns(word.tid) })
        });
        let mut readings: Vec<ThreadReading> = readings.collect();
        // A thread may have words of several copies of Tokio, at most one of which polls.
        readings.sort_by_key(|reading| (reading.tid, reading.task.is_none()));
        readings.dedup_by_key(|reading| reading.tid);
        Some(readings)
    }

    /// Compares current tasks with their own states. Returns the number of tasks that are in a poll,
    /// and of those that are not. A poll that has ended since does not count.
    fn compare(&self, readings: &[ThreadReading]) -> [u64; 2] {
        let listed: Vec<(&Arc<TaskInfo>, u64, u64)> = readings
            .iter()
            .filter_map(|reading| {
                let key = reading.task?;
                let mut words = self.plan.words.iter();
                let word =
                    words.find(|word| word.tid == reading.tid && word.module == key.module)?;
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

    /// The reading with the times of the thread, if it may be in a long poll of a listed task, and
    /// with whether it is in the poll of the previous sample.
    fn observation(&mut self, reading: &ThreadReading, now: Duration) -> Observation {
        let ThreadReading { tid, task, busy_ns } = *reading;
        let poll = self.polls.get_mut(tid);
        let may_be_long =
            poll.is_some_and(|poll| task == Some(poll.task) && !poll.at_least().is_zero());
        let is_listed = task.is_some_and(|key| self.plan.task(key).is_some());
        let times = if may_be_long && is_listed { self.thread_times(tid) } else { None };
        let contexts = self.plan.contexts.iter().find(|contexts| contexts.tid == tid);
        let is_same_poll = contexts.zip(task).and_then(|(contexts, task)| {
            self.ticks.observe(&*self.identity, contexts, task, now, busy_ns)
        });
        Observation { task, busy_ns, times, is_same_poll }
    }

    fn thread_times(&mut self, tid: u32) -> Option<ThreadTimes> {
        let path = || self.identity.path(&format!("task/{tid}/schedstat"));
        let file = match self.schedstats.entry(tid) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(File::open(path()).ok()?),
        };
        let mut text = [0; 64];
        let Ok(length) = file.read_at(&mut text, 0) else {
            // The thread has ended; its id may be reused.
            self.schedstats.remove(&tid);
            return None;
        };
        ThreadTimes::parse(str::from_utf8(text.get(..length)?).ok()?)
    }

    /// Creates or updates the record of the poll that a thread is in, if it is a long one.
    fn record_long_poll(&mut self, hits: &mut Hits, tid: u32) {
        let Some(poll) = self.polls.get_mut(tid) else { return };
        let at_least = poll.at_least();
        // Two sweeps in a long poll show which tasks it delays: one before it is long, one after.
        let may_be_long = poll.proven() >= self.long_poll / 2;
        if may_be_long && !std::mem::replace(&mut poll.has_requested_sweep, true) {
            self.shared.request_sweep();
        }
        if at_least < self.long_poll {
            return;
        }
        let continuity = if poll.proven() >= self.long_poll {
            Continuity::Proven
        } else if poll.is_counted() {
            Continuity::Counted
        } else {
            Continuity::Assumed
        };
        if let Some(record) = poll.record.and_then(|number| hits.long_poll(number)) {
            (record.at_least, record.updated) = (at_least, poll.latest);
            (record.continuity, record.times) = (continuity, poll.times());
            // Reading the stack may take long, as it loads symbols first.
            if record.syscall.is_none() && record.stack.is_empty() {
                record.syscall = blocking_call(&self.identity, tid);
            }
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
            syscall: blocking_call(&self.identity, tid),
            stack: Vec::new(),
            no_stack: Some("it has not been read yet".into()),
            stopped: None,
            delays: None,
            updated: poll.latest,
            threshold: self.long_poll,
        });
        self.shared.request_stack(self.long_polls, tid);
        self.shared.request_sweep();
    }
}

/// The system call in which a thread is blocked.
fn blocking_call(identity: &Identity, tid: u32) -> Option<String> {
    match threads::activity(identity, tid) {
        Some(Activity::Blocked { syscall, .. }) => syscall.map(threads::syscall_name),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampler::ProcessStop;

    #[test]
    fn time_and_stops_are_updated_while_the_place_of_the_current_task_is_unknown() {
        let mut identity = Identity::open(std::process::id()).expect("this process");
        let value = 7_u64;
        identity.set_anchor(&raw const value as u64).expect("own memory");
        let (shared, options) = (Arc::new(Shared::default()), SamplerOptions::default());
        let identity = Arc::new(identity);
        let mut samples = SampleLoop::new(Arc::clone(&shared), identity, &options, Instant::now());
        let ongoing = ProcessStop { from: Duration::ZERO, to: Duration::ZERO, is_ongoing: true };
        lock(&shared.hits).stops.push(ongoing);
        let now = Duration::from_secs(1);
        assert!(!samples.sample(now, Duration::ZERO).expect("it runs"), "no thread is read");
        let hits = lock(&shared.hits);
        assert_eq!((hits.taken, hits.samples), (now, 0));
        assert_eq!(hits.stops, [ProcessStop { to: now, is_ongoing: false, ..ongoing }]);
        assert!(!hits.cpu.is_zero());
    }
}
