//! The state that the lab and its sampler share. No task of the lab ever holds one of its locks, so
//! a reader never waits for the runtime under test.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use asynctop_probe::{Registry, SampledRuntime};
use asynctop_snapshot::{LabStats, Lesson, WorkloadStats};

use super::{
    LabOptions, WorkloadSpec,
    counter::Counter,
    failure::Failure,
    gauge::Gauges,
    hog::{Hog, HogOptions, Hold},
    mode::Mode,
};
use crate::{console::Served, lock::lock};

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
    pub cancelled: Counter,
    pub mode: Option<Mode>,
    pub done: Counter,
    pub gauges: Gauges,
    pub failure: Failure,
}

impl Tally {
    /// How many are wanted again after the pause that it is in.
    pub(crate) fn paused(&self) -> Option<usize> {
        Some(self.paused.load(Ordering::Relaxed)).filter(|count| *count > 0)
    }
}

/// The state of a lab.
#[derive(Debug)]
pub(crate) struct Shared {
    pub registry: &'static Registry,
    scenario: Arc<str>,
    lesson: Arc<Lesson>,
    pub tallies: Vec<Tally>,
    pub program: Option<PathBuf>,
    console: Option<Served>,
    hog: Mutex<Hog>,
    runtime: Mutex<SampledRuntime>,
}

impl Shared {
    pub(crate) fn new(options: LabOptions, runtime: SampledRuntime) -> Self {
        let LabOptions { scenario, hog, program, console, registry, .. } = options;
        let tally = |spec: &WorkloadSpec| Tally {
            wanted: AtomicUsize::new(spec.count),
            paused: AtomicUsize::new(0),
            restarts: AtomicU64::new(0),
            cancelled: Counter::default(),
            mode: spec.mode(),
            done: Counter::default(),
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
            runtime: Mutex::new(runtime),
        }
    }

    pub(crate) fn hog(&self) -> MutexGuard<'_, Hog> {
        lock(&self.hog)
    }

    pub(crate) fn runtime(&self) -> MutexGuard<'_, SampledRuntime> {
        lock(&self.runtime)
    }

    /// `lab:` and the scenario's name.
    pub(crate) fn target_name(&self) -> Arc<str> {
        format!("lab:{}", self.scenario).into()
    }

    pub(crate) fn stats(&self) -> LabStats {
        let workload = |tally: &Tally| WorkloadStats {
            name: Arc::clone(&tally.spec.name),
            count: tally.wanted.load(Ordering::Relaxed),
            cancelled: tally.cancelled.get(),
            paused: tally.paused(),
            unit: tally.spec.kind.unit.map(Into::into),
            done: tally.done.get(),
            mode: tally.mode.as_ref().map(|mode| mode.word().into()),
            failure: tally.failure.get(),
            metrics: tally.gauges.read(),
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
