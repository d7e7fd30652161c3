//! The hog: a task that blocks its worker, in the ways in which real programs do, and the same work
//! without blocking.
//!
//! A hog works in bursts as long as the hold time, and yields once after each. The anti-patterns
//! are in this file, so that a stack contains `hog::spin` or `hog::wait_for_lock`; the fixes have
//! their own files. With the hold time "never" the first burst never ends, including that of a fix,
//! which then works in slices or on another thread forever.

#[cfg(feature = "web")]
mod db;
mod io;
mod lock;
mod offload;
mod slices;

use std::{
    fs::File,
    hint::spin_loop,
    os::unix::fs::FileExt,
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use asynctop_probe::stage;
use tokio::task::{AbortHandle, yield_now};

#[cfg(feature = "web")]
use super::db::Database;
use crate::{
    hog::{HogControl, HogKind},
    spawner::Spawner,
};

/// How often a sleeping hog checks whether to stop.
const STOP_CHECK_INTERVAL: Duration = Duration::from_millis(5);

/// A kind of hog with the resources that it needs.
#[derive(Clone)]
enum HogWork {
    Spin,
    Block,
    Lock(lock::ContendedLock),
    Io(io::ScratchFile),
    #[cfg(feature = "web")]
    Db(db::SharedDatabase),
    Yield,
    Budget,
    SpawnBlocking,
    BlockInPlace,
    OwnThread,
}

impl HogWork {
    fn open(kind: HogKind, control: &HogControl) -> std::io::Result<HogWork> {
        Ok(match kind {
            HogKind::Spin => HogWork::Spin,
            HogKind::Block => HogWork::Block,
            HogKind::Lock => HogWork::Lock(lock::start(control.clone())?),
            HogKind::Io => HogWork::Io(io::ScratchFile::open()?),
            #[cfg(feature = "web")]
            HogKind::Db => HogWork::Db(db::SharedDatabase::open()?),
            HogKind::Yield => HogWork::Yield,
            HogKind::Budget => HogWork::Budget,
            HogKind::SpawnBlocking => HogWork::SpawnBlocking,
            HogKind::BlockInPlace => HogWork::BlockInPlace,
            HogKind::OwnThread => HogWork::OwnThread,
        })
    }

    /// Works for the hold time.
    async fn burst(&mut self, control: &HogControl) -> Result<(), String> {
        match self {
            HogWork::Spin => {
                stage("spins");
                spin(&mut Burst::new(control), Duration::MAX);
            }
            HogWork::Block => {
                stage("blocks the thread");
                block(control);
            }
            HogWork::Lock(lock) => lock.burst().await,
            HogWork::Io(file) => file.burst(control)?,
            #[cfg(feature = "web")]
            HogWork::Db(database) => database.burst(control)?,
            HogWork::Yield => slices::with_yields(control).await,
            HogWork::Budget => slices::within_budget(control).await,
            HogWork::SpawnBlocking => offload::on_blocking_pool(control).await,
            HogWork::BlockInPlace => offload::in_place(control),
            HogWork::OwnThread => offload::on_new_thread(control).await?,
        }
        Ok(())
    }
}

/// Starts `count` hogs. Returns their keys and handles.
///
/// # Errors
/// If the system refuses the file or the thread that they need.
pub(crate) fn start(
    spawner: &Spawner,
    kind: HogKind,
    count: usize,
    control: &HogControl,
) -> std::io::Result<Vec<(u64, AbortHandle)>> {
    let work = HogWork::open(kind, control)?;
    let spawn = |number| {
        let name = if count == 1 { "hog".to_owned() } else { format!("hog-{number}") };
        let control = HogControl { stop: control.stop.child(), ..control.clone() };
        spawner.spawn_with_key(&name, run(work.clone(), control))
    };
    Ok((1..=count).map(spawn).collect())
}

async fn run(mut work: HogWork, control: HogControl) {
    let _guard = StopOnDrop(control.clone());
    loop {
        if let Err(reason) = work.burst(&control).await {
            stage("failed");
            control.failure.report(|| reason);
            return;
        }
        if control.stop.is_requested() {
            return;
        }
        stage("yields");
        yield_now().await;
    }
}

/// Stops the work of a hog on other threads when its task ends, including by cancellation or panic.
struct StopOnDrop(HogControl);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        let StopOnDrop(control) = self;
        if thread::panicking() {
            control.failure.report(|| "it panicked".to_owned());
        }
        control.stop.request();
    }
}

/// Repeats a blocking operation until the hold time is over.
fn repeat(
    control: &HogControl,
    mut operation: impl FnMut() -> Result<(), String>,
) -> Result<(), String> {
    let begin = Instant::now();
    let is_over = || {
        let is_reached = |hold| begin.elapsed() >= hold;
        control.stop.is_requested() || control.hold.get().is_some_and(is_reached)
    };
    while !is_over() {
        operation()?;
        control.work.add(1);
    }
    Ok(())
}

