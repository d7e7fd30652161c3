//! The survey loop: lists the tasks, sweeps over their states and reads the stacks of long polls. It
//! has its own thread, so that samples never wait for it.

use std::{
    collections::{HashMap, HashSet, hash_map},
    mem,
    sync::{Arc, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

use fastrand::Rng;

use crate::{
    Check, InspectError, Inspection, Options, Process, RuntimeInfo, Stack, Stop, TaskInfo,
    TaskKind, ThreadInfo,
    process::threads,
    sampler::{
        Shared,
        busy_time::{BusyTimeCheck, SampledPolls},
        cpu_time,
        delays::{DelayTracker, SweepTimes},
        lock,
        plan::Plan,
        polls::TaskKey,
        sweep::{Entry, States, sweep},
        types::SampledThread,
    },
};

const MIN_SURVEY_INTERVAL: Duration = Duration::from_secs(1);
const MIN_SWEEP_INTERVAL: Duration = Duration::from_millis(100);
/// Interval between attempts to read the stack of a thread that is running.
const STACK_INTERVAL: Duration = Duration::from_millis(50);
/// The part of the remaining budget that surveys have; sweeps have the rest.
const SURVEY_PART: f64 = 0.5;
/// The part of the whole budget that surveys and sweeps have in any case.
const MIN_REMAINING_PART: f64 = 0.2;

/// The results of surveys and sweeps.
#[derive(Default)]
pub(super) struct Survey {
    /// Sorted by address.
    pub entries: Vec<Entry>,
    pub runtimes: Vec<RuntimeInfo>,
    /// The sampled threads, without their hits.
    pub threads: Vec<SampledThread>,
    pub runnable: Vec<u32>,
    pub checks: Vec<Check>,
    pub surveyed: Duration,
    pub survey_interval: Duration,
    pub sweeps: u64,
    pub swept: Duration,
    pub sweep_interval: Duration,
    pub cpu: Duration,
}

/// The state of the survey loop.
pub(super) struct SurveyLoop {
    pub shared: Arc<Shared>,
    pub process: Process,
    pub cpu_budget: f64,
    pub stop_running: bool,
    pub began: Instant,
    pub delays: DelayTracker,
    /// The previous plan, kept until the next survey so that the sample loop never has to free it.
    pub previous_plan: Arc<Plan>,
    /// The buffer of the sweeps.
    pub buffer: Vec<u8>,
    /// By handle of the runtime.
    pub busy_time_checks: HashMap<u64, BusyTimeCheck>,
}

/// A stack that is requested and not read yet.
struct PendingStack {
    /// Number of the long poll.
    number: u64,
    tid: u32,
    /// The reason why its thread cannot be stopped. Another attempt would start a process and fail, too.
    denied: Option<String>,
}

impl PendingStack {
    fn new((number, tid): (u64, u32)) -> Self {
        PendingStack { number, tid, denied: None }
    }

    /// Records that the thread could not be stopped, which remains the reason why its stack is missing.
    fn keep_denial(&mut self, stack: &mut Stack) {
        if stack.is_denied {
            self.denied.clone_from(&stack.missing);
        } else if stack.frames.is_empty() && self.denied.is_some() {
            stack.missing.clone_from(&self.denied);
        }
    }
}

/// The times of the next survey and sweep.
struct Due {
    survey: Duration,
    sweep: Duration,
    /// When the CPU budget allows a requested sweep.
    requested: Duration,
    survey_cost: SurveyCost,
}

/// The CPU time of the latest survey.
#[derive(Default)]
struct SurveyCost(Duration);

impl SurveyCost {
    /// The interval after a survey that took `cost`, of a budget of this part of a CPU. A survey that
    /// finds a new type of task may load symbols for a second. Such a cost does not recur, and must not
    /// delay the next survey by a minute, so the cheaper one of the latest two counts.
    fn interval(&mut self, cost: Duration, budget: f64) -> Duration {
        let recurring = cost.min(mem::replace(&mut self.0, cost));
        recurring.div_f64(budget).max(MIN_SURVEY_INTERVAL)
    }
}

impl SurveyLoop {
    /// Runs until the sampler is dropped or the process ends.
    pub(super) fn run(mut self) {
        let mut random = Rng::with_seed(1 + u64::from(self.process.pid()));
        let now = self.began.elapsed();
        let mut due = Due {
            survey: now + MIN_SURVEY_INTERVAL,
            sweep: now,
            requested: now,
            survey_cost: SurveyCost::default(),
        };
        let mut pending: Vec<PendingStack> = Vec::new();
        while !self.shared.stop.load(Ordering::Relaxed) {
            let cpu = cpu_time();
            let requested = mem::take(&mut *lock(&self.shared.stacks));
            pending.extend(requested.into_iter().map(PendingStack::new));
            pending.retain_mut(|pending| self.read_stack(pending));
            let now = self.began.elapsed();
            if let Err(error) = self.work(now, &mut due, &mut random) {
                lock(&self.shared.ended).get_or_insert(error);
                return;
            }
            lock(&self.shared.survey).cpu += cpu_time().saturating_sub(cpu);
            let mut next = due.survey.min(due.sweep);
            if !pending.is_empty() {
                next = next.min(now + STACK_INTERVAL);
            }
            self.wait(next, due.requested);
        }
    }

    /// Runs a sweep and a survey if they are due.
    fn work(&mut self, now: Duration, due: &mut Due, random: &mut Rng) -> Result<(), InspectError> {
        let is_regular = now >= due.sweep;
        let is_requested = self.shared.sweep_requested.load(Ordering::Relaxed);
        if is_regular || is_requested && now >= due.requested {
            self.shared.sweep_requested.store(false, Ordering::Relaxed);
            let cost = self.sweep(is_regular)?;
            let pause = cost.div_f64(self.budget(1.0 - SURVEY_PART));
            due.requested = now + pause;
            if is_regular {
                let interval = pause.max(MIN_SWEEP_INTERVAL);
                lock(&self.shared.survey).sweep_interval = interval;
                // At a random moment, half an interval to one and a half after this one.
                due.sweep = now + interval.mul_f64(0.5 + random.f64());
            }
        }
        if now >= due.survey {
            let before = cpu_time();
            self.survey(&Options::lists_only())?;
            let cost = cpu_time().saturating_sub(before);
            let interval = due.survey_cost.interval(cost, self.budget(SURVEY_PART));
            lock(&self.shared.survey).survey_interval = interval;
            due.survey = now + interval;
        }
        Ok(())
    }

    /// A part of the CPU budget that the samples of the threads leave.
    fn budget(&self, part: f64) -> f64 {
        let elapsed = self.began.elapsed().as_secs_f64().max(1e-3);
        let samples = lock(&self.shared.hits).cpu.as_secs_f64() / elapsed;
        let remaining = (self.cpu_budget - samples).max(self.cpu_budget * MIN_REMAINING_PART);
        (remaining * part).clamp(1e-3, 1.0)
    }

    /// Waits until `next`, a stack is requested or the sampler is dropped; if a sweep is requested, no
    /// longer than until `sweep`.
    fn wait(&self, next: Duration, sweep: Duration) {
        let stacks = lock(&self.shared.stacks);
        let is_requested = self.shared.sweep_requested.load(Ordering::Relaxed);
        let until = if is_requested { next.min(sweep) } else { next };
        let timeout = until.saturating_sub(self.began.elapsed());
        if stacks.is_empty() && !self.shared.stop.load(Ordering::Relaxed) && !timeout.is_zero() {
            let result = self.shared.wake.wait_timeout(stacks, timeout);
            drop(result.unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Lists tasks and threads again.
    pub(super) fn survey(&mut self, options: &Options) -> Result<(), InspectError> {
        let began = self.began.elapsed();
        let inspection = self.process.read(options)?;
        let Inspection { runtimes, mut tasks, threads, checks, .. } = inspection;
        tasks.retain(|task| matches!(task.kind, TaskKind::Task | TaskKind::Local));
        tasks.sort_unstable_by_key(|task| task.address);
        let words = self.process.current_words.clone();
        let contexts = self.process.contexts.clone();
        let is_runnable = |it: &&ThreadInfo| it.state == 'R' && it.worker.is_none();
        let runnable = threads.iter().filter(is_runnable).map(|thread| thread.tid).collect();
        let sampled: HashSet<u32> = words.iter().map(|word| word.tid).collect();
        let threads: Vec<SampledThread> = threads
            .into_iter()
            // Workers remain known while the place of the current task is not.
            .filter(|thread| thread.worker.is_some() || sampled.contains(&thread.tid))
            .map(|thread| SampledThread {
                is_sampled: sampled.contains(&thread.tid),
                tid: thread.tid,
                name: thread.name,
                runtime: thread.runtime,
                worker: thread.worker,
                hits: 0,
                busy: None,
                times: None,
            })
            .collect();
        let shared = Arc::clone(&self.shared);
        let mut survey = lock(&shared.survey);
        (survey.threads, survey.runnable) = (threads, runnable);
        survey.runtimes = runtimes;
        survey.checks = checks;
        survey.surveyed = began;
        self.merge(&mut survey, tasks);
        let tasks = survey.entries.iter().map(|entry| (entry.key, Arc::clone(&entry.task)));
        let plan = Plan::new(words, contexts, &self.process.busy_words, tasks.collect());
        let mut hits = lock(&self.shared.hits);
        let ended = hits.by_task.extract_if(|key, _| plan.task(*key).is_none());
        hits.unlisted += ended.map(|(_, task)| task.hits).sum::<u64>();
        drop(hits);
        self.check_busy_time(&mut survey, &plan, began);
        drop(survey);
        self.previous_plan = mem::replace(&mut *lock(&self.shared.plan), Arc::new(plan));
        Ok(())
    }

    /// Adds the comparisons of the samples with the workers' own busy times to the checks.
    fn check_busy_time(&mut self, survey: &mut Survey, plan: &Plan, now: Duration) {
        let hits = lock(&self.shared.hits);
        let no_polls = SampledPolls {
            samples: hits.samples,
            doubtful: hits.lateness.doubtful(hits.samples),
            ..SampledPolls::default()
        };
        let mut sampled = vec![no_polls; survey.runtimes.len()];
        for thread in &survey.threads {
            if let (Some(index), Some(_)) = (thread.runtime, thread.worker) {
                sampled[index].hits += hits.by_thread.get(&thread.tid).copied().unwrap_or(0);
            }
        }
        for key in hits.by_task.keys() {
            let share = hits.observations(*key, 0).share();
            let runtime = plan.task(*key).and_then(|task| task.runtime);
            if let (Some(index), Some(share)) = (runtime, share) {
                sampled[index].error = sampled[index].error.hypot(share.standard_error);
            }
        }
        drop(hits);
        let Survey { runtimes, checks, .. } = survey;
        self.busy_time_checks
            .retain(|handle, _| runtimes.iter().any(|runtime| runtime.handle == *handle));
        for (index, (runtime, sampled)) in runtimes.iter().zip(sampled).enumerate() {
            let workers = &runtime.workers;
            if workers.is_empty() {
                continue;
            }
            match self.busy_time_checks.entry(runtime.handle) {
                hash_map::Entry::Occupied(mut known) => {
                    checks.extend(known.get_mut().check(index, now, workers, sampled));
                }
                hash_map::Entry::Vacant(new) => {
                    new.insert(BusyTimeCheck::new(now, workers, sampled));
                }
            }
        }
    }

    fn key(&self, task: &TaskInfo) -> Option<TaskKey> {
        let mut modules = self.process.modules.iter();
        let module = modules.position(|module| module.range.contains(&task.vtable))?;
        Some(TaskKey { module, id: task.id })
    }

    /// Keeps the entries of tasks that were listed before, and adds those of new tasks. Both are
    /// sorted by address.
    fn merge(&self, survey: &mut Survey, tasks: Vec<TaskInfo>) {
        let mut known = mem::take(&mut survey.entries).into_iter().peekable();
        // The samples of a task count from here on: the first survey is over before there are any.
        let first_seen = self.began.elapsed();
        survey.entries.reserve(tasks.len());
        for task in tasks {
            let Some(key) = self.key(&task) else { continue };
            while known.next_if(|entry| entry.task.address < task.address).is_some() {}
            let is_same = |entry: &Entry| entry.task.address == task.address && entry.key == key;
            survey.entries.push(match known.next_if(is_same) {
                Some(entry) if *entry.task == task => entry,
                Some(entry) => Entry { task: Arc::new(task), ..entry },
                None => self.new_entry(key, task, first_seen),
            });
        }
    }

    fn new_entry(&self, key: TaskKey, task: TaskInfo, first_seen: Duration) -> Entry {
        let listed_at = lock(&self.shared.hits).samples;
        Entry { key, task: Arc::new(task), first_seen, listed_at, states: States::default() }
    }

    /// Reads the states of all tasks. Returns the CPU time that it took. Only those of a regular sweep
    /// are counted: a requested one is not at a random moment.
    fn sweep(&mut self, is_regular: bool) -> Result<Duration, InspectError> {
        let before = cpu_time();
        let mut survey = lock(&self.shared.survey);
        self.delays.update(&survey, &self.shared.hits);
        let (origin, identity) = (self.began, &self.process.identity);
        let began = origin.elapsed();
        let now = || origin.elapsed();
        sweep(identity, &mut survey.entries, &mut self.buffer, is_regular, now)?;
        survey.sweeps += u64::from(is_regular);
        survey.swept = self.began.elapsed();
        self.delays.add_sweep(SweepTimes { began, ended: survey.swept });
        Ok(cpu_time().saturating_sub(before))
    }

    /// Reads the stack of a thread in a long poll. Returns whether to try again later.
    fn read_stack(&mut self, pending: &mut PendingStack) -> bool {
        let PendingStack { number, tid, .. } = *pending;
        let (task, is_certain) = match lock(&self.shared.hits).long_poll(number) {
            Some(poll) if poll.is_running => (poll.task.id, poll.is_certain()),
            Some(poll) => {
                let reason = match self.stop_running {
                    true => "the poll has ended before its stack was read",
                    false => "the poll has ended before its thread was seen to block",
                };
                poll.no_stack = pending.denied.take().or_else(|| Some(reason.into()));
                return false;
            }
            None => return false,
        };
        let may_stop = self.stop_running && is_certain && pending.denied.is_none();
        let stop = if may_stop { Stop::Polling { task: Some(task) } } else { Stop::Never };
        let mut stack = self.process.stack_of(tid, stop);
        let is_read = !stack.frames.is_empty();
        pending.keep_denial(&mut stack);
        let mut hits = lock(&self.shared.hits);
        // A stack that was read after the end of the poll is not that of the poll.
        let Some(poll) = hits.long_poll(number).filter(|poll| poll.is_running) else {
            return true;
        };
        (poll.stack, poll.no_stack, poll.stopped) = (stack.frames, stack.missing, stack.stopped);
        if self.stop_running && !is_certain && !is_read {
            poll.no_stack =
                Some("its thread is stopped once the poll is certain to be long".into());
        }
        // Otherwise, the call in which the thread was first seen to block is kept.
        if is_read {
            poll.syscall = stack.syscall.map(threads::syscall_name);
        }
        !is_read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expensive_survey_does_not_delay_the_next_one_unless_it_recurs() {
        let ms = Duration::from_millis;
        let mut cost = SurveyCost::default();
        let mut interval = |cost_ms| cost.interval(ms(cost_ms), 0.025);
        assert_eq!(interval(1500), ms(1000), "the first one");
        assert_eq!(interval(50), ms(2000));
        assert_eq!(interval(1500), ms(2000), "new names");
        assert_eq!(interval(40), ms(1600));
        assert_eq!(interval(100), ms(1600));
        assert_eq!(interval(100), ms(4000), "more tasks");
    }

    #[test]
    fn thread_that_cannot_be_stopped_is_tried_once_and_keeps_the_reason() {
        let missing = |reason: &str, is_denied| Stack {
            missing: Some(reason.to_owned()),
            is_denied,
            ..Stack::default()
        };
        let mut pending = PendingStack::new((1, 7));
        let mut stack = missing("it is running in another poll", false);
        pending.keep_denial(&mut stack);
        assert_eq!(pending.denied, None, "it may be stopped later");
        pending.keep_denial(&mut missing("not allowed", true));
        assert_eq!(pending.denied.as_deref(), Some("not allowed"));
        let mut stack = missing("it is running, and is not stopped", false);
        pending.keep_denial(&mut stack);
        assert_eq!(stack.missing.as_deref(), Some("not allowed"));
    }
}
