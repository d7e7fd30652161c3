//! Statistics of the workers, from the accounting of the threads and from Tokio's metrics.

use std::{sync::Arc, thread::ThreadId};

use asynctop_snapshot::{CurrentPoll, ThreadTimes, WorkerStats};
use tokio::runtime::RuntimeMetrics;

use super::{sampled_runtime::SampledRuntime, watchdog::thread_times};
use crate::accounting::{PollKind, ThreadReading};

/// The workers of one runtime after the other.
#[derive(Default)]
pub(super) struct Workers {
    /// Each thread's sums at the last snapshot. A new thread takes the place of an ended one and
    /// continues its sums, so they are not the worker's.
    last_seen: Vec<Sums>,
    /// Totals of each worker of this epoch.
    totals: Vec<Sums>,
    /// The busy time of each worker of this epoch.
    busy: Vec<BusyTime>,
    /// Totals of all threads since the first snapshot.
    all: Sums,
    names: Vec<Option<Arc<str>>>,
    /// The thread of each worker at the last snapshot.
    ids: Vec<Option<ThreadId>>,
    /// The place of each worker's thread at the last snapshot.
    places: Places,
    epoch: u32,
    taken_ns: u64,
}

/// The place of each worker's thread in [`Registry::threads`](crate::Registry::threads), if it has
/// polled a task.
pub(super) type Places = Vec<Option<usize>>;

#[derive(Clone, Copy, Default)]
struct Sums {
    busy: u64,
    polls: u64,
    /// `None` if the system does not count them.
    times: Option<ThreadTimes>,
}

impl Sums {
    fn of(thread: &ThreadReading) -> Self {
        let times = thread.os_id.and_then(thread_times);
        Sums { busy: thread.busy, polls: thread.polls, times }
    }

    /// Adds the difference between `last` and `now`, with at most `elapsed` in polls.
    fn add(&mut self, last: &Sums, now: &Sums, elapsed: u64) {
        self.busy += now.busy.saturating_sub(last.busy).min(elapsed);
        self.polls += now.polls.saturating_sub(last.polls);
        if let Some(now) = now.times {
            let last = last.times.unwrap_or(now);
            let total = self.times.get_or_insert_default();
            total.cpu_ns += now.cpu_ns.saturating_sub(last.cpu_ns);
            total.run_delay_ns += now.run_delay_ns.saturating_sub(last.run_delay_ns);
        }
    }
}

impl Workers {
    pub(super) fn read(
        &mut self,
        runtime: &SampledRuntime,
        metrics: &RuntimeMetrics,
        threads: &[ThreadReading],
        now: u64,
    ) -> Vec<WorkerStats> {
        if self.epoch != runtime.epoch {
            self.begin(runtime);
        }
        let count = metrics.num_workers();
        self.totals.resize(count, Sums::default());
        self.busy.resize(count, BusyTime::default());
        self.names.resize(count, None);
        self.last_seen.resize(threads.len().max(self.last_seen.len()), Sums::default());
        let sums: Vec<Sums> = threads.iter().map(Sums::of).collect();

        self.ids = thread_ids(runtime, metrics, threads);
        let elapsed = now.saturating_sub(self.taken_ns);
        let mut workers = Vec::with_capacity(count);
        self.places.clear();
        for index in 0..count {
            let id = self.ids.get(index).copied().flatten();
            let place = id.and_then(|id| threads.iter().position(|t| t.id == Some(id)));
            self.places.push(place);
            if let Some(place) = place {
                // Limited to that time: a poll that ended while the thread was read would make it
                // longer.
                self.totals[index].add(&self.last_seen[place], &sums[place], elapsed);
            }
            let thread = place.map(|place| &threads[place]);
            let queues = Queues::read(metrics, index);
            let running = thread.and_then(|thread| thread.current.as_ref());
            let dropping = running.filter(|poll| poll.kind == PollKind::Drop);
            let dropping_ns = dropping.map_or(0, |drop| now.saturating_sub(drop.since));
            let busy_ns = self.busy[index].advance(BusyReading {
                in_polls_ns: self.totals[index].busy.saturating_add(dropping_ns),
                counted_ns: busy_ns(metrics, index),
                parks: metrics.worker_park_count(index),
                is_polling: running.is_some(),
            });
            workers.push(WorkerStats {
                index,
                thread: self.name(index, runtime, id, thread),
                current: thread
                    .and_then(|thread| thread.current)
                    // A poll that began after `now` was read is left to the next snapshot. Its
                    // start identifies it and is never adjusted.
                    .filter(|poll| poll.since <= now)
                    .map(|poll| CurrentPoll {
                        key: poll.task,
                        since_ns: poll.since,
                        kind: poll.kind,
                    }),
                poll_ns: self.totals[index].busy,
                polls: self.totals[index].polls,
                busy_ns,
                cpu_ns: self.totals[index].times.map(|times| times.cpu_ns),
                run_delay_ns: self.totals[index].times.map(|times| times.run_delay_ns),
                parks: metrics.worker_park_count(index),
                steals: queues.steals,
                overflows: queues.overflows,
                local_queue: queues.local,
            });
        }
        for (at, sums) in sums.into_iter().enumerate() {
            let last = std::mem::replace(&mut self.last_seen[at], sums);
            self.all.add(&last, &sums, elapsed);
        }
        self.taken_ns = now;
        workers
    }

