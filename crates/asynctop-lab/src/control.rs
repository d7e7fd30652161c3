//! Starts, changes and ends a lab. No call waits for tasks of the lab.

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
    Command, LabError, LabOptions,
    bounds::MAX_WORKERS,
    counts,
    crew::{Crew, Foreman},
    failure::Failure,
    hog::{Hog, HogKind, Orders, Released, Stop, Work},
    runtime::{Size, TestRuntime},
    shared::{Shared, Tally},
    spawner::Spawner,
    workload::{Opening, hog},
};
use crate::lock::lock;

const NEEDS_MULTI_THREAD: &str = "needs the multi-thread runtime";

/// A runtime under test with its workloads.
///
/// ```
/// use asynctop_lab::{Command, Lab, LabOptions, find};
///
/// let lab = Lab::start(LabOptions::new(find("mixed")?))?;
/// println!("{}", lab.execute(Command::ToggleHog));
/// lab.shutdown();
/// # Ok::<(), asynctop_lab::LabError>(())
/// ```
pub struct Lab {
    shared: Arc<Shared>,
    /// `None` after the shutdown. Only callers of this type's methods hold the lock.
    running: Mutex<Option<Running>>,
}

/// What ends with a runtime.
struct Running {
    /// The workers are those of the multi-thread runtime, also while it is another.
    size: Size,
    spawner: Spawner,
    foreman: Foreman,
}

impl Lab {
    /// Starts the runtime and the workloads; the hog is off.
    ///
    /// # Errors
    /// If the options ask for nothing or for too much, or the system refuses threads or
    /// sockets.
    pub fn start(options: LabOptions) -> Result<Lab, LabError> {
        options.check()?;
        let (registry, size) = (options.registry, options.size());
        let (runtime, sampled) = begin_epoch(registry, size, 1)?;
        let epoch = sampled.epoch;
        let shared = Arc::new(Shared::new(options, sampled));
        let running = Mutex::new(Some(populate(&shared, epoch, runtime, size)?));
        Ok(Lab { shared, running })
    }

    /// Executes a command and returns a sentence to show.
    pub fn execute(&self, command: Command) -> String {
        let mut running = self.running();
        let Some(running) = &mut *running else {
            return "the lab has ended".into();
        };
        match command {
            Command::ToggleHog => self.toggle_hog(running),
            Command::ReleaseHog => self.release_hog(running, &mut self.shared.hog()),
            Command::NextHogKind => self.change_hog_kind(running, HogKind::next),
            Command::PreviousHogKind => self.change_hog_kind(running, HogKind::previous),
            Command::LengthenHold => self.change_hold(|hog| hog.hold.lengthen()),
            Command::ShortenHold => self.change_hold(|hog| hog.hold.shorten()),
            Command::SwitchFlavor => self.switch_flavor(running),
            Command::AddWorker => self.change_workers(running, usize::checked_add),
            Command::RemoveWorker => self.change_workers(running, usize::checked_sub),
            Command::AddInstance(at) => counts::raise(&self.shared, &running.foreman, at),
            Command::RemoveInstance(at) => counts::lower(&self.shared, &running.foreman, at),
            Command::Pause(at) => counts::pause(&self.shared, &running.foreman, at),
            Command::Restart(at) => counts::restart(&self.shared, &running.foreman, at),
            Command::SwitchMode(at) => self.switch_mode(at),
            Command::Cancel(key) => self.cancel(running, key),
        }
    }

    /// Stops the hogs and ends the runtime, without waiting for either. Does nothing the
    /// second time.
    pub fn shutdown(&self) {
        self.shared.hog().stop();
        drop(self.running().take());
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        lock(&self.running)
    }

    fn toggle_hog(&self, running: &Running) -> String {
        let mut hog = self.shared.hog();
        if hog.on_since().is_some() || hog.restarts {
            hog.stop();
            return "hog off".into();
        }
        self.release_hog(running, &mut hog)
    }

