//! Samples a running program: the share of time that each task spends in each state, and long polls.
//! Uses all modules except `ps` and `report`.

mod busy_time;
mod delays;
mod hits;
mod plan;
mod polls;
mod sample_loop;
mod share;
mod stops;
mod survey_loop;
mod sweep;
mod types;
mod worker_ticks;

use std::{
    collections::HashMap,
    fmt, fs, io,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::{
    Check, InspectError, OpenError, Options, Process, TokioCopy,
    process::{identity::Identity, rights::explain_no_realtime},
};
use delays::DelayTracker;
use hits::Hits;
use plan::Plan;
use sample_loop::SampleLoop;
use survey_loop::{Survey, SurveyLoop};

pub use share::{Observations, Share};
pub use stops::ProcessStop;
pub use types::{
    Continuity, DelayedTask, Delays, Lateness, LongPoll, PollTimes, Sample, SampledTask,
    SampledThread, SamplerOptions, ThreadTimes,
};

/// Samples a process in the background, until it is dropped.
///
/// One thread reads the current task of each of the program's threads, 100 times per second (a
/// sample). A second one lists the tasks (a survey), reads their states (a sweep) and the stacks of
/// long polls, and slows down to keep its CPU budget. Nothing is written to, and nothing is stopped
/// unless [`SamplerOptions::stop_running`] allows it.
///
/// ```no_run
/// use asynctop_inspect::sampler::{Sampler, SamplerOptions};
///
/// let sampler = Sampler::attach(1234, SamplerOptions::default())?;
/// std::thread::sleep(std::time::Duration::from_secs(1));
/// for sampled in sampler.sample()?.tasks {
///     if let Some(busy) = sampled.busy.share() {
///         let (value, error) = (100.0 * busy.value, 100.0 * busy.standard_error);
///         println!("task {}: busy {value:.1} % ± {error:.1}", sampled.task.id);
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Sampler {
    identity: Arc<Identity>,
    command: String,
    copies: Vec<TokioCopy>,
    began: Instant,
    /// Age of the process at that time.
    uptime: Duration,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// Shared by the sampler's threads. Locked in the order of the fields.
#[derive(Default)]
struct Shared {
    survey: Mutex<Survey>,
    hits: Mutex<Hits>,
    plan: Mutex<Arc<Plan>>,
    /// Numbers of long polls whose stacks are requested, with their threads.
    stacks: Mutex<Vec<(u64, u32)>>,
    /// Whether a sweep is requested, beside the regular ones.
    sweep_requested: AtomicBool,
    wake: Condvar,
    ended: Mutex<Option<InspectError>>,
    stop: AtomicBool,
}

impl Shared {
    fn request_stack(&self, number: u64, tid: u32) {
        lock(&self.stacks).push((number, tid));
        self.wake.notify_one();
    }

    fn request_sweep(&self) {
        if !self.sweep_requested.swap(true, Ordering::Relaxed) {
            // The survey loop reads the flag while it holds the lock.
            drop(lock(&self.stacks));
            self.wake.notify_one();
        }
    }
}

/// Locks a mutex. The counters in it are valid even if a thread has panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// CPU time of the calling thread, which a busy machine does not prolong.
pub fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

impl fmt::Debug for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sampler")
            .field("pid", &self.pid())
            .field("command", &self.command)
            .finish_non_exhaustive()
    }
}