    /// Which worker a thread was at the last snapshot.
    pub(super) fn index_of(&self, thread: ThreadId) -> Option<usize> {
        self.ids.iter().position(|id| *id == Some(thread))
    }

    /// Run-queue delay of all threads that poll tasks, since the first snapshot; `None` if the
    /// system does not count it.
    pub(super) fn run_delay_ns(&self) -> Option<u64> {
        self.all.times.map(|times| times.run_delay_ns)
    }

    /// The workers' threads at the last snapshot.
    pub(super) fn places(&self) -> &Places {
        &self.places
    }

    fn begin(&mut self, runtime: &SampledRuntime) {
        self.epoch = runtime.epoch;
        self.totals.clear();
        self.busy.clear();
        self.names.clear();
        self.taken_ns = runtime.started_ns;
        self.last_seen = runtime.threads_at_start.iter().map(Sums::of).collect();
    }

    fn name(
        &mut self,
        index: usize,
        runtime: &SampledRuntime,
        id: Option<ThreadId>,
        thread: Option<&ThreadReading>,
    ) -> Arc<str> {
        let name = thread.map(|thread| thread.name.as_str().into());
        let name = name.or_else(|| id.and_then(|id| runtime.worker_threads.name(id)));
        match (name, &mut self.names[index]) {
            (Some(name), known) if known.as_ref() != Some(&name) => Arc::clone(known.insert(name)),
            (_, Some(known)) => Arc::clone(known),
            (_, None) => Arc::from(""),
        }
    }
}

/// The thread of each worker, in Tokio's order.
#[cfg(tokio_unstable)]
fn thread_ids(
    _runtime: &SampledRuntime,
    metrics: &RuntimeMetrics,
    _threads: &[ThreadReading],
) -> Vec<Option<ThreadId>> {
    (0..metrics.num_workers()).map(|index| metrics.worker_thread_id(index)).collect()
}

/// The threads of the workers: by index if the program registered them, otherwise in the order of
/// their first polls. Tokio does not report which thread is which worker.
#[cfg(not(tokio_unstable))]
fn thread_ids(
    runtime: &SampledRuntime,
    _metrics: &RuntimeMetrics,
    threads: &[ThreadReading],
) -> Vec<Option<ThreadId>> {
    match runtime.worker_threads.ids() {
        ids if ids.is_empty() => threads.iter().map(|t| t.id).filter(Option::is_some).collect(),
        ids => ids.into_iter().map(Some).collect(),
    }
}

fn busy_ns(metrics: &RuntimeMetrics, index: usize) -> u64 {
    let busy = metrics.worker_total_busy_duration(index).as_nanos();
    u64::try_from(busy).unwrap_or(u64::MAX)
}

/// Busy time of a worker without jumps. Tokio adds a poll to its busy time when the poll has ended;
/// the probe counts a running poll of a measured task, and only such polls.
#[derive(Clone, Copy, Debug, Default)]
struct BusyTime {
    total_ns: i128,
    /// The largest `total_ns` so far: busy time never decreases.
    published_ns: u64,
    in_polls_ns: u64,
    /// Tokio's busy time less the time in polls, when Tokio's count was last up to date.
    beyond_polls_ns: i128,
    parks: u64,
}

