//! What only the lab knows: its workloads and the hog.

use std::sync::Arc;

use super::{ConsoleStats, Lesson};

/// What the lab knows of itself.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LabStats {
    /// The scenario's name.
    pub scenario: Arc<str>,
    /// What to watch, what to try, and why it happens.
    pub lesson: Arc<Lesson>,
    /// Its workloads.
    pub workloads: Vec<WorkloadStats>,
    /// The hog.
    pub hog: HogStats,
    /// The server for tokio-console, if there is one.
    pub console: Option<ConsoleStats>,
}

/// One workload of the lab.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct WorkloadStats {
    /// Its name.
    pub name: Arc<str>,
    /// How many of it are wanted; each may be several tasks.
    pub count: usize,
    /// Tasks of it that the user has cancelled; they are not replaced until the count changes.
    pub cancelled: u64,
    /// How many there will be again after a pause; `None` if there is none.
    pub paused: Option<usize>,
    /// What one unit of its work is, such as "request". `None` if it is not closed-loop.
    pub unit: Option<Arc<str>>,
    /// Units of closed-loop work done so far.
    pub done: u64,
    /// The way of working, where the user may change it.
    pub mode: Option<Arc<str>>,
    /// Why it has failed, if it has: what was tried and what is wrong.
    pub failure: Option<Arc<str>>,
    /// What else it tells of itself.
    pub gauges: Vec<Gauge>,
}

/// A figure that a workload tells of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Gauge {
    /// What it is, such as "queue".
    pub name: Arc<str>,
    /// How it stands.
    pub value: GaugeValue,
}

/// How a gauge stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
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

/// The state of the hog.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct HogStats {
    /// Its kind's name, such as `spin`.
    pub kind: Arc<str>,
    /// Whether this kind does the work as it should be done.
    pub is_fix: bool,
    /// What it does to the runtime, and what to do about it or what it costs.
    pub explained: [Arc<str>; 2],
    /// How many hogs a release lets loose.
    pub count: usize,
    /// The work of one round: for so long a disease keeps the worker before it gives way
    /// once, and a fix does as much in its own way. `None` is for ever.
    pub hold_ns: Option<u64>,
    /// Since when it is on, on the source's clock; `None` if it is off.
    pub on_since_ns: Option<u64>,
    /// Whether it was on when its runtime was replaced, and is off until there is a new baseline.
    pub restarts: bool,
    /// Why it has failed, if it has: what was tried and what is wrong.
    pub failure: Option<Arc<str>>,
    /// What its work is counted in; `None` if it only waits.
    pub unit: Option<Arc<str>>,
    /// Units done since it is on.
    pub done: u64,
}
