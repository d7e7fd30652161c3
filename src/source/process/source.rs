//! The source of one runtime of a program.

use std::{collections::HashMap, sync::Arc, time::Duration};

use asynctop_inspect::{
    Flavor, RuntimeInfo, TaskInfo, TaskKind,
    sampler::{LongPoll, ProcessStop, Sample, SampledTask},
};

use super::{
    description::{describe, no_samples},
    key::key,
    long_polls::{LongPolls, SampledPoll, certain, running, running_on},
    names::Names,
    observed::{Absence, Observations, Observed},
    tally::{StateFacts, Tally},
    workers::{Workers, queue_lengths},
};
use crate::{
    snapshot::{
        self, Connection, Description, Losses, MachineStats, Retry, RuntimeStats, Stop,
        Subscription, Target, TaskStats,
    },
    source::{Source, nanos},
    text::plural,
    watch::MachineReader,
};

/// The reason why a program has a runtime and no tasks.
const NO_TASKS: &str = "no task was listed: the program has spawned none so far";

/// Samples one runtime of a program.
pub(super) struct RuntimeSource {
    observed: Arc<Observed>,
    /// The number of the target among those of its program.
    number: usize,
    /// The address of the runtime's handle, which identifies it. `None` before the program has
    /// started one, and after the runtime has been shut down.
    handle: Option<u64>,
    /// The number of programs that were sampled before in the same process.
    replaced: u64,
    /// Sources of other runtimes, not yet taken by the collector.
    discovered: Vec<Box<dyn Source>>,
    /// By key.
    tallies: HashMap<u64, Tally>,
    names: Names,
    long_polls: LongPolls,
    workers: Workers,
    /// Whether a survey has found the workers' counters, which name their threads. Another one may not,
    /// while `block_in_place` hands a worker over.
    has_counted_workers: bool,
    /// Opened for the first sample of a runtime.
    machine: Option<MachineReader>,
    /// The time of the latest survey that the sums include.
    surveyed: Option<Duration>,
    /// Whether the next sample updates the sums.
    is_due: bool,
    /// The latest sample.
    target: Target,
}

impl RuntimeSource {
    /// Samples the next runtime of the program that is not a target.
    pub(super) fn new(observed: Arc<Observed>) -> Self {
        let number = observed.add_target();
        let mut description = Description::new(observed.name(number));
        description.process_id = observed.pid();
        let since_ns = nanos(observed.now());
        let mut target = Target::empty(description.into(), since_ns);
        (target.epoch, target.connection) = (0, Connection::Connecting { since_ns });
        RuntimeSource {
            observed,
            number,
            handle: None,
            replaced: 0,
            discovered: Vec::new(),
            tallies: HashMap::new(),
            names: Names::default(),
            long_polls: LongPolls::default(),
            workers: Workers::default(),
            has_counted_workers: false,
            machine: None,
            surveyed: None,
            is_due: false,
            target,
        }
    }
}

impl Source for RuntimeSource {
    fn sample(&mut self, _: &Subscription) -> Target {
        match self.observed.sample() {
            Ok(Observations { sample, replaced }) => {
                // A runtime of the next program may have its handle at the same address.
                if std::mem::replace(&mut self.replaced, replaced) != replaced {
                    self.handle = None;
                }
                self.apply(&sample);
            }
            Err(Absence::NotYet(reason)) => {
                let since_ns = match self.target.connection {
                    Connection::Connecting { since_ns }
                    | Connection::Lost { retry: Retry::Since(since_ns), .. } => since_ns,
                    _ => nanos(self.observed.now()),
                };
                self.disconnect(&reason, Retry::Since(since_ns));
            }
            Err(Absence::Ended(reason)) => self.disconnect(&reason, Retry::Never),
        }
        self.target.taken_ns = nanos(self.observed.now());
        self.target.clone()
    }

    /// Updates the sums, which otherwise are as old as the latest survey.
    fn last_sample(&mut self, subscription: &Subscription, _: Duration) -> Option<Target> {
        self.is_due = true;
        Some(self.sample(subscription))
    }

