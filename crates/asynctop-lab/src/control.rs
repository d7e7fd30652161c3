//! Starts, controls and shuts down a lab. No call waits for tasks of the lab.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, atomic::Ordering},
};

use asynctop_probe::{Registry, SampledRuntime};
use asynctop_snapshot::{
    Flavor,
    text::{duration_exact, plural},
};

use super::{
    LabCommand, LabError, LabOptions,
    bounds::MAX_WORKERS,
    failure::Failure,
    hog::{Hog, HogControl, HogKind, NEEDS_MULTI_THREAD, RunningHogs, Stop, WorkCounter},
    instances::{self, NO_SUCH_WORKLOAD},
    mode::Mode,
    runtime::{RuntimeConfig, TestRuntime},
    spawner::Spawner,
    state::{LabState, WorkloadState},
    supervisor::{RunningWorkload, WorkloadSupervisor},
    workload::{Context, hog},
};
use crate::lock::lock;

/// A runtime under test with its workloads.
///
/// ```
/// use asynctop_lab::{Lab, LabCommand, LabOptions, Scenario};
///
/// let lab = Lab::start(LabOptions::new(Scenario::built_in("mixed")?))?;
/// println!("{}", lab.execute(LabCommand::ToggleHog));
/// lab.shutdown();
/// # Ok::<(), asynctop_lab::LabError>(())
/// ```
pub struct Lab {
    state: Arc<LabState>,
    /// `None` after the shutdown. Only callers of this type's methods hold the lock.
    epoch: Mutex<Option<Epoch>>,
}

/// One runtime with its workloads.
struct Epoch {
    /// The number of workers is kept while the runtime is a current-thread one.
    config: RuntimeConfig,
    spawner: Spawner,
    supervisor: WorkloadSupervisor,
}

impl Lab {
    /// Starts the runtime and the workloads; the hog is off.
    ///
    /// # Errors
    /// If an option is invalid or exceeds its maximum, or the system refuses threads or sockets.
    pub fn start(options: LabOptions) -> Result<Lab, LabError> {
        options.check()?;
        let (registry, config) = (options.registry, options.runtime_config());
        let (runtime, sampled) = start_runtime(registry, config, 1)?;
        let epoch = sampled.epoch;
        let state = Arc::new(LabState::new(options, sampled));
        let epoch = Mutex::new(Some(start_workloads(&state, epoch, runtime, config)?));
        Ok(Lab { state, epoch })
    }

    /// Executes a command and returns a sentence for the user.
    pub fn execute(&self, command: LabCommand) -> String {
        let mut epoch = self.epoch();
        let Some(epoch) = &mut *epoch else {
            return "the lab has ended".into();
        };
        let (state, supervisor) = (&self.state, &epoch.supervisor);
        match command {
            LabCommand::ToggleHog => self.toggle_hog(epoch),
            LabCommand::TurnOnHog => self.turn_on_hog(epoch, &mut state.hog()),
            LabCommand::SelectHogKind(at) => self.select_hog_kind(epoch, at),
            LabCommand::LengthenHold => self.change_hold(|hog| hog.hold.lengthen()),
            LabCommand::ShortenHold => self.change_hold(|hog| hog.hold.shorten()),
            LabCommand::SwitchFlavor => self.switch_flavor(epoch),
            LabCommand::AddWorker => self.change_workers(epoch, usize::checked_add),
            LabCommand::RemoveWorker => self.change_workers(epoch, usize::checked_sub),
            LabCommand::AddInstance(at) => instances::add(state, supervisor, at),
            LabCommand::RemoveInstance(at) => instances::remove(state, supervisor, at),
            LabCommand::Pause(at) => instances::pause(state, supervisor, at),
            LabCommand::Restart(at) => instances::restart(state, supervisor, at),
            LabCommand::SwitchMode(at) => self.change_mode(at, Mode::switch_to_next),
            LabCommand::SelectMode { workload, mode } => {
                self.change_mode(workload, |modes| modes.select(mode))
            }
            LabCommand::Cancel(key) => self.cancel(epoch, key),
        }
    }

    /// Stops the hogs and shuts the runtime down, without waiting for either. Does nothing if the
    /// lab is already shut down.
    pub fn shutdown(&self) {
        self.state.hog().stop();
        drop(self.epoch().take());
    }

    pub(crate) fn state(&self) -> &Arc<LabState> {
        &self.state
    }

