//! Statistics of the workers, from the accounting of the threads and from Tokio's metrics.

use std::{sync::Arc, thread::ThreadId};

use asynctop_snapshot::{CurrentPoll, ThreadTimes, WorkerStats};
use tokio::runtime::RuntimeMetrics;

use super::{sampled_runtime::SampledRuntime, watchdog::thread_times};
use crate::accounting::{PollKind, ThreadReading};

/// Reads the statistics of the workers of the current runtime.
#[derive(Default)]
pub(super) struct Workers {
    /// The totals of each thread at the previous snapshot. A new thread reuses the accounting of an
    /// ended one and continues its totals, so they are not those of a worker.
    previous: Vec<Totals>,
    /// The totals of each worker in this epoch.
    workers: Vec<Totals>,
    /// The busy time of each worker in this epoch.
    busy: Vec<BusyTime>,
    /// The totals of all threads since the first snapshot.
    all: Totals,
    names: Vec<Option<Arc<str>>>,
    /// The thread of each worker at the latest snapshot.
    ids: Vec<Option<ThreadId>>,
    /// The index of each worker's thread at the latest snapshot.
    threads: WorkerThreadIndices,
    epoch: u32,
    taken_ns: u64,
}

/// The index of each worker's thread in [`Registry::threads`](crate::Registry::threads), if it has
/// polled a task.
pub(super) type WorkerThreadIndices = Vec<Option<usize>>;

#[derive(Clone, Copy, Default)]
struct Totals {
    busy: u64,
    polls: u64,
    /// `None` if the system does not count them.
    times: Option<ThreadTimes>,
}

impl Totals {
    fn of(thread: &ThreadReading) -> Self {
        let times = thread.os_id.and_then(thread_times);
        Totals { busy: thread.busy, polls: thread.polls, times }
    }

    /// Adds the difference between `last` and `now`, but at most `elapsed` of time in polls: a poll
    /// that ends while the thread is read would add more.
    fn add(&mut self, last: &Totals, now: &Totals, elapsed: u64) {
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
            self.reset(runtime);
        }
        let count = metrics.num_workers();
        self.workers.resize(count, Totals::default());
        self.busy.resize(count, BusyTime::default());
        self.names.resize(count, None);
        self.previous.resize(threads.len().max(self.previous.len()), Totals::default());
        let current: Vec<Totals> = threads.iter().map(Totals::of).collect();