    fn release_hog(&self, running: &Running, hog: &mut Hog) -> String {
        if hog.on_since().is_some() {
            return format!("hog on: {}", describe(hog));
        }
        match self.release(running, hog, self.shared.registry.now()) {
            Ok(()) => format!("hog on: {}", describe(hog)),
            Err(error) => format!("the hog stays off: {error}"),
        }
    }

    /// Lets new hogs loose, which count as on since `since_ns`.
    fn release(&self, running: &Running, hog: &mut Hog, since_ns: u64) -> Result<(), LabError> {
        hog.stop();
        let kind = hog.kind;
        self.can_run(kind)?;
        let (stop, work, failure) = (Stop::default(), Work::default(), Failure::default());
        let orders = Orders {
            hold: hog.hold.clone(),
            stop: stop.clone(),
            work: work.clone(),
            failure: failure.clone(),
        };
        let tasks = hog::release(&running.spawner, kind, hog.count, &orders)
            .map_err(|error| LabError::Hog { kind: kind.as_str(), error })?;
        hog.released = Some(Released { since_ns, stop, work, failure, tasks });
        Ok(())
    }

    /// Selects the next kind that can start. Kinds that cannot are skipped, and a hog that is on
    /// stays on: the measurement continues.
    fn change_hog_kind(&self, running: &Running, change: fn(HogKind) -> HogKind) -> String {
        let mut hog = self.shared.hog();
        let on_since_ns = hog.on_since();
        let mut skipped = String::new();
        for _ in HogKind::ALL {
            hog.kind = change(hog.kind);
            let started = match on_since_ns {
                Some(since_ns) => self.release(running, &mut hog, since_ns),
                None => self.can_run(hog.kind),
            };
            let why = match started {
                Ok(()) => return format!("hog: {}{skipped}", describe(&hog)),
                Err(LabError::NeedsMultiThread(_)) => NEEDS_MULTI_THREAD.to_owned(),
                Err(LabError::Hog { error, .. }) => error.to_string(),
                Err(error) => error.to_string(),
            };
            skipped += &format!("; {} skipped: {why}", hog.kind.as_str());
        }
        format!("hog off{skipped}")
    }

    fn can_run(&self, kind: HogKind) -> Result<(), LabError> {
        match kind.runs_on(self.shared.runtime().flavor()) {
            true => Ok(()),
            false => Err(LabError::NeedsMultiThread(kind.as_str())),
        }
    }

    fn change_hold(&self, change: impl FnOnce(&mut Hog)) -> String {
        let mut hog = self.shared.hog();
        change(&mut hog);
        format!("hog: {}", describe(&hog))
    }

    fn switch_flavor(&self, running: &mut Running) -> String {
        let flavor = other(self.shared.runtime().flavor());
        self.begin_anew(running, Size { flavor, ..running.size })
    }

    fn change_workers(
        &self,
        running: &mut Running,
        change: fn(usize, usize) -> Option<usize>,
    ) -> String {
        if self.shared.runtime().flavor() == Flavor::CurrentThread {
            return "current-thread has one worker: press f for multi-thread first".into();
        }
        let workers = change(running.size.workers, 1);
        match workers.filter(|workers| (1..=MAX_WORKERS).contains(workers)) {
            Some(workers) => self.begin_anew(running, Size { workers, ..running.size }),
            None => format!(
                "still {}: the limit is reached",
                plural(running.size.workers as u64, "worker")
            ),
        }
    }