    fn take_discovered(&mut self) -> Vec<Box<dyn Source>> {
        std::mem::take(&mut self.discovered)
    }
}

impl RuntimeSource {
    /// Marks the target as not connected and its polls as ended. Its last statistics are kept.
    fn disconnect(&mut self, reason: &str, retry: Retry) {
        let was_live = self.target.connection.is_live();
        let since_ns = match &self.target.connection {
            _ if was_live => Some(nanos(self.observed.now())),
            Connection::Lost { since_ns, .. } => *since_ns,
            _ => None,
        };
        self.target.connection = Connection::Lost { since_ns, reason: reason.into(), retry };
        if was_live {
            self.target.workers.iter_mut().for_each(|worker| worker.current = None);
            self.long_polls.end(&mut self.target.long_polls);
        }
    }

    /// The index of this source's runtime in a sample. If that runtime is gone, the source takes
    /// one without a target and begins another epoch.
    fn find_runtime(&mut self, sample: &Sample) -> Option<usize> {
        let position = |handle| sample.runtimes.iter().position(|one| one.handle == handle);
        if let Some(handle) = self.handle {
            if let Some(index) = position(handle) {
                return Some(index);
            }
            self.observed.release(handle);
        }
        self.handle = self.observed.claim(sample);
        let index = position(self.handle?)?;
        self.target = Target {
            epoch: self.target.epoch + 1,
            ..Target::empty(Arc::clone(&self.target.description), nanos(sample.taken))
        };
        self.tallies.clear();
        (self.long_polls, self.workers) = (LongPolls::default(), Workers::default());
        (self.machine, self.surveyed, self.has_counted_workers) = (None, None, false);
        Some(index)
    }

    fn apply(&mut self, sample: &Sample) {
        let Some(index) = self.find_runtime(sample) else {
            return self.disconnect(
                "the runtime has been shut down",
                Retry::In(nanos(sample.survey_interval)),
            );
        };
        let runtimes = &sample.runtimes;
        let runtime = &runtimes[index];
        let is_update = self.surveyed != Some(sample.surveyed) || self.is_due;
        let has_local_sets = has_local_sets(runtimes, index);
        let is_own = |it: &&SampledTask| {
            it.task.runtime == Some(index) || (has_local_sets && is_local(&it.task, runtimes))
        };
        let tasks: Vec<&SampledTask> = sample.tasks.iter().filter(is_own).collect();
        self.target.connection = Connection::Connected;
        self.target.runtime = self.runtime(runtime, tasks.len());
        self.target.tasks = self.tasks(sample, &tasks, index, is_update);
        self.target.workers = self.workers.rows(sample, index, is_update);
        self.target.machine = Some(self.machine(sample));
        self.has_counted_workers |= !runtime.workers.is_empty();
        self.target.long_polls = self.long_polls(sample, index);
        if is_update {
            (self.surveyed, self.is_due) = (Some(sample.surveyed), false);
            self.discover(sample);
            let name = self.observed.name(self.number).into();
            let description = describe(&name, &self.observed, sample, runtime);
            if *self.target.description != description {
                self.target.description = description.into();
            }
            self.target.known_until_ns = nanos(sample.taken);
            self.target.losses = self.losses(sample, runtime);
        }
    }

    /// Creates sources for the runtimes that are not targets.
    fn discover(&mut self, sample: &Sample) {
        while self.observed.lacks_targets(sample) {
            self.discovered.push(Box::new(RuntimeSource::new(Arc::clone(&self.observed))));
        }
    }

