//! The options of a lab.

use std::{num::NonZero, path::PathBuf, thread};

use asynctop_probe::Registry;
use asynctop_snapshot::Flavor;

use crate::{
    HogOptions, LabError, Scenario, bounds::MAX_WORKERS, console::ConsoleServer,
    runtime::RuntimeConfig,
};

/// The configuration of a lab.
#[derive(Clone, Debug)]
pub struct LabOptions {
    /// The workloads.
    pub scenario: Scenario,
    /// The flavor of the runtime; `None` is the scenario's.
    pub flavor: Option<Flavor>,
    /// Workers of a multi-thread runtime; `None` is the scenario's number, or else one per core,
    /// at least 2.
    pub workers: Option<usize>,
    /// The hog that [`LabCommand::ToggleHog`](super::LabCommand::ToggleHog) starts.
    pub hog: HogOptions,
    /// The executable of `asynctop`, which the scenario `node` runs a second time as its clients.
    /// Without it, that scenario does not start.
    pub program: Option<PathBuf>,
    /// The server that serves the lab to tokio-console, if there is one.
    pub console: Option<ConsoleServer>,
    /// Measures the tasks. Concurrent labs need one registry each.
    pub registry: &'static Registry,
}

impl LabOptions {
    /// The scenario without changes, measured by the registry of the process.
    pub fn new(scenario: Scenario) -> Self {
        LabOptions {
            hog: scenario.hog.clone(),
            scenario,
            flavor: None,
            workers: None,
            program: None,
            console: None,
            registry: Registry::global(),
        }
    }

    fn flavor(&self) -> Flavor {
        self.flavor.unwrap_or(self.scenario.flavor)
    }

    fn workers(&self) -> usize {
        let cores = || thread::available_parallelism().map_or(2, NonZero::get);
        self.workers.or(self.scenario.workers).unwrap_or_else(|| cores().clamp(2, MAX_WORKERS))
    }

    pub(crate) fn runtime_config(&self) -> RuntimeConfig {
        let max_blocking_threads = self.scenario.max_blocking_threads;
        RuntimeConfig { flavor: self.flavor(), workers: self.workers(), max_blocking_threads }
    }

    pub(crate) fn check(&self) -> Result<(), LabError> {
        match self.workers() {
            0 => return Err(LabError::NoWorkers),
            workers if workers > MAX_WORKERS => return Err(LabError::TooManyWorkers(workers)),
            _ => {}
        }
        self.hog.check()?;
        if self.hog.kind.needs_multi_thread() && self.flavor() == Flavor::CurrentThread {
            return Err(LabError::NeedsMultiThread(self.hog.kind.as_str()));
        }
        self.scenario.check()
    }
}
