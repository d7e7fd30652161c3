//! What the lab shows of itself to a source. No task of the lab ever holds a lock of
//! this, so nobody who looks waits for the runtime under test.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use tokio::runtime::Handle;

use super::{
    LabOptions, WorkloadSpec,
    failure::Failure,
    gauge::Gauges,
    hog::{Hog, Hold},
    mode::Mode,
    options::HogOptions,
    runtime::WorkerThreads,
};
use crate::{
    console::Served,
    lock::lock,
    model::{Flavor, LabStats, Lesson, WorkloadStats},
    probe::{Registry, ThreadReading},
};

/// One runtime in the lab's life.
#[derive(Clone, Debug)]
pub(crate) struct Epoch {
    /// Counts up from 1.
    pub number: u64,
    pub flavor: Flavor,
    pub handle: Handle,
    pub threads: Arc<WorkerThreads>,
    /// When it began, on the probe's clock; all its tasks are younger.
    pub started_ns: u64,
    /// What the probe's threads had done by then, for others.
    pub before: Arc<[ThreadReading]>,
}

impl Epoch {
    /// The number by which the probe knows the tasks of this runtime.
    pub(crate) fn runtime(&self) -> u32 {
        self.number as u32
    }
}

/// Counts events of a workload, such as units of closed-loop work, over all epochs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Done(Arc<AtomicU64>);

impl Done {
    #[inline]
    pub(crate) fn one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What is known of one workload.
#[derive(Debug)]
pub(crate) struct Tally {
    pub spec: WorkloadSpec,
    pub wanted: AtomicUsize,
    /// How many are wanted again after a pause; 0 if there is none.
    pub paused: AtomicUsize,
    /// Counts how often all of it was to start anew.
    pub restarts: AtomicU64,
    /// Tasks of it that were cancelled with the key.
    pub cancelled: Done,
    pub mode: Option<Mode>,
    pub done: Done,
    pub gauges: Gauges,
    pub failure: Failure,
}

impl Tally {
    /// How many are wanted again after the pause that it is in.
    pub(crate) fn paused(&self) -> Option<usize> {
        Some(self.paused.load(Ordering::Relaxed)).filter(|count| *count > 0)
    }
}

/// The lab's side and the source's side meet here.
#[derive(Debug)]
pub(crate) struct Shared {
    pub registry: &'static Registry,
    scenario: Arc<str>,
    lesson: Arc<Lesson>,
    pub tallies: Vec<Tally>,
    pub program: Option<PathBuf>,
    console: Option<Served>,
    hog: Mutex<Hog>,
    epoch: Mutex<Epoch>,
}

impl Shared {
    pub(crate) fn new(options: LabOptions, epoch: Epoch) -> Self {
        let LabOptions { scenario, hog, program, console, registry, .. } = options;
        let tally = |spec: &WorkloadSpec| Tally {
            wanted: AtomicUsize::new(spec.count),
            paused: AtomicUsize::new(0),
            restarts: AtomicU64::new(0),
            cancelled: Done::default(),
            mode: Mode::of(spec),
            done: Done::default(),
            gauges: Gauges::default(),
            failure: Failure::default(),
            spec: spec.clone(),
        };
        let HogOptions { kind, count, hold } = hog;
        Shared {
            registry,
            scenario: scenario.name.as_str().into(),
            tallies: scenario.workloads.iter().map(tally).collect(),
            lesson: Arc::new(scenario.lesson),
            program,
            console,
            hog: Mutex::new(Hog {
                kind,
                count,
                hold: Hold::new(hold),
                released: None,
                restarts: false,
            }),
            epoch: Mutex::new(epoch),
        }
    }

    pub(crate) fn hog(&self) -> MutexGuard<'_, Hog> {
        lock(&self.hog)
    }

    pub(crate) fn epoch(&self) -> MutexGuard<'_, Epoch> {
        lock(&self.epoch)
    }

    /// `lab:` and the scenario's name.
    pub(crate) fn source_name(&self) -> Arc<str> {
        format!("lab:{}", self.scenario).into()
    }

    pub(crate) fn figures(&self) -> LabStats {
        let workload = |tally: &Tally| WorkloadStats {
            name: Arc::clone(&tally.spec.name),
            count: tally.wanted.load(Ordering::Relaxed),
            cancelled: tally.cancelled.get(),
            paused: tally.paused(),
            unit: tally.spec.kind.unit.map(Into::into),
            done: tally.done.get(),
            mode: tally.mode.as_ref().map(|mode| mode.word().into()),
            failure: tally.failure.get(),
            gauges: tally.gauges.read(),
        };
        LabStats {
            scenario: Arc::clone(&self.scenario),
            lesson: Arc::clone(&self.lesson),
            workloads: self.tallies.iter().map(workload).collect(),
            hog: self.hog().figures(),
            console: self.console.as_ref().map(Served::figures),
        }
    }
}