/// The maximum time of one step of computing, which takes a few microseconds. In the rest of a longer
/// one, the thread had no CPU.
const MAX_STEP: Duration = Duration::from_micros(100);

/// The computing of one burst. Only the time spent computing counts, so that a burst of a fix is as
/// much work as that of an anti-pattern.
struct Burst<'a> {
    control: &'a HogControl,
    computed: Duration,
}

impl<'a> Burst<'a> {
    fn new(control: &'a HogControl) -> Self {
        Burst { control, computed: Duration::ZERO }
    }

    fn is_over(&self) -> bool {
        // The hold time can change during a burst.
        let is_reached = |hold| self.computed >= hold;
        self.control.stop.is_requested() || self.control.hold.get().is_some_and(is_reached)
    }

    fn add(&mut self, computed: Duration) {
        self.computed += computed;
        self.control.work.add(computed.min(MAX_STEP).as_nanos() as u64);
    }
}

/// Uses the CPU until the burst is over, or for a slice of it.
#[inline(never)]
fn spin(burst: &mut Burst<'_>, slice: Duration) {
    let begin = Instant::now();
    let mut counted = Duration::ZERO;
    while counted < slice && !burst.is_over() {
        for _ in 0..64 {
            spin_loop();
        }
        let computed = begin.elapsed();
        burst.add(computed - counted);
        counted = computed;
    }
}

/// Sleeps on the thread until the hold time is over or a stop is requested.
#[inline(never)]
fn block(control: &HogControl) {
    let begin = Instant::now();
    while !control.stop.is_requested() {
        let hold = control.hold.get();
        let left = hold.map_or(STOP_CHECK_INTERVAL, |hold| hold.saturating_sub(begin.elapsed()));
        if left.is_zero() {
            return;
        }
        thread::sleep(left.min(STOP_CHECK_INTERVAL));
    }
}

/// Blocks the thread until the lock is free.
#[inline(never)]
fn wait_for_lock(lock: &Mutex<()>) {
    drop(lock.lock().unwrap_or_else(PoisonError::into_inner));
}

/// Reads all users of a database.
#[cfg(feature = "web")]
#[inline(never)]
fn query_database(database: &Database) -> std::io::Result<()> {
    database.best(1).map(drop)
}

/// Writes, and blocks until the data is on disk.
#[inline(never)]
fn write_and_sync(file: &File, bytes: &[u8]) -> std::io::Result<()> {
    file.write_all_at(bytes, 0)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Builder;

    use super::*;
    use crate::{
        failure::Failure,
        hog::{HoldTime, Stop, WorkCounter},
    };
    use asynctop_probe::Registry;

    /// Whether a task or thread of the hog still runs.
    fn is_running(control: &HogControl) -> bool {
        control.work.clones() > 1
    }

    #[test]
    fn threads_of_a_hog_end_when_it_is_cancelled_or_stopped() {
        for (kind, cancel) in [
            (HogKind::SpawnBlocking, true),
            (HogKind::SpawnBlocking, false),
            (HogKind::OwnThread, true),
            (HogKind::OwnThread, false),
            (HogKind::Lock, false),
        ] {
            let runtime = Builder::new_multi_thread().worker_threads(1).build().expect("a runtime");
            let spawner = Spawner::new(Registry::leak(), 0, runtime.handle().clone());
            let (stop, work) = (Stop::default(), WorkCounter::default());
            let control = HogControl {
                hold: HoldTime::new(None),
                stop: stop.clone(),
                work,
                failure: Failure::default(),
            };
            let tasks = start(&spawner, kind, 2, &control).expect("threads");
            // The kind `lock` does no work that counts.
            while kind != HogKind::Lock && control.work.get() == 0 {
                thread::yield_now();
            }
            assert!(is_running(&control));
            if cancel {
                tasks.iter().for_each(|(_, task)| task.abort());
            } else {
                stop.request();
            }
            while is_running(&control) {
                thread::yield_now();
            }
        }
    }

    #[test]
    fn burst_of_io_writes_until_it_is_stopped() {
        let file = io::ScratchFile::open().expect("a temporary directory");
        let control = HogControl {
            hold: HoldTime::new(None),
            stop: Stop::default(),
            work: WorkCounter::default(),
            failure: Failure::default(),
        };
        thread::scope(|scope| {
            scope.spawn(|| {
                while control.work.get() == 0 && !control.stop.is_requested() {
                    thread::yield_now();
                }
                control.stop.request();
            });
            let result = file.burst(&control);
            control.stop.request();
            result.expect("free disk space");
        });
    }
}
