//! The state that the lab and its sampler share. Tasks of the lab never hold one of its locks, so a
//! reader never waits for the runtime under test.

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
    hog::{Hog, HogOptions, HoldTime},
    metrics::Metrics,
    mode::Mode,
    spawner::TaskLog,
};
use crate::{console::ConsoleServer, lock::lock};

/// The state of one workload.
#[derive(Debug)]
pub(crate) struct WorkloadState {
    pub spec: WorkloadSpec,
    pub target_count: AtomicUsize,
    /// The target count after the current pause; 0 if the workload is not paused.
    pub paused: AtomicUsize,
    pub restarts: AtomicU64,
    pub tasks: TaskLog,
    pub mode: Option<Mode>,
    pub done: Counter,
    pub metrics: Metrics,
    pub failure: Failure,
}

impl WorkloadState {
    /// The target count after the current pause; `None` if the workload is not paused.
    pub(crate) fn paused_count(&self) -> Option<usize> {
        Some(self.paused.load(Ordering::Relaxed)).filter(|count| *count > 0)
    }
}

#[derive(Debug)]
pub(crate) struct LabState {
    pub registry: &'static Registry,
    scenario: Arc<str>,
    lesson: Arc<Lesson>,
    pub workloads: Vec<WorkloadState>,
    pub program: Option<PathBuf>,
    console: Option<ConsoleServer>,
    hog: Mutex<Hog>,
    runtime: Mutex<SampledRuntime>,
}

impl LabState {
    pub(crate) fn new(options: LabOptions, runtime: SampledRuntime) -> Self {
        let LabOptions { scenario, hog, program, console, registry, .. } = options;
        let workload = |spec: &WorkloadSpec| WorkloadState {
            target_count: AtomicUsize::new(spec.count),
            paused: AtomicUsize::new(0),
            restarts: AtomicU64::new(0),
            tasks: TaskLog::default(),
            mode: spec.mode(),
            done: Counter::default(),
            metrics: Metrics::default(),
            failure: Failure::default(),
            spec: spec.clone(),
        };
        let HogOptions { kind, count, hold } = hog;
        LabState {
            registry,
            scenario: scenario.name.as_str().into(),
            workloads: scenario.workloads.iter().map(workload).collect(),
            lesson: Arc::new(scenario.lesson),
            program,
            console,
            hog: Mutex::new(Hog {
                kind,
                count,
                hold: HoldTime::new(hold),
                running: None,
                restart_pending: false,
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

    /// `lab:` and the name of the scenario.
    pub(crate) fn target_name(&self) -> Arc<str> {
        format!("lab:{}", self.scenario).into()
    }

    pub(crate) fn stats(&self) -> LabStats {
        let workload = |state: &WorkloadState| WorkloadStats {
            name: Arc::clone(&state.spec.name),
            count: state.target_count.load(Ordering::Relaxed),
            groups: state.tasks.groups(),
            cancelled: state.tasks.cancelled.get(),
            started: state.metrics.started(),
            paused: state.paused_count(),
            unit: state.spec.kind.unit.map(Into::into),
            done: state.done.get(),
            mode: state.mode.as_ref().map(|mode| mode.name().into()),
            modes: state
                .mode
                .as_ref()
                .map_or(&[][..], |mode| mode.names())
                .iter()
                .map(|name| (*name).into())
                .collect(),
            failure: state.failure.get(),
            metrics: state.metrics.read(),
        };
        LabStats {
            scenario: Arc::clone(&self.scenario),
            lesson: Arc::clone(&self.lesson),
            workloads: self.workloads.iter().map(workload).collect(),
            hog: self.hog().stats(self.runtime().flavor()),
            console: self.console.as_ref().map(ConsoleServer::stats),
        }
    }
}
