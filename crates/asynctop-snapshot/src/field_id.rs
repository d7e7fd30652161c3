//! The names of everything that is displayed.

use std::fmt;

macro_rules! fields {
    ($($(#[$doc:meta])* $field:ident = $path:literal $([$($input:ident),+])?,)+) => {
        /// Names a value of a snapshot, or one that is computed from it.
        ///
        /// A whole part of a snapshot, such as its workers, is a field as well: what is computed
        /// from it is available only if the part is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        pub enum FieldId {
            $($(#[$doc])* #[cfg_attr(feature = "serde", serde(rename = $path))] $field,)+
        }

        impl FieldId {
            /// Every field.
            pub const ALL: [FieldId; [$($path),+].len()] = [$(FieldId::$field),+];

            /// Its path in JSON documents, such as `workers.steals`.
            pub fn path(self) -> &'static str {
                match self {
                    $(FieldId::$field => $path,)+
                }
            }

            /// The fields that it is computed from, or is a part of.
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
    /// Which polls each worker ran, and when.
    Timeline = "timeline" [Workers],
    /// Resources and async operations.
    Resources = "resources",
    /// CPU supply of the process: run-queue delay, steal time, throttling, stops.
    CpuSupply = "machine",
    /// What a watchdog knows of long polls: the stack, the cause and the time without a CPU.
    LongPolls = "long_polls",
    /// The `await` at which a task waits, on request.
    AwaitPoint = "tasks.await_point",

    /// Multi-thread or current-thread.
    Flavor = "runtime.flavor",
    /// Tasks that the runtime has, measured or not.
    AliveTasks = "runtime.alive_tasks",
    /// Tasks in the injection queue.
    InjectionQueue = "runtime.injection_queue",
    /// Threads of the blocking pool.
    BlockingThreads = "runtime.blocking_threads",
    /// Idle threads of the blocking pool.
    IdleBlockingThreads = "runtime.idle_blocking_threads",
    /// Closures that wait for a thread of the blocking pool.
    BlockingQueue = "runtime.blocking_queue",
    /// Polls that ended because the task had used up its budget.
    BudgetForcedYields = "runtime.budget_forced_yields",
    /// Tasks scheduled from outside of the runtime.
    RemoteSchedules = "runtime.remote_schedules",

    /// The workers.
    Workers = "workers",
    /// Time in polls of measured tasks.
    WorkerPollTime = "workers.poll_ns" [Workers],
    /// Time not parked.
    WorkerBusyTime = "workers.busy_ns" [Workers],
    /// Polls of measured tasks.
    WorkerPolls = "workers.polls" [Workers],
    /// How often a worker parked.
    Parks = "workers.parks" [Workers],
    /// Tasks taken from other workers' queues.
    Steals = "workers.steals" [Workers],
    /// Tasks moved to the injection queue.
    Overflows = "workers.overflows" [Workers],
    /// Tasks in a local queue.
    LocalQueue = "workers.local_queue" [Workers],

    /// Whether a task that has ended has panicked.
    Panics = "tasks.panicked",
    /// Polls of a task.
    Polls = "tasks.polls",
    /// Polls per second.
    PollRate = "tasks.polls_per_second" [Polls],
    /// Time in polls.
    Busy = "tasks.busy_ns",
    /// Share of the time that was spent in polls.
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
    /// Wakers that exist.
    LiveWakers = "tasks.live_wakers",
    /// What a task states that it does.
    Stage = "tasks.stage",

    /// 99th percentile of the polls of a group.
    GroupPollP99 = "groups.poll_p99_ns",
    /// 99th percentile of the scheduling delay of a group.
    GroupDelayP99 = "groups.delay_p99_ns",
    /// Percentiles of the scheduling delay.
    SchedulingDelay = "scheduling_delay",
    /// How much slower the work of the lab is than before the hog.
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
    fn every_path_names_one_field() {
        let paths: HashSet<_> = FieldId::ALL.map(FieldId::path).into_iter().collect();
        assert_eq!(paths.len(), FieldId::ALL.len());
    }
}