    fn epoch(&self) -> MutexGuard<'_, Option<Epoch>> {
        lock(&self.epoch)
    }

    fn toggle_hog(&self, epoch: &Epoch) -> String {
        let mut hog = self.state.hog();
        if hog.on_since().is_some() || hog.restart_pending {
            hog.stop();
            return "hog off".into();
        }
        self.turn_on_hog(epoch, &mut hog)
    }

    fn turn_on_hog(&self, epoch: &Epoch, hog: &mut Hog) -> String {
        if hog.on_since().is_some() {
            return format!("hog on: {}", describe(hog));
        }
        match self.start_hogs(epoch, hog, self.state.registry.now()) {
            Ok(()) => format!("hog on: {}", describe(hog)),
            Err(error) => format!("the hog stays off: {error}"),
        }
    }

    /// Replaces the running hogs. The new ones count as on since `since_ns`.
    fn start_hogs(&self, epoch: &Epoch, hog: &mut Hog, since_ns: u64) -> Result<(), LabError> {
        hog.stop();
        let kind = hog.kind;
        self.check_flavor(kind)?;
        let (stop, work, failure) = (Stop::default(), WorkCounter::default(), Failure::default());
        let control = HogControl {
            hold: hog.hold.clone(),
            stop: stop.clone(),
            work: work.clone(),
            failure: failure.clone(),
        };
        let tasks = hog::start(&epoch.spawner, kind, hog.count, &control)
            .map_err(|error| LabError::Hog { kind: kind.as_str(), error })?;
        hog.running = Some(RunningHogs { since_ns, stop, work, failure, tasks });
        Ok(())
    }

    /// Selects a kind. A hog that is on is replaced and counts as on since its start: the
    /// measurement continues. A kind that cannot start is refused, and the hog stays as it was.
    fn select_hog_kind(&self, epoch: &Epoch, position: usize) -> String {
        let Some(kind) = HogKind::ALL.get(position).copied() else {
            return "there is no such kind of hog".into();
        };
        let mut hog = self.state.hog();
        let flavor = self.state.runtime().flavor();
        if let Some(reason) = kind.unavailable(flavor) {
            return format!("hog: still {}; {} {reason}", hog.kind.as_str(), kind.as_str());
        }
        let before = std::mem::replace(&mut hog.kind, kind);
        let Some(since_ns) = hog.on_since() else {
            let when = if hog.restart_pending { "" } else { "; b starts it" };
            return format!("hog: {}{when}", describe(&hog));
        };
        let Err(error) = self.start_hogs(epoch, &mut hog, since_ns) else {
            return format!("hog: {}", describe(&hog));
        };
        hog.kind = before;
        match self.start_hogs(epoch, &mut hog, since_ns) {
            Ok(()) => format!("hog: still {}; {error}", before.as_str()),
            Err(_) => format!("hog off: {error}"),
        }
    }

    fn check_flavor(&self, kind: HogKind) -> Result<(), LabError> {
        match kind.unavailable(self.state.runtime().flavor()) {
            None => Ok(()),
            Some(_) => Err(LabError::NeedsMultiThread(kind.as_str())),
        }
    }

    fn change_hold(&self, change: impl FnOnce(&mut Hog)) -> String {
        let mut hog = self.state.hog();
        change(&mut hog);
        format!("hog: {}", describe(&hog))
    }

    fn switch_flavor(&self, epoch: &mut Epoch) -> String {
        let flavor = match self.state.runtime().flavor() {
            Flavor::CurrentThread => Flavor::MultiThread,
            Flavor::MultiThread => Flavor::CurrentThread,
        };
        self.replace_runtime(epoch, RuntimeConfig { flavor, ..epoch.config })
    }

    fn change_workers(
        &self,
        epoch: &mut Epoch,
        change: fn(usize, usize) -> Option<usize>,
    ) -> String {
        if self.state.runtime().flavor() == Flavor::CurrentThread {
            return "current-thread has one worker: press f for multi-thread first".into();
        }
        let config = epoch.config;
        let workers = change(config.workers, 1);
        match workers.filter(|workers| (1..=MAX_WORKERS).contains(workers)) {
            Some(workers) => self.replace_runtime(epoch, RuntimeConfig { workers, ..config }),
            None => {
                format!("still {}: the limit is reached", plural(config.workers as u64, "worker"))
            }
        }
    }

    /// Starts the next epoch: a new runtime, on which all workloads start again.
    fn replace_runtime(&self, epoch: &mut Epoch, config: RuntimeConfig) -> String {
        let number = self.state.runtime().epoch + 1;
        let next =
            start_runtime(self.state.registry, config, number).and_then(|(runtime, sampled)| {
                Ok((start_workloads(&self.state, number, runtime, config)?, sampled))
            });
        let (next, sampled) = match next {
            Ok(next) => next,
            Err(error) => return format!("the runtime is unchanged: {error}"),
        };
        let mut hog = self.state.hog();
        let restart_pending = hog.on_since().is_some() || hog.restart_pending;
        // While a hog runs, the old runtime cannot shut down.
        hog.stop();
        hog.restart_pending = restart_pending;
        let mut replaced = String::new();
        let kind = hog.kind;
        while hog.kind.unavailable(config.flavor).is_some() {
            hog.kind = hog.kind.next();
            let (new, old) = (hog.kind.as_str(), kind.as_str());
            replaced = format!("; the hog is now {new}: {old} {NEEDS_MULTI_THREAD}");
        }
        drop(hog);
        *self.state.runtime() = sampled;
        *epoch = next;
        let runtime = match config.flavor {
            Flavor::CurrentThread => "current-thread".to_owned(),
            Flavor::MultiThread => {
                format!("multi-thread with {}", plural(config.workers as u64, "worker"))
            }
        };
        let restart = match restart_pending {
            true => "; the hog restarts after one second of baseline",
            false => "",
        };
        format!("runtime: {runtime}{replaced}{restart}")
    }

    fn change_mode(&self, position: usize, change: impl FnOnce(&Mode)) -> String {
        let Some(WorkloadState { spec, mode, .. }) = self.state.workloads.get(position) else {
            return NO_SUCH_WORKLOAD.into();
        };
        let Some(mode) = mode else {
            return format!("{} has no modes", spec.name);
        };
        change(mode);
        format!("{}: {}", spec.name, mode.name())
    }

    fn cancel(&self, epoch: &Epoch, key: u64) -> String {
        let Some(name) = epoch.spawner.cancel(key) else {
            return "the task has already ended".into();
        };
        let hog = self.state.hog();
        if hog.owns(key) && hog.hold.get().is_none() && !hog.kind.info().is_fix {
            return format!("cancel requested for {name}: it never awaits, so only b stops it");
        }
        format!("cancel requested for {name}: it takes effect at its next await")
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.shutdown();
    }
}

