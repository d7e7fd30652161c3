//! The source of one runtime of a program.

use std::{collections::HashMap, sync::Arc, time::Duration};

use asynctop_inspect::{
    Flavor, RuntimeInfo, TaskInfo,
    sampler::{Sample, SampledTask},
};

use super::{
    description::{describe, no_samples},
    key::key,
    long_polls::{LongPolls, Sampled, certain, running, running_on},
    names::Names,
    observed::Observed,
    tally::{Known, Tally},
    workers::{Workers, queue_lengths},
};
use crate::{
    snapshot::{
        self, Connection, Description, Losses, RuntimeStats, Subscription, Target, TargetId,
        TaskStats,
    },
    source::{Source, nanos},
    text::plural,
};

/// One runtime of a program.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// Its number, if the program has several.
    pub number: Option<usize>,
    /// The address of its handle, which identifies it.
    pub handle: u64,
    /// Its threads run the local sets.
    pub has_local_sets: bool,
}

/// Samples one runtime of a program.
pub(super) struct RuntimeSource {
    observed: Arc<Observed>,
    part: Part,
    /// By key.
    tallies: HashMap<u64, Tally>,
    names: Names,
    long_polls: LongPolls,
    workers: Workers,
    /// The survey with which the sums were brought up to date.
    surveyed: Option<Duration>,
    /// Bring the sums up to date with the next sample.
    is_due: bool,
    /// The latest sample.
    target: Target,
}

impl RuntimeSource {
    pub(super) fn new(id: TargetId, observed: Arc<Observed>, part: Part) -> Self {
        let number = part.number.map(|number| format!(" runtime {number}")).unwrap_or_default();
        let name = format!("{}:{}{number}", observed.command(), observed.pid());
        let target = Target {
            id,
            connection: Connection::Connected,
            ..Target::empty(Description::new(name).into(), nanos(observed.now()))
        };
        RuntimeSource {
            observed,
            part,
            tallies: HashMap::new(),
            names: Names::default(),
            long_polls: LongPolls::default(),
            workers: Workers::default(),
            surveyed: None,
            is_due: false,
            target,
        }
    }
}

impl Source for RuntimeSource {
    fn sample(&mut self, _: &Subscription) -> Target {
        match self.observed.sample() {
            Ok(sample) => self.take(&sample),
            Err(error) => self.lose(&error.to_string()),
        }
        self.target.taken_ns = nanos(self.observed.now());
        self.target.clone()
    }

    /// The sums of the next sample are complete; otherwise they are as old as the latest survey.
    fn settle(&mut self, _: Duration) -> bool {
        self.is_due = true;
        true
    }
}

impl RuntimeSource {
    /// The program has ended. What is known of it stays.
    fn lose(&mut self, reason: &str) {
        if !self.target.connection.is_live() {
            return;
        }
        let since_ns = Some(nanos(self.observed.now()));
        let reason = reason.into();
        self.target.connection = Connection::Lost { since_ns, reason, retry_in_ns: None };
        self.target.workers.iter_mut().for_each(|worker| worker.current = None);
        self.long_polls.end(&mut self.target.long_polls);
    }

    fn take(&mut self, sample: &Sample) {
        let runtimes = &sample.runtimes;
        let Some(index) = runtimes.iter().position(|one| one.handle == self.part.handle) else {
            return self.lose("this runtime has been shut down");
        };
        let runtime = &runtimes[index];
        let is_update = self.surveyed != Some(sample.surveyed) || self.is_due;
        let tasks = sample.tasks.iter().filter(|it| self.is_own(&it.task, runtimes, index));
        let tasks: Vec<&SampledTask> = tasks.collect();
        self.target.connection = Connection::Connected;
        self.target.runtime = self.runtime(runtime, tasks.len());
        self.target.tasks = self.tasks(sample, &tasks, index, is_update);
        self.target.workers = self.workers.rows(sample, index, is_update);
        self.target.long_polls = self.long_polls(sample, index);
        if is_update {
            (self.surveyed, self.is_due) = (Some(sample.surveyed), false);
            let name = Arc::clone(&self.target.description.name);
            let description = describe(&name, &self.observed, sample, runtime);
            if *self.target.description != description {
                self.target.description = description.into();
            }
            self.target.known_until_ns = nanos(sample.taken);
            self.target.losses = self.losses(sample, runtime);
        }
    }

