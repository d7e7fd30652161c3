//! The data of a sample.

use std::{sync::Arc, time::Duration};

use crate::{
    Check, Frame, RuntimeInfo, Stopped, TaskInfo,
    sampler::{share::Observations, stops::ProcessStop},
    tokio::task::StateKind,
};

/// The options of the sampler.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SamplerOptions {
    /// Sampling interval: each has one sample of all threads, at a random moment. At least 1 ms.
    pub interval: Duration,
    /// Threshold of long polls, each of which is reported.
    pub long_poll: Duration,
    /// The part of one CPU that the sampler may use. The samples of the threads cost the same for
    /// any number of tasks; with more tasks, surveys and sweeps become rarer. They have a fifth of
    /// the budget even if the samples alone use all of it.
    pub cpu_budget: f64,
    /// Read the stacks of long polls whose thread is running, too. The thread is stopped with `ptrace`
    /// for some 10 µs, once per [certain](LongPoll::is_certain) long poll. Otherwise such a poll has a
    /// stack only if its thread blocks.
    pub stop_running: bool,
    /// Sample with real-time priority (`SCHED_FIFO`), so that a busy machine does not delay the samples.
    /// The kernel ends this process if it then computes for 200 ms without sleeping.
    pub realtime: bool,
}

impl Default for SamplerOptions {
    fn default() -> Self {
        SamplerOptions {
            interval: Duration::from_millis(10),
            long_poll: Duration::from_millis(100),
            cpu_budget: 0.05,
            stop_running: false,
            realtime: false,
        }
    }
}

/// Everything that was observed since the sampler was attached. Counters are totals; times count
/// from the moment of attaching.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Sample {
    /// The time of the latest sample of the threads; while the place of the current task is unknown, of
    /// the latest attempt.
    pub taken: Duration,
    /// Number of samples of the threads.
    pub samples: u64,
    /// The delays of these samples.
    pub lateness: Lateness,
    /// All tasks that were alive at the latest survey, by address.
    pub tasks: Vec<SampledTask>,
    /// The threads that are sampled, and those of workers that are not, by id.
    pub threads: Vec<SampledThread>,
    /// The threads that were no workers, and on a CPU or waiting for one, at the latest survey.
    pub runnable: Vec<u32>,
    /// Runtimes and local sets, as of the latest survey.
    pub runtimes: Vec<RuntimeInfo>,
    /// The long polls that are running, and those that have ended in the last 60 seconds, in the order
    /// of detection.
    pub long_polls: Vec<LongPoll>,
    /// The latest intervals in which the whole process was stopped, oldest first. They are not
    /// deducted from the lengths of [long polls](Self::long_polls).
    pub stops: Vec<ProcessStop>,
    /// The time of the latest survey, which lists the tasks and threads.
    pub surveyed: Duration,
    /// Current interval between surveys.
    pub survey_interval: Duration,
    /// Number of sweeps, which read the states of all tasks.
    pub sweeps: u64,
    /// The time of the latest sweep.
    pub swept: Duration,
    /// Current average interval between sweeps.
    pub sweep_interval: Duration,
    /// Hits of tasks that are in no survey: ended or short-lived tasks, closures of the blocking pool
    /// and loops of workers.
    pub unlisted_hits: u64,
    /// CPU time that the sampler has used.
    pub cpu: Duration,
    /// Results of the latest survey's checks, and of the sampler's own.
    pub checks: Vec<Check>,
}

impl Sample {
    /// The part of the samples that was late or missing. A late sampler observes the program just
    /// after one of its threads has released the CPU, so each share may be wrong by this much in
    /// addition to its standard error.
    pub fn doubtful(&self) -> f64 {
        self.lateness.doubtful(self.samples)
    }
}

/// The sampler's own delays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lateness {
    /// Samples that were taken over 1 ms after their planned time.
    pub late: u64,
    /// Intervals without a sample, because the sampler had no CPU for that long.
    pub missed: u64,
    /// The longest delay.
    pub longest: Duration,
}

impl Lateness {
    pub(super) fn doubtful(&self, samples: u64) -> f64 {
        let planned = samples + self.missed;
        if planned == 0 { 0.0 } else { (self.late + self.missed) as f64 / planned as f64 }
    }
}

/// A task with its observations.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SampledTask {
    /// The task, as of the latest survey.
    pub task: Arc<TaskInfo>,
    /// The copy of Tokio that it belongs to. Task ids are unique within one copy.
    pub copy: usize,
    /// The state at the latest sweep, or at the latest survey if the task is new since then.
    pub state: StateKind,
    /// When the first survey that lists it was complete.
    pub first_seen: Duration,
    /// Samples of the threads in which it was the current task of one: the share of time that it
    /// was inside its poll.
    pub busy: Observations,
    /// Sweeps in which it was running. Less precise than `busy`, and independent of it.
    pub running: Observations,
    /// Sweeps in which it was woken and not yet polled.
    pub scheduled: Observations,
    /// Sweeps in which it waited for a wake.
    pub idle: Observations,
}

