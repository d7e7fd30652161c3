//! Targets: the watched programs.

use std::sync::Arc;

use crate::{
    Answer, Connection, Description, DistributionKey, Distributions, Histogram, LabStats, LongPoll,
    Losses, MachineStats, ResourceKey, Resources, RuntimeStats, Snapshot, StackSample, Stop,
    TargetId, TaskKey, TaskStats, WorkerPolls, WorkerStats,
};

/// The state of one runtime of one program at one moment.
///
/// A program with several runtimes is several targets, where its source can distinguish them. The
/// tasks of one runtime never delay those of another, so no rule and no statistic combines them.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Target {
    /// Identifies the target in a snapshot.
    pub id: TargetId,
    /// Counts the processes of the target, or the runtimes of the lab, from 1 on. Statistics of
    /// different epochs are not comparable. 0 until a target has sent its first update.
    pub epoch: u32,
    /// When it was sampled, in nanoseconds on the target's clock.
    pub taken_ns: u64,
    /// The values that the target provides, and how accurate they are.
    pub description: Arc<Description>,
    /// The state of the connection.
    pub connection: Connection,
    /// The time up to which the statistics are known, on the target's clock: that of the last
    /// update. Rates are computed between two such times.
    pub known_until_ns: u64,
    /// The data that is known to be missing.
    pub losses: Losses,
    /// The runtime as a whole.
    pub runtime: RuntimeStats,
    /// Its workers, in Tokio's order.
    pub workers: Vec<WorkerStats>,
    /// The polls of each worker since the previous snapshot, if [`Subscription`](crate::Subscription) requests them.
    pub timeline: Option<Vec<WorkerPolls>>,
    /// The tasks that are alive or ended recently, sorted by `key`.
    pub tasks: Vec<TaskStats>,
    /// The scheduling delays of all polls so far.
    pub delays: Histogram,
    /// The distributions that [`Subscription`](crate::Subscription) requests.
    pub distributions: Vec<(DistributionKey, Distributions)>,
    /// The CPU time that the machine provides to the watched process; `None` where it is unavailable.
    pub machine: Option<MachineStats>,
    /// The running long polls, and those that ended within [`Target::KEPT_NS`]. A reader that has
    /// processed a revision has only to process those with a higher one.
    pub long_polls: Vec<Arc<LongPoll>>,
    /// Stacks of busy threads in the last seconds, oldest first: the code in which short polls spend
    /// their time.
    pub samples: Vec<Arc<StackSample>>,
    /// The answers to the commands within [`Target::KEPT_NS`], by number of the request.
    pub answers: Vec<Answer>,
    /// Resources and async operations; `None` if the source does not report them.
    pub resources: Option<Arc<Resources>>,
    /// The lab; `None` for all other targets.
    pub lab: Option<LabStats>,
}

impl Target {
    /// The time that ended polls and answers remain in snapshots, in nanoseconds.
    pub const KEPT_NS: u64 = 60_000_000_000;
    /// Maximum number of long polls in a snapshot: the running ones and the latest.
    pub const MAX_LONG_POLLS: usize = 512;

    /// A runtime in this process, without tasks and workers.
    pub fn empty(description: Arc<Description>, taken_ns: u64) -> Target {
        Target {
            id: TargetId::default(),
            epoch: 1,
            taken_ns,
            description,
            connection: Connection::InProcess,
            known_until_ns: taken_ns,
            losses: Losses::default(),
            runtime: RuntimeStats::default(),
            workers: Vec::new(),
            timeline: None,
            tasks: Vec::new(),
            delays: Histogram::default(),
            distributions: Vec::new(),
            machine: None,
            long_polls: Vec::new(),
            samples: Vec::new(),
            answers: Vec::new(),
            resources: None,
            lab: None,
        }
    }

    /// The [`TaskKey`] of the task with this `key`.
    pub fn task_key(&self, key: u64) -> TaskKey {
        TaskKey { target: self.id, epoch: self.epoch, id: key }
    }

    /// The [`ResourceKey`] of the resource with this `key`.
    pub fn resource_key(&self, key: u64) -> ResourceKey {
        ResourceKey { target: self.id, epoch: self.epoch, id: key }
    }

    /// The position in `tasks` of the task with this `key`.
    pub fn position(&self, key: u64) -> Option<usize> {
        self.tasks.binary_search_by_key(&key, |task| task.key).ok()
    }

    /// The task with this `key`.
    pub fn task(&self, key: u64) -> Option<&TaskStats> {
        self.position(key).map(|at| &self.tasks[at])
    }

    /// The state of the connection as text.
    pub fn status(&self) -> String {
        self.connection.describe(self.taken_ns, self.epoch)
    }

    /// The time from `from_ns` to `to_ns` without the time in which the whole process was
    /// stopped.
    pub fn running_ns(&self, from_ns: u64, to_ns: u64) -> u64 {
        let stops = self.machine.as_ref().map_or(&[][..], |machine| &machine.stops);
        to_ns.saturating_sub(from_ns).saturating_sub(Stop::overlap_ns(stops, from_ns, to_ns))
    }
}

impl From<Target> for Snapshot {
    /// A snapshot of a single target, with its time.
    fn from(target: Target) -> Self {
        Snapshot { unix_ns: target.taken_ns, targets: vec![target.into()] }
    }
}