impl Sampler {
    /// Opens the process with this id, lists its tasks and starts to sample it.
    ///
    /// # Errors
    ///
    /// Those of [`Process::open`]; [`OpenError::Gone`] if the process ends while its tasks are
    /// listed; [`OpenError::Thread`] if no thread can be started;
    /// [`OpenError::NoRealtime`] if a real-time priority is requested and denied.
    pub fn attach(pid: u32, options: SamplerOptions) -> Result<Sampler, OpenError> {
        let process = Process::open(pid)?;
        let began = Instant::now();
        let shared = Arc::new(Shared::default());
        let identity = Arc::clone(&process.identity);
        let command = process.command().to_owned();
        let copies = process.copies().to_vec();
        let uptime = process.uptime().unwrap_or_default();
        let mut surveys = SurveyLoop {
            shared: Arc::clone(&shared),
            process,
            cpu_budget: options.cpu_budget,
            stop_running: options.stop_running,
            began,
            delays: DelayTracker::default(),
            previous_plan: Arc::default(),
            buffer: Vec::new(),
            busy_time_checks: HashMap::new(),
        };
        // The heap scan also finds runtimes that no thread is in.
        surveys.survey(&Options { stacks: false, ..Options::default() })?;
        let samples = SampleLoop::new(Arc::clone(&shared), Arc::clone(&identity), &options, began);
        let start = |name: &str, run: Box<dyn FnOnce() + Send>| {
            let started = thread::Builder::new().name(name.into()).spawn(run);
            started.map_err(|source| OpenError::Thread { pid, source })
        };
        let threads = Vec::new();
        let mut sampler = Sampler { identity, command, copies, began, uptime, shared, threads };
        sampler.threads.push(start("inspect-survey", Box::new(move || surveys.run()))?);
        let (result, priority) = mpsc::channel();
        let sample = move || {
            // The receiver waits for it.
            if result.send(samples.set_priority()).is_ok() {
                samples.run();
            }
        };
        sampler.threads.push(start("inspect-sample", Box::new(sample))?);
        match priority.recv().map_err(io::Error::other).flatten() {
            Ok(()) => Ok(sampler),
            Err(error) => Err(OpenError::NoRealtime { pid, reason: explain_no_realtime(&error) }),
        }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.identity.pid()
    }

    /// Name of its program.
    pub fn command(&self) -> &str {
        &self.command
    }

    /// The copies of Tokio in it.
    pub fn copies(&self) -> &[TokioCopy] {
        &self.copies
    }

    /// The time since the sampler was attached, on the clock of all times of a [`Sample`].
    pub fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Age of the process when the sampler was attached; zero if that is not known.
    pub fn uptime_before(&self) -> Duration {
        self.uptime
    }

    /// A copy of everything that was observed so far. Does not wait for a survey or a sample.
    ///
    /// # Errors
    ///
    /// If the process has ended or has started another program.
    pub fn sample(&self) -> Result<Sample, InspectError> {
        if let Some(error) = &*lock(&self.shared.ended) {
            return Err(error.clone());
        }
        let survey = lock(&self.shared.survey);
        let hits = lock(&self.shared.hits);
        // The data must be from the process and the program that were opened.
        self.identity.verify_quickly()?;
        let is_trusted = hits.is_trusted();
        let detail = format!(
            "{} of the latest {} current tasks were running according to their own state",
            hits.agreed,
            hits.agreed + hits.contradicted
        );
        let capability = "samples of current tasks";
        let check = if is_trusted { Check::passed } else { Check::failed };
        let mut checks = survey.checks.clone();
        checks.push(check(capability, detail));
        let tasks = survey.entries.iter().map(|entry| SampledTask {
            task: Arc::clone(&entry.task),
            copy: entry.key.module,
            state: entry.states.latest.unwrap_or(entry.task.state),
            first_seen: entry.first_seen,
            busy: match is_trusted {
                true => hits.observations(entry.key, entry.listed_at),
                false => Observations::default(),
            },
            running: entry.states.running,
            scheduled: entry.states.scheduled,
            idle: entry.states.idle,
        });
        let threads = survey.threads.iter().map(|thread| SampledThread {
            hits: hits.by_thread.get(&thread.tid).copied().unwrap_or(0),
            busy: hits.busy_ns.get(&thread.tid).copied().map(Duration::from_nanos),
            times: thread.worker.and_then(|_| self.times_of(thread.tid)),
            ..thread.clone()
        });
        Ok(Sample {
            taken: hits.taken,
            samples: hits.samples,
            lateness: hits.lateness,
            tasks: tasks.collect(),
            threads: threads.collect(),
            runtimes: survey.runtimes.clone(),
            long_polls: match is_trusted {
                true => hits.long_polls.iter().cloned().collect(),
                false => Vec::new(),
            },
            stops: hits.stops.clone(),
            runnable: survey.runnable.clone(),
            surveyed: survey.surveyed,
            survey_interval: survey.survey_interval,
            sweeps: survey.sweeps,
            swept: survey.swept,
            sweep_interval: survey.sweep_interval,
            unlisted_hits: hits.unlisted,
            cpu: survey.cpu + hits.cpu,
            checks,
        })
    }

    fn times_of(&self, tid: u32) -> Option<ThreadTimes> {
        let path = self.identity.path(&format!("task/{tid}/schedstat"));
        ThreadTimes::parse(&fs::read_to_string(path).ok()?)
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        drop(lock(&self.shared.stacks));
        self.shared.wake.notify_all();
        for thread in self.threads.drain(..) {
            // Its panic has been printed.
            let _ = thread.join();
        }
    }
}