    /// Whether a task is polled by the threads of this runtime.
    fn is_own(&self, task: &TaskInfo, runtimes: &[RuntimeInfo], index: usize) -> bool {
        let runtime = task.runtime.and_then(|at| runtimes.get(at));
        let is_local = runtime.is_some_and(|runtime| runtime.flavor == Flavor::LocalSet);
        task.runtime == Some(index) || (is_local && self.part.has_local_sets)
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
        let held_since = held_since(sample, index);
        let has_samples = no_samples(sample).is_none();
        let mut rows = Vec::with_capacity(tasks.len());
        for sampled in tasks {
            let key = key(sampled.copy, sampled.task.id);
            let names = &mut self.names;
            let tally = self.tallies.entry(key).or_insert_with(|| {
                Tally::new(sampled.first_seen, names.meta(&sampled.task).into())
            });
            let known = Known {
                polling_since: polling.get(&key).copied(),
                held_since,
                is_stuck: sampled.task.can_never_be_woken(),
            };
            tally.set_state(sampled.state, sample.swept, known);
            if is_update {
                tally.add((*sampled).into(), sample.taken, has_samples);
            }
            rows.push(tally.stats(key, sampled.task.wakers, sample.taken));
        }
        rows.sort_unstable_by_key(|row| row.key);
        rows.dedup_by_key(|row| row.key);
        if is_update {
            let rows = &rows;
            let is_listed = |key: &u64| rows.binary_search_by_key(key, |row| row.key).is_ok();
            self.tallies.retain(|key, _| is_listed(key));
            self.names.sweep();
        }
        rows
    }

    fn long_polls(&mut self, sample: &Sample, index: usize) -> Vec<Arc<snapshot::LongPoll>> {
        let tallies = &self.tallies;
        let known: Vec<u64> = self.target.long_polls.iter().map(|poll| poll.task).collect();
        let own = certain(sample).filter_map(|poll| {
            let task = key(poll.copy, poll.task.id);
            // One that has ended is no longer listed.
            let is_own = tallies.contains_key(&task) || known.contains(&task);
            let thread = sample.threads.iter().find(|thread| thread.tid == poll.tid);
            let worker = thread.filter(|thread| thread.runtime == Some(index));
            is_own.then(|| Sampled { poll, task, worker: worker.and_then(|it| it.worker) })
        });
        self.long_polls.convert(own)
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

    fn losses(&self, sample: &Sample, runtime: &RuntimeInfo) -> Losses {
        let mut reasons = Vec::new();
        if let Some(reason) = &runtime.unavailable {
            reasons.push(format!("the tasks could not be listed: {reason}").into());
        }
        let later = self.observed.new_runtimes(sample);
        if later > 0 {
            let runtimes = plural(later as u64, "runtime");
            reasons.push(format!("{runtimes} started later: restart asynctop to see it").into());
        }
        Losses { reasons, ..Losses::default() }
    }
}

/// The time from which on all workers of a runtime have been in long polls; `None` if one is not.
fn held_since(sample: &Sample, index: usize) -> Option<Duration> {
    let workers = sample.runtimes[index].workers.len();
    let threads = sample.threads.iter();
    let own = threads.filter(|thread| thread.runtime == Some(index) && thread.worker.is_some());
    let began: Vec<Duration> =
        own.filter_map(|thread| Some(running_on(sample, thread.tid)?.began)).collect();
    began.iter().max().copied().filter(|_| began.len() == workers)
}