        self.ids = thread_ids(runtime, metrics, threads);
        let elapsed = now.saturating_sub(self.taken_ns);
        let mut workers = Vec::with_capacity(count);
        self.threads.clear();
        for index in 0..count {
            let id = self.ids.get(index).copied().flatten();
            let at = id.and_then(|id| threads.iter().position(|t| t.id == Some(id)));
            self.threads.push(at);
            if let Some(at) = at {
                self.workers[index].add(&self.previous[at], &current[at], elapsed);
            }
            let totals = self.workers[index];
            let thread = at.map(|at| &threads[at]);
            let queues = QueueStats::read(metrics, index);
            let running = thread.and_then(|thread| thread.current.as_ref());
            let dropping = running.filter(|poll| poll.kind == PollKind::Drop);
            let dropping_ns = dropping.map_or(0, |drop| now.saturating_sub(drop.since));
            let busy_ns = self.busy[index].advance(BusyReading {
                in_polls_ns: totals.busy.saturating_add(dropping_ns),
                counted_ns: busy_ns(metrics, index),
                parks: metrics.worker_park_count(index),
                is_polling: running.is_some(),
            });
            workers.push(WorkerStats {
                index,
                thread: self.name(index, runtime, id, thread),
                current: thread
                    .and_then(|thread| thread.current)
                    // A poll that began after `now` is left to the next snapshot: its start
                    // identifies it, so it cannot be set to `now`.
                    .filter(|poll| poll.since <= now)
                    .map(|poll| CurrentPoll {
                        key: poll.task,
                        since_ns: poll.since,
                        kind: poll.kind,
                    }),
                poll_ns: totals.busy,
                polls: totals.polls,
                busy_ns,
                cpu_ns: totals.times.map(|times| times.cpu_ns),
                run_delay_ns: totals.times.map(|times| times.run_delay_ns),
                parks: metrics.worker_park_count(index),
                steals: queues.steals,
                overflows: queues.overflows,
                local_queue: queues.local,
            });
        }
        for (at, totals) in current.into_iter().enumerate() {
            let last = std::mem::replace(&mut self.previous[at], totals);
            self.all.add(&last, &totals, elapsed);
        }
        self.taken_ns = now;
        workers
    }

    /// The index of the worker that runs on `thread`, as of the latest [`read`](Self::read).
    pub(super) fn index_of(&self, thread: ThreadId) -> Option<usize> {
        self.ids.iter().position(|id| *id == Some(thread))
    }

    /// Run-queue delay of all threads that poll tasks, since the first snapshot, in nanoseconds;
    /// `None` if the system does not count it.
    pub(super) fn run_delay_ns(&self) -> Option<u64> {
        self.all.times.map(|times| times.run_delay_ns)
    }

    /// The index of each worker's thread, as of the latest [`read`](Self::read).
    pub(super) fn thread_indices(&self) -> &WorkerThreadIndices {
        &self.threads
    }

    fn reset(&mut self, runtime: &SampledRuntime) {
        self.epoch = runtime.epoch;
        self.workers.clear();
        self.busy.clear();
        self.names.clear();
        self.taken_ns = runtime.started_ns;
        self.previous = runtime.threads_at_start.iter().map(Totals::of).collect();
    }

    fn name(
        &mut self,
        index: usize,
        runtime: &SampledRuntime,
        id: Option<ThreadId>,
        thread: Option<&ThreadReading>,
    ) -> Option<Arc<str>> {
        let name = thread.map(|thread| thread.name.as_str().into());
        let name = name.or_else(|| id.and_then(|id| runtime.worker_threads.name(id)));
        let known = &mut self.names[index];
        if name.is_some() && name != *known {
            *known = name;
        }
        known.clone()
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

/// The busy time of a worker, without jumps. Tokio adds a poll to its count when the poll ends. The
/// probe counts running polls, but only those of measured tasks.
#[derive(Clone, Copy, Debug, Default)]
struct BusyTime {
    total_ns: i128,
    /// The largest `total_ns` so far: busy time never decreases.
    published_ns: u64,
    in_polls_ns: u64,
    /// Tokio's count minus the time in polls, when Tokio's count was last up to date.
    beyond_polls_ns: i128,
    parks: u64,
}

#[derive(Clone, Copy, Debug)]
struct BusyReading {
    /// Time in polls of measured tasks and in the running drop of a future.
    in_polls_ns: u64,
    /// Busy time as counted by Tokio.
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

/// Statistics of a worker's queue, which Tokio counts in unstable builds only; 0 otherwise.
struct QueueStats {
    steals: u64,
    overflows: u64,
    local: u64,
}

impl QueueStats {
    #[cfg(tokio_unstable)]
    fn read(metrics: &RuntimeMetrics, index: usize) -> Self {
        QueueStats {
            steals: metrics.worker_steal_count(index),
            overflows: metrics.worker_overflow_count(index),
            local: metrics.worker_local_queue_depth(index) as u64,
        }
    }

    #[cfg(not(tokio_unstable))]
    fn read(_metrics: &RuntimeMetrics, _index: usize) -> Self {
        QueueStats { steals: 0, overflows: 0, local: 0 }
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
        // Tokio's count does not grow during a poll.
        assert_eq!(after(270, 30, 5, true), 280);
        assert_eq!(after(520, 30, 5, true), 530);
        // The poll has ended, but is not in Tokio's count yet; then it is.
        assert_eq!(after(620, 30, 5, false), 630);
        assert_eq!(after(640, 660, 9, false), 660);
        // A drop of 300 ms, which counts as time in polls only while it lasts.
        assert_eq!(after(890, 660, 9, true), 910);
        assert_eq!(after(650, 990, 12, false), 990);
        // A poll of a task that is not measured is counted when it ends.
        assert_eq!(after(650, 1990, 20, false), 1990);
    }

    #[test]
    fn worker_stats_leave_a_poll_that_began_after_the_snapshot_to_the_next_one() {
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
