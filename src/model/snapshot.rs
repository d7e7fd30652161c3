//! One moment of a runtime, as a source saw it. Plain data: whoever carries it (memory,
//! a socket, a file) and whoever shows it agree on this and on nothing else.
//!
//! All times are nanoseconds; totals count since the source began and only grow.

use std::sync::Arc;

use super::{Caveat, ConsoleFigures, Lesson, Resources, TargetFigures, WorkerPolls};
use crate::{
    Histogram,
    probe::State,
    watch::{AwaitPoint, Evidence},
};

/// A figure, and how it came about. What a source cannot know is never 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Figure<T> {
    /// Counted or timed where it happened.
    Measured(T),
    /// Computed from measured figures.
    Derived(T),
    /// Extrapolated from samples.
    Estimated(T),
    /// Not to be had from this source, for the reason given.
    Unavailable(&'static str),
}

impl<T: Copy> Figure<T> {
    /// The value, however it came about.
    pub fn value(self) -> Option<T> {
        match self {
            Figure::Measured(value) | Figure::Derived(value) | Figure::Estimated(value) => {
                Some(value)
            }
            Figure::Unavailable(_) => None,
        }
    }

    /// Why there is no value.
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Figure::Unavailable(reason) => Some(reason),
            _ => None,
        }
    }
}

/// How a Tokio runtime schedules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavor {
    /// All tasks on one thread.
    CurrentThread,
    /// A pool of workers that steal from each other.
    MultiThread,
}

impl Flavor {
    /// Tokio's name for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Flavor::CurrentThread => "current-thread",
            Flavor::MultiThread => "multi-thread",
        }
    }
}

/// One moment of a runtime.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// When it was taken, on the source's clock.
    pub taken_ns: u64,
    /// What was watched, such as `lab:mixed`.
    pub source: Arc<str>,
    /// Counts the runtimes that this source has seen: figures of different epochs do not
    /// belong together.
    pub epoch: u64,
    /// The runtime as a whole.
    pub runtime: RuntimeFigures,
    /// Its workers, in Tokio's order.
    pub workers: Vec<WorkerFigures>,
    /// Whom each of them polled since the snapshot before, if [`Interest`] asked for it, or
    /// why it cannot be known.
    pub timeline: Result<Vec<WorkerPolls>, &'static str>,
    /// Its tasks, living ones and those that ended lately, sorted by `key`.
    pub tasks: Vec<TaskFigures>,
    /// How long tasks waited for a worker, over all polls so far.
    pub delays: Histogram,
    /// The distributions that [`Interest`] asked for.
    pub distributions: Vec<(Subject, Distributions)>,
    /// A watchdog looks at long polls.
    pub watched: bool,
    /// What it knows of the long polls that are under way, and of those that ended since
    /// the snapshot before: where and why they are long.
    pub evidence: Vec<Arc<Evidence>>,
    /// Where the task waits that [`Interest`] asked, as far as that has come.
    pub await_point: Option<AwaitPoint>,
    /// The programs that are watched over a connection; empty for a runtime of this process.
    pub targets: Vec<TargetFigures>,
    /// How often the counts change by themselves; 0 if they are of each look.
    pub period_ns: u64,
    /// Figures that are not quite what their names promise.
    pub caveats: &'static [Caveat],
    /// What tasks wait for, if [`Interest`] asked for it, or why it cannot be known.
    pub resources: Result<Arc<Resources>, &'static str>,
    /// What only the lab knows.
    pub lab: Option<LabFigures>,
}

/// What a snapshot should hold beyond what it always does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// The distributions of the task with this key.
    pub task: Option<u64>,
    /// The distributions of every group.
    pub groups: bool,
    /// Resources and async operations.
    pub resources: bool,
    /// When each worker polled whom, which is written down only while somebody asks.
    pub timeline: bool,
    /// Ask this task where it waits, once for each number: key and number.
    pub awaits: Option<(u64, u64)>,
}

/// Whose distributions these are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The task with this key.
    Task(u64),
    /// The group of tasks with this name.
    Group(Arc<str>),
}

