//! The options of a lab.

use std::{num::NonZero, path::PathBuf, thread};

use asynctop_probe::Registry;
use asynctop_snapshot::Flavor;

use crate::{HogOptions, LabError, Scenario, bounds::MAX_WORKERS, console::Served, runtime::Size};

/// What to start.
#[derive(Clone, Debug)]
pub struct LabOptions {
    /// The workloads.
    pub scenario: Scenario,
    /// How the runtime schedules; the scenario says it if this does not.
    pub flavor: Option<Flavor>,
    /// Workers of a multi-thread runtime; the scenario, then the number of cores (at
    /// least 2) decide if this does not.
    pub workers: Option<usize>,
    /// The hog that [`Command::ToggleHog`](super::Command::ToggleHog) releases.
    pub hog: HogOptions,
    /// The program `asynctop`, which is started once more to be the customers of the
    /// scenario `node`. Without it that one does not start.
    pub program: Option<PathBuf>,
    /// The server that shows the lab to tokio-console, if there is one.
    pub console: Option<Served>,
    /// Measures the tasks. Labs that run at the same time need one each.
    pub registry: &'static Registry,
}

impl LabOptions {
    /// This scenario as it is, measured by the program's own registry.
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

    pub(crate) fn size(&self) -> Size {
        let max_blocking_threads = self.scenario.max_blocking_threads;
        Size { flavor: self.flavor(), workers: self.workers(), max_blocking_threads }
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