impl fmt::Debug for Lab {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lab").field("state", &self.state).finish_non_exhaustive()
    }
}

/// Opens all workloads on a runtime and begins to start their instances.
fn start_workloads(
    state: &Arc<LabState>,
    epoch: u32,
    runtime: TestRuntime,
    config: RuntimeConfig,
) -> Result<Epoch, LabError> {
    let spawner = Spawner::new(state.registry, epoch, runtime.handle().clone());
    // Those of the workloads that go on if one cannot be opened.
    let take = |workload: &WorkloadState| (workload.metrics.take(), workload.failure.take());
    let previous: Vec<_> = state.workloads.iter().map(take).collect();
    let workloads = open_workloads(state, &spawner).inspect_err(|_| {
        for (workload, (metrics, failure)) in state.workloads.iter().zip(previous) {
            workload.metrics.put_back(metrics);
            workload.failure.put_back(failure);
        }
    })?;
    let supervisor = WorkloadSupervisor::start(state, runtime, spawner.clone(), workloads)
        .map_err(LabError::Runtime)?;
    Ok(Epoch { config, spawner, supervisor })
}

fn open_workloads(
    state: &Arc<LabState>,
    spawner: &Spawner,
) -> Result<Vec<RunningWorkload>, LabError> {
    let mut workloads = Vec::new();
    for workload in &state.workloads {
        let spec = &workload.spec;
        let context = Context {
            spawner: spawner.for_workload(spec.task_prefix(), &workload.tasks),
            done: workload.done.clone(),
            failure: workload.failure.clone(),
            metrics: workload.metrics.clone(),
            params: spec.params.clone(),
            mode: workload.mode.clone(),
            count: workload.target_count.load(Ordering::Relaxed),
            program: state.program.clone(),
        };
        let opened = (spec.kind.open)(context)
            .map_err(|error| LabError::Workload { workload: spec.name.clone(), error })?;
        workloads.push(RunningWorkload::new(opened, workload));
    }
    Ok(workloads)
}

/// Starts a runtime without workloads.
fn start_runtime(
    registry: &'static Registry,
    config: RuntimeConfig,
    epoch: u32,
) -> Result<(TestRuntime, SampledRuntime), LabError> {
    let started_ns = registry.now();
    let threads_at_start = registry.threads(started_ns).into();
    let runtime = TestRuntime::start(config).map_err(LabError::Runtime)?;
    let sampled = SampledRuntime {
        epoch,
        handle: runtime.handle().clone(),
        number: Some(epoch),
        started_ns,
        threads_at_start,
        worker_threads: Arc::clone(runtime.threads()),
    };
    Ok((runtime, sampled))
}

/// A description such as "2 × spin, yields after 10ms".
fn describe(hog: &Hog) -> String {
    let count = if hog.count > 1 { format!("{} × ", hog.count) } else { String::new() };
    let step = match (hog.kind.info().is_fix, hog.hold.get()) {
        (false, Some(hold)) => format!("yields after {}", duration_exact(hold)),
        (false, None) => "never yields".to_owned(),
        (true, Some(hold)) => format!("{} of work at a time", duration_exact(hold)),
        (true, None) => "endless work".to_owned(),
    };
    format!("{count}{}, {step}", hog.kind.as_str())
}
