//! Names take time, above all the first ones, for which a program's debug information is
//! read: a thread of their own looks them up, and the watchdog goes on looking.

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
use crate::watch::{Owner, Stack};

/// So many owners wait for names and no more: they come by the hundred a second while the
/// first are looked up, and need not be kept for a program that is long polls all over.
const WAITING: usize = 512;

/// Stacks whose functions have addresses and no names yet.
struct Job {
    owner: Owner,
    stacks: Vec<Unwound>,
    modules: Arc<Modules>,
}

/// Looks names up on a thread of its own, which is there from the first stack on and ends
/// with this, as soon as it has done what it is at.
#[derive(Default)]
pub(super) struct Namer {
    thread: Option<Line>,
    /// Owners whose names are being looked up.
    owed: usize,
}

/// The line to the thread.
struct Line {
    jobs: SyncSender<Job>,
    done: Receiver<(Owner, Vec<Stack>)>,
    cpu: Arc<AtomicU64>,
}

impl Namer {
    /// Has names looked up for somebody's stacks.
    ///
    /// # Errors
    /// Why there will be none.
    pub(super) fn look_up(
        &mut self,
        owner: Owner,
        stacks: Vec<Unwound>,
        modules: &Arc<Modules>,
    ) -> Result<(), &'static str> {
        let thread = match &self.thread {
            Some(thread) => thread,
            None => self.thread.insert(start()?),
        };
        let modules = Arc::clone(modules);
        match thread.jobs.try_send(Job { owner, stacks, modules }) {
            Ok(()) => {
                self.owed += 1;
                Ok(())
            }
            Err(TrySendError::Full(_)) => Err("too many stacks are waiting for symbolization"),
            Err(TrySendError::Disconnected(_)) => Err(FAILED),
        }
    }

    /// The stacks that have their names now, each with whose they are.
    ///
    /// # Errors
    /// Why all that are owed will never come.
    pub(super) fn take(&mut self) -> Result<Option<(Owner, Vec<Stack>)>, &'static str> {
        let Some(thread) = &self.thread else { return Ok(None) };
        match thread.done.try_recv() {
            Ok(done) => {
                self.owed = self.owed.saturating_sub(1);
                Ok(Some(done))
            }
            Err(TryRecvError::Disconnected) if self.owed > 0 => {
                self.owed = 0;
                Err(FAILED)
            }
            Err(_) => Ok(None),
        }
    }

    /// Whether names are being looked up.
    pub(super) fn is_busy(&self) -> bool {
        self.owed > 0
    }

    /// Nanoseconds that the thread has spent on the CPU.
    pub(super) fn cpu_time(&self) -> u64 {
        self.thread.as_ref().map_or(0, |thread| thread.cpu.load(Relaxed))
    }
}

const FAILED: &str = "the program's debug information could not be read";

fn start() -> Result<Line, &'static str> {
    let (jobs, jobs_in) = mpsc::sync_channel(WAITING);
    let (done, done_in) = mpsc::channel();
    let cpu = Arc::new(AtomicU64::new(0));
    let spent = Arc::clone(&cpu);
    thread::Builder::new()
        .name("asynctop-names".into())
        .spawn(move || work(&jobs_in, &done, &spent))
        .map_err(|_| "the operating system cannot start the symbolizer's thread")?;
    Ok(Line { jobs, done: done_in, cpu })
}

/// Until nobody asks any more, or wants to hear.
fn work(jobs: &Receiver<Job>, done: &Sender<(Owner, Vec<Stack>)>, cpu: &AtomicU64) {
    let mut symbolizer = Symbolizer::new();
    let this_thread = os::this_thread();
    for Job { owner, stacks, modules } in jobs {
        let named = stacks.iter().map(|unwound| symbolizer.symbolize(unwound, &modules));
        if done.send((owner, named.collect())).is_err() {
            return;
        }
        cpu.store(cpu_time(this_thread).unwrap_or(0), Relaxed);
    }
}