/// How long polls and waits for a worker were.
#[derive(Clone, Debug, Default)]
pub struct Distributions {
    /// The duration of ended polls.
    pub poll_times: Histogram,
    /// The time from each wake to the poll that followed.
    pub delays: Histogram,
}

/// Figures of the runtime as a whole.
#[derive(Clone, Debug)]
pub struct RuntimeFigures {
    /// How it schedules.
    pub flavor: Figure<Flavor>,
    /// How long it has run; of a program that is watched from outside, how long the
    /// oldest task that is known has lived.
    pub uptime_ns: u64,
    /// Living tasks by Tokio's own count: more than the snapshot has, if some are not
    /// measured.
    pub alive_tasks: Figure<u64>,
    /// Living tasks that the probe measures.
    pub measured_tasks: u64,
    /// Tasks in the global (injection) queue.
    pub global_queue: Figure<u64>,
    /// Threads of the blocking pool.
    pub blocking_threads: Figure<u64>,
    /// Those of them that have nothing to do.
    pub idle_blocking_threads: Figure<u64>,
    /// Closures that wait for a thread of the blocking pool.
    pub blocking_queue: Figure<u64>,
    /// Polls that ended because the task's budget was used up.
    pub budget_forced_yields: Figure<u64>,
    /// Tasks scheduled from outside of the runtime.
    pub remote_schedules: Figure<u64>,
}

/// Figures of one worker. Totals count since the runtime began.
#[derive(Clone, Debug)]
pub struct WorkerFigures {
    /// Tokio's number of it.
    pub index: usize,
    /// Its thread's name.
    pub thread: Arc<str>,
    /// The poll that it is in right now.
    pub current: Option<CurrentPoll>,
    /// Time inside polls of measured tasks, the running one included.
    pub poll_ns: Figure<u64>,
    /// Time not parked, by Tokio's count, which is brought up to date between polls only.
    pub busy_ns: Figure<u64>,
    /// Polls of measured tasks.
    pub polls: Figure<u64>,
    /// How often it parked.
    pub parks: Figure<u64>,
    /// Tasks that it took from other workers' queues.
    pub steals: Figure<u64>,
    /// Tasks that it moved to the global queue because its own was full.
    pub overflows: Figure<u64>,
    /// Tasks in its local queue.
    pub local_queue: Figure<u64>,
}

/// A poll that has begun and not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurrentPoll {
    /// The task's key.
    pub key: u64,
    /// When the poll began, on the source's clock.
    pub since_ns: u64,
}

/// What kind of thing runs as a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TaskKind {
    /// A future on a runtime or a `LocalSet`: it has to give way.
    #[default]
    Spawned,
    /// The future of a `block_on`: it has to give way, and nobody counts its wakers.
    BlockOn,
    /// A closure on the blocking pool, Tokio's own workers among them: it may block.
    Blocking,
    /// Not known.
    Unknown,
}

impl TaskKind {
    /// The word for it, on screen and in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            TaskKind::Spawned => "task",
            TaskKind::BlockOn => "block_on",
            TaskKind::Blocking => "blocking",
            TaskKind::Unknown => "unknown",
        }
    }

    /// Whether a long poll of it is nobody's fault.
    pub fn may_block(self) -> bool {
        matches!(self, TaskKind::Blocking | TaskKind::Unknown)
    }
}

/// What does not change over a task's life.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct TaskMeta {
    /// The number that people see.
    pub id: u64,
    /// Its name.
    pub name: Arc<str>,
    /// The name of the group that it belongs to.
    pub group: Arc<str>,
    /// Where it was spawned, as `file:line`.
    pub location: Arc<str>,
    /// The size of its future in bytes; 0 if not known.
    pub future_size: u32,
    /// What kind of task it is.
    pub kind: TaskKind,
    /// The name of its target; empty where there is one program only.
    pub target: Arc<str>,
    /// What else was said of it when it was spawned, as `key=value key=value`.
    pub fields: Arc<str>,
}