#[derive(Clone, Copy, Debug)]
struct BusyReading {
    /// In polls of measured tasks and in the running drop of a future.
    in_polls_ns: u64,
    /// Tokio's count.
    counted_ns: u64,
    parks: u64,
    is_polling: bool,
}

impl BusyTime {
    fn advance(&mut self, now: BusyReading) -> u64 {
        let beyond_polls_ns = i128::from(now.counted_ns) - i128::from(now.in_polls_ns);
        self.total_ns += i128::from(now.in_polls_ns) - i128::from(self.in_polls_ns);
        self.total_ns += (beyond_polls_ns - self.beyond_polls_ns).max(0);
        // Tokio's count is up to date when the worker parks.
        let is_up_to_date = !now.is_polling && now.parks != self.parks;
        self.beyond_polls_ns = match is_up_to_date {
            true => beyond_polls_ns,
            false => beyond_polls_ns.max(self.beyond_polls_ns),
        };
        (self.in_polls_ns, self.parks) = (now.in_polls_ns, now.parks);
        let total_ns = u64::try_from(self.total_ns).unwrap_or(0);
        self.published_ns = self.published_ns.max(total_ns);
        self.published_ns
    }
}

/// Values of a worker's queue, which Tokio counts in unstable builds only; 0 otherwise.
struct Queues {
    steals: u64,
    overflows: u64,
    local: u64,
}

impl Queues {
    #[cfg(tokio_unstable)]
    fn read(metrics: &RuntimeMetrics, index: usize) -> Self {
        Queues {
            steals: metrics.worker_steal_count(index),
            overflows: metrics.worker_overflow_count(index),
            local: metrics.worker_local_queue_depth(index) as u64,
        }
    }

    #[cfg(not(tokio_unstable))]
    fn read(_metrics: &RuntimeMetrics, _index: usize) -> Self {
        Queues { steals: 0, overflows: 0, local: 0 }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::accounting::{self, Registry};

    #[test]
    fn busy_time_grows_during_a_long_poll_and_not_at_its_end() {
        const MS: u64 = 1_000_000;
        let mut busy = BusyTime::default();
        let mut after = |in_polls, counted, parks, is_polling| {
            let (in_polls_ns, counted_ns) = (in_polls * MS, counted * MS);
            busy.advance(BusyReading { in_polls_ns, counted_ns, parks, is_polling }) / MS
        };
        // 10 ms of every 250 ms are not in polls of measured tasks.
        assert_eq!(after(20, 30, 5, false), 30);
        // Tokio's count stands still during a poll.
        assert_eq!(after(270, 30, 5, true), 280);
        assert_eq!(after(520, 30, 5, true), 530);
        // The poll has ended, and Tokio does not know yet; then it does.
        assert_eq!(after(620, 30, 5, false), 630);
        assert_eq!(after(640, 660, 9, false), 660);
        // A drop of 300 ms, which is in polls only while it lasts.
        assert_eq!(after(890, 660, 9, true), 910);
        assert_eq!(after(650, 990, 12, false), 990);
        // A poll of a task that is not measured is known at its end.
        assert_eq!(after(650, 1990, 20, false), 1990);
    }

    #[test]
    fn poll_that_begins_after_the_snapshot_is_left_to_the_next_one_with_its_true_start() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let sampled = SampledRuntime {
            started_ns: 0,
            ..SampledRuntime::new(Registry::leak(), runtime.handle())
        };
        let polling = ThreadReading {
            id: Some(thread::current().id()),
            os_id: None,
            name: String::new(),
            current: Some(accounting::CurrentPoll { task: 7, since: 120, kind: PollKind::Poll }),
            busy: 0,
            polls: 1,
        };
        let mut workers = Workers::default();
        let mut current_at = |now| {
            let threads = std::slice::from_ref(&polling);
            // Tokio knows the worker's thread while it drives the runtime.
            let rows = runtime.block_on(async {
                workers.read(&sampled, &sampled.handle.metrics(), threads, now)
            });
            rows[0].current.clone()
        };
        assert_eq!(current_at(100), None);
        assert_eq!(
            current_at(130),
            Some(CurrentPoll { key: 7, since_ns: 120, kind: PollKind::Poll })
        );
        assert_eq!(
            current_at(140),
            Some(CurrentPoll { key: 7, since_ns: 120, kind: PollKind::Poll })
        );
    }
}