    /// The rows of these tasks, sorted by key.
    fn tasks(
        &mut self,
        sample: &Sample,
        tasks: &[&SampledTask],
        index: usize,
        is_update: bool,
    ) -> Vec<TaskStats> {
        let polling: HashMap<u64, Duration> =
            running(sample).map(|poll| (key(poll.copy, poll.task.id), poll.began)).collect();
        let all_blocked_since = all_blocked_since(sample, index);
        let has_samples = no_samples(sample).is_none();
        let stops = stops(sample);
        let mut rows = Vec::with_capacity(tasks.len());
        for sampled in tasks {
            let key = key(sampled.copy, sampled.task.id);
            let names = &mut self.names;
            let tally = self.tallies.entry(key).or_insert_with(|| {
                Tally::new(sampled.first_seen, names.meta(&sampled.task).into())
            });
            let facts = StateFacts {
                polling_since: polling.get(&key).copied(),
                all_blocked_since,
                is_stuck: sampled.task.can_never_be_woken(),
            };
            tally.set_state(sampled.state, sample.swept, facts);
            if is_update {
                tally.add((*sampled).into(), sample.taken, &stops, has_samples);
            }
            rows.push(tally.stats(key, sampled.task.wakers, sample.taken, &stops));
        }
        rows.sort_unstable_by_key(|row| row.key);
        rows.dedup_by_key(|row| row.key);
        if is_update {
            let rows = &rows;
            let is_listed = |key: &u64| rows.binary_search_by_key(key, |row| row.key).is_ok();
            self.tallies.retain(|key, _| is_listed(key));
            self.names.remove_unused();
        }
        rows
    }

    fn long_polls(&mut self, sample: &Sample, index: usize) -> Vec<Arc<snapshot::LongPoll>> {
        let tallies = &self.tallies;
        let stops = stops(sample);
        let known: Vec<u64> = self.target.long_polls.iter().map(|poll| poll.task).collect();
        let own = certain(sample).filter_map(|poll| {
            let task = key(poll.copy, poll.task.id);
            // A task that has ended is no longer listed.
            let is_own = tallies.contains_key(&task) || known.contains(&task);
            let thread = sample.threads.iter().find(|thread| thread.tid == poll.tid);
            let worker = thread.filter(|thread| thread.runtime == Some(index));
            let (began_ns, length_ns) = (nanos(poll.began), nanos(poll.at_least));
            is_own.then(|| SampledPoll {
                poll,
                task,
                worker: worker.and_then(|it| it.worker),
                stopped_ns: Stop::overlap_ns(&stops, began_ns, began_ns + length_ns),
                handed_over: match self.has_counted_workers {
                    true => handed_over(sample, &sample.runtimes[index], poll),
                    false => Some(false),
                },
            })
        });
        let name = |task| tallies.get(&task).map(|it| Arc::clone(&it.meta.name));
        self.long_polls.convert(own, |task| name(task).unwrap_or_else(|| "?".into()))
    }

    fn runtime(&self, runtime: &RuntimeInfo, tasks: usize) -> RuntimeStats {
        let pool = runtime.pool;
        let (_, injection) = queue_lengths(runtime);
        RuntimeStats {
            flavor: match runtime.flavor {
                Flavor::MultiThread => Some(snapshot::Flavor::MultiThread),
                Flavor::CurrentThread => Some(snapshot::Flavor::CurrentThread),
                _ => None,
            },
            uptime_ns: nanos(self.observed.uptime()),
            alive_tasks: runtime.alive.unwrap_or(tasks as u64),
            measured_tasks: tasks as u64,
            injection_queue: injection,
            blocking_threads: pool.map_or(0, |pool| pool.threads),
            idle_blocking_threads: pool.map_or(0, |pool| pool.idle),
            blocking_queue: pool.map_or(0, |pool| pool.queued),
            budget_forced_yields: 0,
            remote_schedules: 0,
        }
    }

    /// The CPU time that the machine gives to the program, and the stops that have ended.
    fn machine(&mut self, sample: &Sample) -> MachineStats {
        let pid = self.observed.pid().unwrap_or_default();
        let reader = self.machine.get_or_insert_with(|| MachineReader::of_process(pid));
        let delays = self.target.workers.iter().map(|worker| worker.run_delay_ns);
        let run_delay_ns = delays.sum::<Option<u64>>().filter(|_| !self.target.workers.is_empty());
        let (lasting, ended): (Vec<_>, Vec<_>) =
            sample.stops.iter().partition(|stop| stop.is_ongoing);
        MachineStats {
            times: reader.read(),
            run_delay_ns,
            stops: ended.into_iter().map(stop).collect(),
            excludes_stops: true,
            stopped_since_ns: lasting.last().map(|stop| nanos(stop.from)),
        }
    }

