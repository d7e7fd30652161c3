//! Symbolizes stacks on a separate thread. Symbolizing takes long, above all the first stack, for
//! which the program's debug information is read, and must not delay the watchdog's samples.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{self, Receiver, Sender, SyncSender, TryRecvError, TrySendError},
    },
    thread,
};

use asynctop_stack::{Modules, Symbolizer, Unwound};

use super::{cpu_time, os};
use crate::watch::{StackOwner, Symbolized};

/// Maximum length of the queue. Hundreds of stacks per second may arrive while the first is
/// symbolized.
const QUEUE: usize = 512;

const FAILED: &str = "the program's debug information could not be read";

/// Stacks of addresses.
struct Job {
    owner: StackOwner,
    stacks: Vec<Unwound>,
    modules: Arc<Modules>,
}

/// The symbolizer's thread. Started for the first stack; ends after its current job when this is
/// dropped.
#[derive(Default)]
pub(super) struct SymbolizerThread {
    channels: Option<Channels>,
    pending_jobs: usize,
}

struct Channels {
    jobs: SyncSender<Job>,
    done: Receiver<Symbolized>,
    cpu_ns: Arc<AtomicU64>,
}

impl SymbolizerThread {
    /// Queues the stacks of an owner.
    ///
    /// # Errors
    /// The reason why they will not be symbolized.
    pub(super) fn enqueue(
        &mut self,
        owner: StackOwner,
        stacks: Vec<Unwound>,
        modules: &Arc<Modules>,
    ) -> Result<(), &'static str> {
        let channels = match &self.channels {
            Some(channels) => channels,
            None => self.channels.insert(start()?),
        };
        let modules = Arc::clone(modules);
        match channels.jobs.try_send(Job { owner, stacks, modules }) {
            Ok(()) => {
                self.pending_jobs += 1;
                Ok(())
            }
            Err(TrySendError::Full(_)) => Err("too many stacks are waiting for symbolization"),
            Err(TrySendError::Disconnected(_)) => Err(FAILED),
        }
    }

    /// The next symbolized stacks with their owner, if any are done.
    ///
    /// # Errors
    /// The reason why all pending jobs have failed.
    pub(super) fn try_next(&mut self) -> Result<Option<Symbolized>, &'static str> {
        let Some(channels) = &self.channels else { return Ok(None) };
        match channels.done.try_recv() {
            Ok(done) => {
                self.pending_jobs = self.pending_jobs.saturating_sub(1);
                Ok(Some(done))
            }
            Err(TryRecvError::Disconnected) if self.pending_jobs > 0 => {
                self.pending_jobs = 0;
                Err(FAILED)
            }
            Err(_) => Ok(None),
        }
    }

    pub(super) fn is_busy(&self) -> bool {
        self.pending_jobs > 0
    }

    /// Nanoseconds that the thread has spent on the CPU.
    pub(super) fn cpu_time(&self) -> u64 {
        self.channels.as_ref().map_or(0, |channels| channels.cpu_ns.load(Relaxed))
    }
}

fn start() -> Result<Channels, &'static str> {
    let (jobs, job_queue) = mpsc::sync_channel(QUEUE);
    let (results, done) = mpsc::channel();
    let cpu_ns = Arc::new(AtomicU64::new(0));
    let spent = Arc::clone(&cpu_ns);
    thread::Builder::new()
        .name("asynctop-symbol".into())
        .spawn(move || run(&job_queue, &results, &spent))
        .map_err(|_| "the operating system cannot start the symbolizer's thread")?;
    Ok(Channels { jobs, done, cpu_ns })
}

/// Runs until the queue is closed and empty, or the receiver of the results is gone.
fn run(jobs: &Receiver<Job>, results: &Sender<Symbolized>, cpu_ns: &AtomicU64) {
    let mut symbolizer = Symbolizer::new();
    let this_thread = os::this_thread();
    for Job { owner, stacks, modules } in jobs {
        let symbolized = stacks.iter().map(|unwound| symbolizer.symbolize(unwound, &modules));
        if results.send((owner, symbolized.collect())).is_err() {
            return;
        }
        cpu_ns.store(cpu_time(this_thread).unwrap_or(0), Relaxed);
    }
}