/// A thread with its observations.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SampledThread {
    /// The kernel's id.
    pub tid: u32,
    /// Its name.
    pub name: String,
    /// Index of the runtime that it is in.
    pub runtime: Option<usize>,
    /// Index of the worker that it is.
    pub worker: Option<usize>,
    /// Whether the place of its current task is known.
    pub is_sampled: bool,
    /// Samples in which it polled a task of a survey, out of all samples since attaching.
    pub hits: u64,
    /// Time that the worker was not parked, as of the latest sample; up to its latest park, or 61
    /// polls ago at most. `None` where its counters are not known.
    pub busy: Option<Duration>,
    /// CPU time and run-queue delay of a worker's thread when the sample was made; `None` for other
    /// threads, and where the kernel does not count them.
    pub times: Option<ThreadTimes>,
}

/// CPU time and run-queue delay of a thread, as the kernel counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ThreadTimes {
    /// Time on a CPU.
    pub cpu: Duration,
    /// Time runnable without a CPU. A delay is added when it ends.
    pub run_delay: Duration,
}

/// CPU time and run-queue delay of a thread inside a poll.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PollTimes {
    /// From the second sample in the poll to the latest.
    pub covered: Duration,
    /// The times in this part of the poll.
    pub times: ThreadTimes,
}

impl ThreadTimes {
    /// Reads `schedstat`: CPU time, run-queue delay, number of time slices.
    pub(super) fn parse(text: &str) -> Option<ThreadTimes> {
        let mut numbers = text.split_ascii_whitespace().map(str::parse);
        let mut next = || Some(Duration::from_nanos(numbers.next()?.ok()?));
        Some(ThreadTimes { cpu: next()?, run_delay: next()? })
    }
}

/// The evidence that a long poll is a single poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Continuity {
    /// For at least the threshold without a break, the thread has not run, or its worker has not begun
    /// another iteration of its loop.
    Proven,
    /// The worker's busy time, which changes when it parks and after 61 polls at the latest, did
    /// not change.
    Counted,
    /// The same task in each sample; the version of Tokio has no counters to compare.
    Assumed,
}

/// A poll that took, or has taken, longer than the threshold.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LongPoll {
    /// Number of this long poll; unique for one sampler.
    pub number: u64,
    /// The task, as of the survey before the poll was detected.
    pub task: Arc<TaskInfo>,
    /// The copy of Tokio that the task belongs to.
    pub copy: usize,
    /// The thread, by the kernel's id.
    pub tid: u32,
    /// The first sample in it.
    pub began: Duration,
    /// Lower bound of its length: from the first to the latest sample in it.
    pub at_least: Duration,
    /// Upper bound, once it has ended: between the samples before and after it. `None` if it began
    /// before the first sample.
    pub at_most: Option<Duration>,
    /// Whether it was still running at the latest sample.
    pub is_running: bool,
    /// The evidence that it is a single poll.
    pub continuity: Continuity,
    /// CPU time and run-queue delay of the thread inside the poll, and the part of the poll that
    /// they cover; `None` if they could not be read.
    pub times: Option<PollTimes>,
    /// The system call that the thread was in when its stack was read, or when it was first seen to
    /// block in the poll.
    pub syscall: Option<String>,
    /// The functions on the thread's stack, innermost first; read once.
    pub stack: Vec<Frame>,
    /// The reason why the stack is missing or incomplete.
    pub no_stack: Option<String>,
    /// The stop of the thread to read its stack; `None` if it was not stopped.
    pub stopped: Option<Stopped>,
    /// The delays that it has caused to other tasks; `None` unless there were two sweeps while all
    /// workers of its runtime were in long polls.
    pub delays: Option<Delays>,
    /// The latest sample in it, or the first one after it.
    pub(super) updated: Duration,
    /// The sampler's threshold.
    pub(super) threshold: Duration,
}

/// Scheduling delays that a long poll has caused to the tasks of its runtime. A task counts from the
/// first to the last of the sweeps that found it scheduled while all workers were in long polls, so
/// all values are lower bounds. A delay counts for the poll of each worker.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Delays {
    /// The number of delayed tasks.
    pub tasks: usize,
    /// The sum of their delays.
    pub total: Duration,
    /// The tasks with the longest delays, longest first; at most 16.
    pub longest: Vec<DelayedTask>,
}

/// A task that a long poll has delayed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DelayedTask {
    /// The task.
    pub task: Arc<TaskInfo>,
    /// The copy of Tokio that it belongs to.
    pub copy: usize,
    /// Lower bound of its scheduling delay.
    pub delay: Duration,
}

impl LongPoll {
    /// Whether a single poll took longer than the threshold: this one, or at least one of those that
    /// it may consist of.
    pub fn is_certain(&self) -> bool {
        /// Maximum number of polls after which a worker updates its busy time.
        const POLLS: u32 = 61;
        match self.continuity {
            Continuity::Proven => true,
            Continuity::Counted => self.at_least >= self.threshold * POLLS,
            Continuity::Assumed => false,
        }
    }
}