    fn losses(&self, sample: &Sample, runtime: &RuntimeInfo) -> Losses {
        let mut reasons = Vec::new();
        if let Some(reason) = &runtime.unavailable {
            reasons.push(format!("the tasks could not be listed: {reason}").into());
        }
        let others = self.observed.without_target(sample);
        if others > 0 {
            let others = plural(others as u64, "other runtime");
            reasons.push(format!("the program has {others}, too many to show").into());
        }
        let nothing_reported = (!self.observed.has_listed()).then(|| NO_TASKS.into());
        Losses { reasons, nothing_reported, ..Losses::default() }
    }
}

fn stops(sample: &Sample) -> Vec<Stop> {
    sample.stops.iter().map(stop).collect()
}

fn stop(stop: &ProcessStop) -> Stop {
    Stop { from_ns: nanos(stop.from), to_ns: nanos(stop.to) }
}

/// The age of a poll at which it has called `block_in_place`, if it ever does.
const HAND_OVER: Duration = Duration::from_millis(100);

/// The time after which another thread has certainly taken the worker over.
const TAKE_OVER: Duration = Duration::from_secs(3);

/// Whether the thread of a poll has handed its worker over to another thread: it polls a task of a
/// multi-thread runtime and is none of the workers' threads. `None` unless the latest survey shows it:
/// one during the poll, at which no other thread waited for a CPU. On a busy machine, it may be the one
/// that is about to take the worker over.
fn handed_over(sample: &Sample, runtime: &RuntimeInfo, poll: &LongPoll) -> Option<bool> {
    if runtime.flavor != Flavor::MultiThread || poll.task.kind != TaskKind::Task {
        return Some(false);
    }
    let is_worker = runtime.workers.iter().any(|worker| worker.tid == Some(poll.tid));
    let others_wait = sample.runnable.iter().any(|tid| *tid != poll.tid);
    let since = if others_wait { TAKE_OVER } else { HAND_OVER };
    let is_shown = sample.surveyed >= poll.began + since
        && (poll.is_running || sample.surveyed <= poll.began + poll.at_least);
    // The thread that takes a worker over may be too new for the survey.
    let has_all = !runtime.workers.is_empty() && runtime.workers.iter().all(|it| it.tid.is_some());
    (is_shown && (is_worker || has_all)).then_some(!is_worker)
}

/// Whether the tasks of local sets are attributed to the runtime at `index`. A `LocalSet` is not a
/// runtime: its tasks are attributed to the only current-thread runtime or, if there is none or there
/// are several, to the first runtime.
fn has_local_sets(runtimes: &[RuntimeInfo], index: usize) -> bool {
    let mut own = runtimes.iter().enumerate().filter(|(_, it)| it.flavor != Flavor::LocalSet);
    let first = own.clone().next();
    let mut single = own.by_ref().filter(|(_, it)| it.flavor == Flavor::CurrentThread);
    let chosen = match (single.next(), single.next()) {
        (Some(only), None) => Some(only),
        _ => first,
    };
    chosen.is_some_and(|(chosen, _)| chosen == index)
}

fn is_local(task: &TaskInfo, runtimes: &[RuntimeInfo]) -> bool {
    let runtime = task.runtime.and_then(|at| runtimes.get(at));
    runtime.is_some_and(|runtime| runtime.flavor == Flavor::LocalSet)
}

/// The time since which all workers of a runtime have been in long polls; `None` if one is not.
fn all_blocked_since(sample: &Sample, index: usize) -> Option<Duration> {
    let workers = sample.runtimes[index].workers.len();
    let threads = sample.threads.iter();
    let own = threads.filter(|thread| thread.runtime == Some(index) && thread.worker.is_some());
    let began: Vec<Duration> =
        own.filter_map(|thread| Some(running_on(sample, thread.tid)?.began)).collect();
    began.iter().max().copied().filter(|_| began.len() == workers)
}
