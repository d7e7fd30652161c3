//! A program that is sampled in the background, for the sources of its runtimes.

use std::{
    io,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use asynctop_inspect::{
    Flavor, InspectError, OpenError, Options, Process, TokioCopy, ps,
    sampler::{Sample, Sampler, SamplerOptions, cpu_time},
};

use super::ReadOptions;
use crate::{launch::Launched, lock::lock};

/// Sources that sample within this time of each other share one sample.
const MAX_AGE: Duration = Duration::from_millis(20);
/// Minimum pause in the search for the first runtime of a command, which uses at most 1/20 of a CPU.
const MIN_PAUSE: Duration = Duration::from_millis(20);
const MAX_SEARCH_LOAD_DIVISOR: u32 = 20;
/// Time that a new runtime has to spawn its first task. The survey that follows the one at the opening is
/// a second later, or more in a large program.
const FIRST_TASK: Duration = Duration::from_secs(2);
/// Time in which a command has to end after the program that it has started. It is ended afterwards, and
/// its own exit code is lost.
const LAST_STEPS: Duration = Duration::from_secs(10);
/// Maximum number of targets of a program.
const MAX_TARGETS: usize = 32;

/// A program, and its latest sample.
pub(super) struct Observed {
    /// The command of `asynctop run`. The program is the command, or one of its descendants.
    launched: Option<Arc<Launched>>,
    options: ReadOptions,
    began: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// `None` before the program has started its first runtime.
    sampler: Option<Arc<Sampler>>,
    latest: Option<(Duration, Arc<Sample>)>,
    /// The reason why a process of the command could not be read in the latest search.
    denied: Option<String>,
    /// When a runtime without tasks was found in the command.
    found: Option<Instant>,
    /// Whether a task was ever listed.
    has_listed: bool,
    /// When the sampled process was first found to have ended.
    lost: Option<Instant>,
    /// The runtimes that are targets, by the address of their handles.
    claimed: Vec<u64>,
    /// The number of targets of this program.
    targets: usize,
    /// The number of programs that were sampled before in the same process.
    replaced: u64,
}

/// The statistics of all observations of one program so far.
#[derive(Clone)]
pub(super) struct Observations {
    pub sample: Arc<Sample>,
    /// The number of programs that were sampled before in the same process. Their samples have another
    /// clock, and the addresses in them belong to other runtimes.
    pub replaced: u64,
}

impl State {
    /// The state after the process has started another program.
    fn of_next_program(&self) -> State {
        State { targets: self.targets, replaced: self.replaced + 1, ..State::default() }
    }

    /// The runtimes that are not targets.
    fn unclaimed<'a>(&'a self, sample: &'a Sample) -> impl Iterator<Item = u64> + 'a {
        let own = sample.runtimes.iter().filter(|runtime| runtime.flavor != Flavor::LocalSet);
        own.map(|runtime| runtime.handle).filter(|handle| !self.claimed.contains(handle))
    }
}

/// The reason why there is no sample.
pub(super) enum Absence {
    /// There may be one later.
    NotYet(String),
    /// There will be none.
    Ended(String),
}

impl Observed {
    /// Begins to sample a process.
    pub(super) fn attach(pid: u32, options: ReadOptions) -> Result<Observed, OpenError> {
        let sampler = Some(Arc::new(attach(pid, options)?));
        let state = Mutex::new(State { sampler, ..State::default() });
        Ok(Observed { launched: None, options, began: Instant::now(), state })
    }

    /// Samples a command from its first runtime on.
    ///
    /// # Errors
    /// If the thread that searches for the runtime cannot be started.
    pub(super) fn launched(
        command: Arc<Launched>,
        options: ReadOptions,
    ) -> io::Result<Arc<Observed>> {
        let observed = Arc::new(Observed {
            launched: Some(command),
            options,
            began: Instant::now(),
            state: Mutex::default(),
        });
        observed.start_search()?;
        Ok(observed)
    }

    fn start_search(self: &Arc<Self>) -> io::Result<()> {
        let observed = Arc::downgrade(self);
        let thread = thread::Builder::new().name("asynctop-search".to_owned());
        let search = move || {
            while let Some(observed) = observed.upgrade() {
                // On a busy machine, a search takes much longer than the CPU time that it uses.
                let before = cpu_time();
                if observed.search() {
                    break;
                }
                drop(observed);
                let cost = cpu_time().saturating_sub(before);
                thread::sleep(MIN_PAUSE.max(MAX_SEARCH_LOAD_DIVISOR * cost));
            }
        };
        thread.spawn(search).map(drop)
    }

    pub(super) fn options(&self) -> ReadOptions {
        self.options
    }

    fn sampler(&self) -> Option<Arc<Sampler>> {
        lock(&self.state).sampler.clone()
    }

    pub(super) fn pid(&self) -> Option<u32> {
        let launched = || self.launched.as_ref().map(|command| command.id());
        self.sampler().map(|sampler| sampler.pid()).or_else(launched)
    }

    pub(super) fn command(&self) -> String {
        let launched = || self.launched.as_ref().map(|command| command.name().to_owned());
        let sampled = self.sampler().map(|sampler| sampler.command().to_owned());
        sampled.or_else(launched).unwrap_or_default()
    }

    pub(super) fn copies(&self) -> Vec<TokioCopy> {
        self.sampler().map(|sampler| sampler.copies().to_vec()).unwrap_or_default()
    }

    /// The time since the program was opened, on the clock of its samples.
    pub(super) fn now(&self) -> Duration {
        self.sampler().map_or_else(|| self.began.elapsed(), |sampler| sampler.now())
    }

    /// The time since the program was started.
    pub(super) fn uptime(&self) -> Duration {
        let sampler = self.sampler();
        sampler.map_or(Duration::ZERO, |sampler| sampler.uptime_before() + sampler.now())
    }

    /// Counts another target of this program. Returns its number, from 0.
    pub(super) fn add_target(&self) -> usize {
        let mut state = lock(&self.state);
        state.targets += 1;
        state.targets - 1
    }

    /// The name of a target.
    pub(super) fn name(&self, number: usize) -> String {
        let (command, has_one) = (self.command(), lock(&self.state).targets == 1);
        match self.pid() {
            Some(pid) if has_one => format!("{command}:{pid}"),
            Some(pid) => format!("{command}:{pid}/{number}"),
            None => command,
        }
    }

    /// Assigns a runtime without a target to the caller. Returns the address of its handle.
    pub(super) fn claim(&self, sample: &Sample) -> Option<u64> {
        let state = &mut lock(&self.state);
        let free = state.unclaimed(sample).next()?;
        state.claimed.push(free);
        Some(free)
    }

    /// Releases a runtime that has been shut down: its target is free for another one.
    pub(super) fn release(&self, handle: u64) {
        lock(&self.state).claimed.retain(|claimed| *claimed != handle);
    }

    /// The number of runtimes for which there is no target.
    pub(super) fn without_target(&self, sample: &Sample) -> usize {
        let state = lock(&self.state);
        let free = state.targets - state.claimed.len();
        state.unclaimed(sample).count().saturating_sub(free)
    }

    /// Whether another target is needed.
    pub(super) fn lacks_targets(&self, sample: &Sample) -> bool {
        self.without_target(sample) > 0 && lock(&self.state).targets < MAX_TARGETS
    }

    /// Whether the process has a runtime.
    pub(super) fn has_runtime(&self) -> Result<bool, InspectError> {
        let Some(sampler) = self.sampler() else { return Ok(false) };
        Ok(lock(&self.state).unclaimed(&sampler.sample()?).next().is_some())
    }

    /// The statistics of all observations so far.
    pub(super) fn sample(self: &Arc<Self>) -> Result<Observations, Absence> {
        let now = self.now();
        let mut state = lock(&self.state);
        let replaced = state.replaced;
        if let Some((taken, sample)) = &state.latest
            && now.saturating_sub(*taken) < MAX_AGE
        {
            return Ok(Observations { sample: Arc::clone(sample), replaced });
        }
        let Some(sampler) = state.sampler.clone() else { return Err(self.no_runtime(&state)) };
        match sampler.sample() {
            Ok(sample) => {
                let sample = Arc::new(sample);
                state.has_listed |= !sample.tasks.is_empty();
                state.latest = Some((sampler.now(), Arc::clone(&sample)));
                Ok(Observations { sample, replaced })
            }
            Err(error @ InspectError::Replaced { .. }) if self.launched.is_some() => {
                *state = state.of_next_program();
                match self.start_search() {
                    Ok(()) => Err(Absence::NotYet(error.to_string())),
                    Err(thread) => Err(Absence::Ended(format!("{error}; no thread: {thread}"))),
                }
            }
            Err(error) => {
                let Some(command) = &self.launched else {
                    return Err(Absence::Ended(error.to_string()));
                };
                let lost = state.lost.get_or_insert_with(Instant::now).elapsed();
                Err(match command.ending() {
                    Some(ending) => Absence::Ended(format!("it {ending}; {}", command.output())),
                    None if lost < LAST_STEPS => Absence::NotYet(error.to_string()),
                    None => Absence::Ended(error.to_string()),
                })
            }
        }
    }

    /// The reason why no runtime is sampled.
    fn no_runtime(&self, state: &State) -> Absence {
        let command = self.launched.as_ref();
        let ended = command.and_then(|command| Some((command.ending()?, command.output())));
        match (ended, &state.denied) {
            (Some((ending, output)), _) => Absence::Ended(format!(
                "it {ending} before a Tokio runtime was found in it; {output}"
            )),
            (None, Some(denied)) => Absence::NotYet(denied.clone()),
            (None, None) => Absence::NotYet("it has not started a Tokio runtime yet".to_owned()),
        }
    }

    /// Searches for a runtime in the command and in the programs that it has started. Returns whether
    /// the search has ended.
    fn search(&self) -> bool {
        let Some(command) = self.launched.as_ref().filter(|command| command.status().is_none())
        else {
            return true;
        };
        let descendants = ps::descendants(command.id()).unwrap_or_default();
        let mut denied = None;
        for pid in std::iter::once(command.id()).chain(descendants) {
            match self.open_with_runtime(pid) {
                Ok(Some(sampler)) => {
                    let mut state = lock(&self.state);
                    (state.sampler, state.denied) = (Some(Arc::new(sampler)), None);
                    return true;
                }
                Err(error @ OpenError::Denied { .. }) => {
                    denied.get_or_insert_with(|| error.to_string());
                }
                // The process has ended, or does not contain Tokio.
                Ok(None) | Err(_) => {}
            }
        }
        lock(&self.state).denied = denied;
        false
    }

    /// Begins to sample a process if it has a runtime. A new runtime without tasks has some time to spawn
    /// one.
    fn open_with_runtime(&self, pid: u32) -> Result<Option<Sampler>, OpenError> {
        let inspection = Process::open(pid)?.inspect(&Options::states_only())?;
        if inspection.runtimes.is_empty() {
            return Ok(None);
        }
        if inspection.tasks.is_empty() {
            let found = *lock(&self.state).found.get_or_insert_with(Instant::now);
            if found.elapsed() < FIRST_TASK {
                return Ok(None);
            }
        }
        attach(pid, self.options).map(Some)
    }

    /// Whether a task of the program was ever listed.
    pub(super) fn has_listed(&self) -> bool {
        lock(&self.state).has_listed
    }
}

fn attach(pid: u32, options: ReadOptions) -> Result<Sampler, OpenError> {
    let mut sampler = SamplerOptions::default();
    (sampler.stop_running, sampler.realtime) = (!options.no_stop, options.realtime);
    Sampler::attach(pid, sampler)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_program_has_the_targets_and_none_of_the_runtimes_of_the_one_before() {
        let state = State { targets: 2, claimed: vec![0x7000, 0x8000], ..State::default() };
        let next = state.of_next_program();
        assert_eq!((next.targets, next.replaced, next.claimed), (2, 1, Vec::new()));
    }
}