/// Figures of one task. `lifetime_ns = busy_ns + scheduled_ns + idle_ns`, always.
#[derive(Clone, Debug)]
pub struct TaskFigures {
    /// Names the task; never used for another one.
    pub key: u64,
    /// What does not change.
    pub meta: Arc<TaskMeta>,
    /// Where it stands.
    pub state: State,
    /// Since when it stands there, on the source's clock.
    pub since_ns: u64,
    /// Up to when its figures are known, on the source's clock: when the snapshot was taken,
    /// or before, where a target tells of its tasks now and then.
    pub known_ns: u64,
    /// From its spawn to the snapshot, or to its end.
    pub lifetime_ns: u64,
    /// Time inside polls, the running one included.
    pub busy_ns: u64,
    /// Time between a wake and the poll that followed.
    pub scheduled_ns: u64,
    /// Time between a poll and the next wake.
    pub idle_ns: u64,
    /// Polls begun.
    pub polls: u64,
    /// Calls of its wakers.
    pub wakes: u64,
    /// Those from inside its own polls.
    pub self_wakes: u64,
    /// The longest poll, the running one included.
    pub max_poll_ns: u64,
    /// The longest wait for a worker, the running one included.
    pub max_delay_ns: u64,
    /// How many wakers of it somebody holds.
    pub live_wakers: Figure<u32>,
    /// What it says that it is doing.
    pub stage: Option<&'static str>,
}

impl TaskFigures {
    /// For how long it has stood where it stands, as far as that is known at `now_ns`.
    pub fn lasts_ns(&self, now_ns: u64) -> u64 {
        self.known_ns.min(now_ns).saturating_sub(self.since_ns)
    }
}

/// What the lab knows of itself.
#[derive(Clone, Debug)]
pub struct LabFigures {
    /// The scenario's name.
    pub scenario: Arc<str>,
    /// What to watch, what to try, and why it happens.
    pub lesson: Arc<Lesson>,
    /// Its workloads.
    pub workloads: Vec<WorkloadFigures>,
    /// The hog.
    pub hog: HogFigures,
    /// The server for tokio-console, if there is one.
    pub console: Option<ConsoleFigures>,
}

/// One workload of the lab.
#[derive(Clone, Debug)]
pub struct WorkloadFigures {
    /// Its name.
    pub name: Arc<str>,
    /// How many of it are wanted; each may be several tasks.
    pub count: usize,
    /// How many there will be again after a pause; `None` if there is none.
    pub paused: Option<usize>,
    /// What one unit of its work is, such as "request". `None` if it is not closed-loop.
    pub unit: Option<&'static str>,
    /// Units of closed-loop work done so far.
    pub done: u64,
    /// The way of working, where the user may change it.
    pub mode: Option<&'static str>,
    /// What else it tells of itself.
    pub gauges: Vec<Gauge>,
}

/// A figure that a workload tells of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gauge {
    /// What it is, such as "queue".
    pub name: &'static str,
    /// How it stands.
    pub value: GaugeValue,
}

/// How a gauge stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GaugeValue {
    /// So many.
    Count(u64),
    /// In words.
    Text(Arc<str>),
    /// How long things took that ended in the last seconds, and those that go on have
    /// taken so far. `None` if there were none.
    Latency {
        /// Half of them took at most this long.
        p50_ns: Option<u64>,
        /// 99 of 100 took at most this long.
        p99_ns: Option<u64>,
        /// The longest.
        max_ns: Option<u64>,
        /// How many go on.
        waiting: u64,
    },
}

/// The state of the hog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HogFigures {
    /// Its kind's name, such as `spin`.
    pub kind: &'static str,
    /// Whether this kind does the work as it should be done.
    pub cure: bool,
    /// What it does to the runtime, and what to do about it or what it costs.
    pub explained: [&'static str; 2],
    /// How many hogs a release lets loose.
    pub count: usize,
    /// The work of one round: for so long a disease keeps the worker before it gives way
    /// once, and a cure does as much in its own way. `None` is for ever.
    pub hold_ns: Option<u64>,
    /// Since when it is on, on the source's clock; `None` if it is off.
    pub on_since_ns: Option<u64>,
    /// What its work is counted in; `None` if it only waits.
    pub unit: Option<&'static str>,
    /// Units done since it is on.
    pub done: u64,
}
