//! The lab: its workloads and the hog.

use std::sync::Arc;

use super::{ConsoleStats, Lesson};

/// The state of the lab.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LabStats {
    /// The name of the scenario.
    pub scenario: Arc<str>,
    /// The lesson of the scenario.
    pub lesson: Arc<Lesson>,
    /// The workloads.
    pub workloads: Vec<WorkloadStats>,
    /// The hog.
    pub hog: HogStats,
    /// The server for tokio-console, if there is one.
    pub console: Option<ConsoleStats>,
}

/// The state of a workload.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct WorkloadStats {
    /// The name of the workload.
    pub name: Arc<str>,
    /// The groups, by name, of the tasks that it has spawned so far.
    pub groups: Vec<Arc<str>>,
    /// The configured number of instances, each of which may be several tasks.
    pub count: usize,
    /// Tasks that the user has cancelled. A cancelled instance is replaced at the next change of a
    /// count, pause or restart, also of another workload.
    pub cancelled: u64,
    /// The number of instances that have started to work, if the workload counts them: those in
    /// another process connect one after the other.
    pub started: Option<u64>,
    /// The number of instances to start again after a pause; `None` if it is not paused.
    pub paused: Option<usize>,
    /// The unit of its work, such as "request"; `None` if it is not closed-loop.
    pub unit: Option<Arc<str>>,
    /// Units of closed-loop work done so far.
    pub done: u64,
    /// The current mode, if the workload has modes.
    pub mode: Option<Arc<str>>,
    /// All modes, in the order in which they are switched; none if the workload has no modes.
    pub modes: Vec<Arc<str>>,
    /// The reason why it has failed, if it has: what was tried and what is wrong.
    pub failure: Option<Arc<str>>,
    /// Further statistics that it reports.
    pub metrics: Vec<WorkloadMetric>,
}

/// A statistic that a workload reports.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct WorkloadMetric {
    /// The name, such as "queue".
    pub name: Arc<str>,
    /// The current value.
    pub value: MetricValue,
}

/// The value of a [`WorkloadMetric`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum MetricValue {
    /// A number.
    Count(u64),
    /// A text.
    Text(Arc<str>),
    /// The latency of operations that ended in the last seconds or are in progress. `None` if there
    /// were none.
    Latency {
        /// The median in nanoseconds.
        p50_ns: Option<u64>,
        /// The 99th percentile in nanoseconds.
        p99_ns: Option<u64>,
        /// The maximum in nanoseconds.
        max_ns: Option<u64>,
        /// The number of operations in progress.
        in_progress: u64,
    },
}

impl LabStats {
    /// The failures of the hog and the workloads, each as a sentence.
    pub fn failures(&self) -> impl Iterator<Item = String> {
        let hog = self.hog.failure.as_ref().map(|why| format!("the hog {}: {why}", self.hog.kind));
        hog.into_iter().chain(self.workloads.iter().filter_map(|workload| {
            Some(format!("the workload {}: {}", workload.name, workload.failure.as_ref()?))
        }))
    }

    /// The first of [`failures`](Self::failures).
    pub fn failure(&self) -> Option<String> {
        self.failures().next()
    }
}

/// A kind of hog that can be selected.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct HogChoice {
    /// The name of the kind, such as `spin`.
    pub name: Arc<str>,
    /// Whether this kind is a fix rather than an anti-pattern.
    pub is_fix: bool,
    /// The reason why it cannot run on the current runtime; `None` if it can.
    pub unavailable: Option<Arc<str>>,
}

/// The state of the hog.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct HogStats {
    /// The name of its kind, such as `spin`.
    pub kind: Arc<str>,
    /// The kinds that can be selected.
    pub kinds: Arc<[HogChoice]>,
    /// Whether this kind is a fix rather than an anti-pattern.
    pub is_fix: bool,
    /// Its effect on the runtime.
    pub effect: Arc<str>,
    /// How to fix it, or what a fix costs.
    pub advice: Arc<str>,
    /// The number of hogs that run while it is on.
    pub count: usize,
    /// How long an anti-pattern blocks the worker before it yields once; a fix does the same amount
    /// of work in its own way. `None` means forever.
    pub hold_ns: Option<u64>,
    /// When it was turned on, on the target's clock; `None` if it is off.
    pub on_since_ns: Option<u64>,
    /// Whether it was on when its runtime was replaced, and is off until there is a new baseline.
    pub restart_pending: bool,
    /// The reason why it has failed, if it has: what was tried and what is wrong.
    pub failure: Option<Arc<str>>,
    /// The unit of its work; `None` if it only waits.
    pub unit: Option<Arc<str>>,
    /// Units done since it was turned on, or since its kind was last selected while it was on.
    pub done: u64,
}