    /// Puts a runtime of this size in the place of the one that runs: all tasks end, and
    /// the workloads begin anew.
    fn begin_anew(&self, running: &mut Running, size: Size) -> String {
        let epoch = self.shared.runtime().epoch + 1;
        let next = begin_epoch(self.shared.registry, size, epoch);
        let next = next.and_then(|(runtime, sampled)| {
            Ok((populate(&self.shared, epoch, runtime, size)?, sampled))
        });
        match next {
            Ok((next, sampled)) => {
                let mut hog = self.shared.hog();
                let restarts = hog.on_since().is_some() || hog.restarts;
                // First, or the old runtime would never come to its end.
                hog.stop();
                hog.restarts = restarts;
                let mut moved = String::new();
                let kind = hog.kind;
                while !hog.kind.runs_on(size.flavor) {
                    hog.kind = hog.kind.next();
                    let (now, then) = (hog.kind.as_str(), kind.as_str());
                    moved = format!("; the hog is now {now}: {then} {NEEDS_MULTI_THREAD}");
                }
                drop(hog);
                *self.shared.runtime() = sampled;
                *running = next;
                match size.flavor {
                    Flavor::CurrentThread => format!("runtime: current-thread{moved}"),
                    Flavor::MultiThread => {
                        format!(
                            "runtime: multi-thread with {}",
                            plural(size.workers as u64, "worker")
                        )
                    }
                }
            }
            Err(error) => format!("the runtime is unchanged: {error}"),
        }
    }

    fn switch_mode(&self, position: usize) -> String {
        let Some(Tally { spec, mode, .. }) = self.shared.tallies.get(position) else {
            return "there is no such workload".into();
        };
        let Some(mode) = mode else {
            return format!("{} has no modes", spec.name);
        };
        mode.next();
        format!("{}: {}", spec.name, mode.word())
    }

    fn cancel(&self, running: &Running, key: u64) -> String {
        let Some(name) = running.spawner.cancel(key) else {
            return "the task has already ended".into();
        };
        let hog = self.shared.hog();
        if hog.owns(key) && hog.hold.get().is_none() && !hog.kind.about().is_fix {
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
        f.debug_struct("Lab").field("shared", &self.shared).finish_non_exhaustive()
    }
}

/// Opens all workloads on a runtime and begins to start their units.
fn populate(
    shared: &Arc<Shared>,
    epoch: u32,
    runtime: TestRuntime,
    size: Size,
) -> Result<Running, LabError> {
    let spawner = Spawner::new(shared.registry, epoch, runtime.handle().clone());
    let mut crews = Vec::new();
    for tally in &shared.tallies {
        let Tally { spec, cancelled, done, failure, gauges, mode, wanted, .. } = tally;
        let opening = Opening {
            spawner: spawner.of(spec.task_prefix(), cancelled),
            done: done.clone(),
            failure: failure.begin(),
            gauges: gauges.begin(),
            params: spec.params.clone(),
            mode: mode.clone(),
            count: wanted.load(Ordering::Relaxed),
            program: shared.program.clone(),
        };
        let workload = (spec.kind.open)(opening)
            .map_err(|error| LabError::Workload { workload: spec.name.clone(), error })?;
        crews.push(Crew::new(workload, tally));
    }
    let foreman = Foreman::start(shared, runtime, spawner.clone(), crews);
    Ok(Running { size, spawner, foreman: foreman.map_err(LabError::Runtime)? })
}

/// Starts a runtime without workloads.
fn begin_epoch(
    registry: &'static Registry,
    size: Size,
    epoch: u32,
) -> Result<(TestRuntime, SampledRuntime), LabError> {
    let started_ns = registry.now();
    let threads_at_start = registry.threads(started_ns).into();
    let runtime = TestRuntime::start(size).map_err(LabError::Runtime)?;
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

fn other(flavor: Flavor) -> Flavor {
    match flavor {
        Flavor::CurrentThread => Flavor::MultiThread,
        Flavor::MultiThread => Flavor::CurrentThread,
    }
}

/// Such as "2 × spin, yields after 10ms".
fn describe(hog: &Hog) -> String {
    let count = if hog.count > 1 { format!("{} × ", hog.count) } else { String::new() };
    let turn = match (hog.kind.about().is_fix, hog.hold.get()) {
        (false, Some(hold)) => format!("yields after {}", duration_exact(hold)),
        (false, None) => "never yields".to_owned(),
        (true, Some(hold)) => format!("{} of work at a time", duration_exact(hold)),
        (true, None) => "endless work".to_owned(),
    };
    format!("{count}{}, {turn}", hog.kind.as_str())
}
