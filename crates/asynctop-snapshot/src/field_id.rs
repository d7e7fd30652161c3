//! Identifiers of all displayed values.

use std::fmt;

macro_rules! fields {
    ($($(#[$doc:meta])* $field:ident = $path:literal $([$($input:ident),+])?,)+) => {
        /// Identifies a value of a snapshot, or one that is computed from it.
        ///
        /// A part of a snapshot, such as its workers, is a field as well: values that are computed
        /// from it are available only if it is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        pub enum FieldId {
            $($(#[$doc])* #[cfg_attr(feature = "serde", serde(rename = $path))] $field,)+
        }

        impl FieldId {
            /// All fields.
            pub const ALL: [FieldId; [$($path),+].len()] = [$(FieldId::$field),+];

            /// The path in JSON documents, such as `workers.steals`.
            pub fn path(self) -> &'static str {
                match self {
                    $(FieldId::$field => $path,)+
                }
            }

            /// The fields that this one is computed from, or is a part of.
            pub fn inputs(self) -> &'static [FieldId] {
                match self {
                    $(FieldId::$field => &[$($(FieldId::$input),+)?],)+
                }
            }
        }
    };
}

fields! {
    /// The lab: its workloads, its hog, and the keys that change them.
    Lab = "lab",
    /// The polls of each worker.
    Timeline = "timeline" [Workers],
    /// Resources and async operations.
    Resources = "resources",
    /// The CPUs, and the time without one: run-queue delay, steal time, throttling, stops.
    Machine = "machine",
    /// Long polls as a watchdog records them: with stack, cause and time without a CPU.
    LongPolls = "long_polls",
    /// The `await` at which a task waits, on request.
    AwaitPoint = "tasks.await_point",

    /// Multi-thread or current-thread.
    Flavor = "runtime.flavor",
    /// Tasks of the runtime, measured or not.
    AliveTasks = "runtime.alive_tasks",
    /// Tasks in the injection queue.
    InjectionQueue = "runtime.injection_queue",
    /// Threads of the blocking pool.
    BlockingThreads = "runtime.blocking_threads",
    /// Idle threads of the blocking pool.
    IdleBlockingThreads = "runtime.idle_blocking_threads",
    /// Closures waiting for a thread of the blocking pool.
    BlockingQueue = "runtime.blocking_queue",
    /// Polls that ended because the task used up its budget.
    BudgetForcedYields = "runtime.budget_forced_yields",
    /// Tasks scheduled from outside the runtime.
    RemoteSchedules = "runtime.remote_schedules",

    /// The workers.
    Workers = "workers",
    /// The name of a worker's thread.
    WorkerThread = "workers.thread" [Workers],
    /// The poll that a worker is in.
    CurrentPoll = "workers.current" [Workers],
    /// Time in polls of measured tasks.
    WorkerPollTime = "workers.poll_ns" [Workers],
    /// Time not parked.
    WorkerBusyTime = "workers.busy_ns" [Workers],
    /// Polls of measured tasks.
    WorkerPolls = "workers.polls" [Workers],
    /// Number of times that a worker parked.
    Parks = "workers.parks" [Workers],
    /// Tasks stolen from other workers' queues.
    Steals = "workers.steals" [Workers],
    /// Tasks moved to the injection queue.
    Overflows = "workers.overflows" [Workers],
    /// Tasks in a worker's local queue.
    LocalQueue = "workers.local_queue" [Workers],

    /// Where a task was spawned; the line of its future where that is not known.
    Location = "tasks.location",
    /// The time that a task has been in its state.
    StateTime = "tasks.state_ns",
    /// The time since a task was spawned.
    Lifetime = "tasks.lifetime_ns",
    /// Whether a task has panicked.
    Panics = "tasks.panicked",
    /// Polls of a task.
    Polls = "tasks.polls",
    /// Polls per second.
    PollRate = "tasks.polls_per_second" [Polls],
    /// Time in polls.
    Busy = "tasks.busy_ns",
    /// Share of time in polls.
    BusyShare = "tasks.busy_share" [Busy],
    /// Time from wakes to polls.
    Scheduled = "tasks.scheduled_ns",
    /// Time waiting for a wake.
    Idle = "tasks.idle_ns",
    /// The longest poll.
    MaxPoll = "tasks.max_poll_ns",
    /// The longest time from a wake to the next poll.
    MaxDelay = "tasks.max_delay_ns",
    /// Calls of wakers.
    Wakes = "tasks.wakes",
    /// Calls of a task's waker inside its own poll.
    SelfWakes = "tasks.self_wakes",
    /// Wakers that exist now.
    LiveWakers = "tasks.live_wakers",
    /// The stage that a task reports.
    Stage = "tasks.stage",

    /// Distributions of the poll times and scheduling delays of a task.
    Distributions = "distributions",
    /// 99th percentile of the poll times of a group.
    GroupPollP99 = "groups.poll_p99_ns",
    /// 99th percentile of the scheduling delay of a group.
    GroupDelayP99 = "groups.delay_p99_ns",
    /// Percentiles of the scheduling delay.
    SchedulingDelay = "scheduling_delay",
    /// Slowdown of the lab's work against its baseline.
    Slowdown = "slowdown" [Lab],
}

impl fmt::Display for FieldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.path())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn paths_are_unique() {
        let paths: HashSet<_> = FieldId::ALL.map(FieldId::path).into_iter().collect();
        assert_eq!(paths.len(), FieldId::ALL.len());
    }
}
