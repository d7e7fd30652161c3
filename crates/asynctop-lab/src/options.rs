//! The options of a lab, and their limits.

use std::{num::NonZero, path::PathBuf, str::FromStr, thread, time::Duration};

use asynctop_probe::Registry;
use asynctop_snapshot::{Flavor, text::excerpt};

use super::{HogKind, LabError, Scenario, runtime::Size};
use crate::console::Served;

/// The most workers that a runtime under test may have.
pub const MAX_WORKERS: usize = 512;
/// The most threads that the blocking pool of a runtime under test may have.
pub const MAX_BLOCKING_THREADS: usize = 4096;
/// The highest count of one workload.
pub const MAX_UNITS: usize = 100_000;
/// The most tasks that a scenario may spawn.
pub const MAX_TASKS: usize = 1_000_000;
/// The most hogs at one time.
pub const MAX_HOGS: usize = 1_000;

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

/// Which hog, and how it behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HogOptions {
    /// What it does with the worker.
    pub kind: HogKind,
    /// How many are released at once.
    pub count: usize,
    /// The work of one round: for so long a disease keeps the worker before it gives way
    /// once, and a cure does as much in its own way. `None` is for ever.
    pub hold: Option<Duration>,
}

impl Default for HogOptions {
    fn default() -> Self {
        HogOptions { kind: HogKind::Spin, count: 1, hold: None }
    }
}

impl HogOptions {
    fn check(&self) -> Result<(), LabError> {
        if self.count == 0 || self.count > MAX_HOGS {
            return Err(LabError::BadHogCount(self.count));
        }
        match self.hold {
            Some(hold) if hold < Duration::from_millis(1) => Err(LabError::HoldTooShort(hold)),
            _ => Ok(()),
        }
    }
}

/// Reads `KIND[:COUNT]`; the hold is for ever.
///
/// ```
/// use asynctop_lab::{HogKind, HogOptions};
/// let hog: HogOptions = "block:3".parse().unwrap();
/// assert_eq!((hog.kind, hog.count, hog.hold), (HogKind::Block, 3, None));
/// assert!("spni".parse::<HogOptions>().unwrap_err().to_string().contains("spin, block"));
/// ```
impl FromStr for HogOptions {
    type Err = LabError;

    fn from_str(given: &str) -> Result<Self, LabError> {
        let bad =
            |problem| LabError::BadHog { given: excerpt(given), problem, kinds: HogKind::names() };
        let (kind, count) = match given.split_once(':') {
            Some((kind, count)) => {
                (kind, count.parse().map_err(|_| bad("its count is not a number"))?)
            }
            None => (given, 1),
        };
        let options = HogOptions { kind: kind.parse().map_err(bad)?, count, hold: None };
        options.check()?;
        Ok(options)
    }
}
