//! The hog: a task that blocks its worker, in the ways in which real programs do, and the same work
//! without blocking.
//!
//! A hog works in rounds and yields once after each. The rounds of the anti-patterns are in this
//! file, so that a stack has `hog::spin` or `hog::wait_for_lock`; the fixes have files of their
//! own. With the hold time "never" the first round never ends, including that of a fix, which then
//! works in slices or elsewhere without end.

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
    hog::{HogKind, Orders},
    spawner::Spawner,
};

/// How long a hog that blocks sleeps before it looks whether to stop.
const NAP: Duration = Duration::from_millis(5);

/// What a hog needs for its rounds.
#[derive(Clone)]
enum Means {
    Spin,
    Block,
    Lock(lock::Visitor),
    Io(io::Scratch),
    #[cfg(feature = "web")]
    Db(db::Questions),
    Yield,
    Budget,
    SpawnBlocking,
    BlockInPlace,
    OwnThread,
}

impl Means {
    fn open(kind: HogKind, orders: &Orders) -> std::io::Result<Means> {
        Ok(match kind {
            HogKind::Spin => Means::Spin,
            HogKind::Block => Means::Block,
            HogKind::Lock => Means::Lock(lock::begin(orders.clone())?),
            HogKind::Io => Means::Io(io::Scratch::open()?),
            #[cfg(feature = "web")]
            HogKind::Db => Means::Db(db::Questions::open()?),
            HogKind::Yield => Means::Yield,
            HogKind::Budget => Means::Budget,
            HogKind::SpawnBlocking => Means::SpawnBlocking,
            HogKind::BlockInPlace => Means::BlockInPlace,
            HogKind::OwnThread => Means::OwnThread,
        })
    }
}

/// Lets as many hogs loose as there should be: their keys and their handles.
///
/// # Errors
/// If the system refuses the file or the thread that they need.
pub(crate) fn release(
    spawner: &Spawner,
    kind: HogKind,
    count: usize,
    orders: &Orders,
) -> std::io::Result<Vec<(u64, AbortHandle)>> {
    let means = Means::open(kind, orders)?;
    let one = |number| {
        let name = if count == 1 { "hog".to_owned() } else { format!("hog-{number}") };
        let orders = Orders { stop: orders.stop.of_one(), ..orders.clone() };
        spawner.spawn(&name, run(means.clone(), orders))
    };
    Ok((1..=count).map(one).collect())
}

async fn run(mut means: Means, orders: Orders) {
    let _ends = Ends(orders.clone());
    loop {
        if let Err(why) = round(&mut means, &orders).await {
            stage("failed");
            orders.failure.report(|| why);
            return;
        }
        if orders.stop.asked() {
            return;
        }
        stage("yields");
        yield_now().await;
    }
}

/// Does something that takes a moment, again and again until the hold is over. Blocks the
/// thread: that is the disease.
fn again_and_again(
    orders: &Orders,
    mut once: impl FnMut() -> Result<(), String>,
) -> Result<(), String> {
    let begin = Instant::now();
    let is_over = || {
        let over = |hold| begin.elapsed() >= hold;
        orders.stop.asked() || orders.hold.get().is_some_and(over)
    };
    while !is_over() {
        once()?;
        orders.work.add(1);
    }
    Ok(())
}

/// Stops a hog's work on other threads when its task ends, also by cancellation or a panic.
struct Ends(Orders);

impl Drop for Ends {
    fn drop(&mut self) {
        let Ends(orders) = self;
        if thread::panicking() {
            orders.failure.report(|| "it panicked".to_owned());
        }
        orders.stop.now();
    }
}

async fn round(means: &mut Means, orders: &Orders) -> Result<(), String> {
    match means {
        Means::Spin => {
            stage("spins");
            spin(&mut Round::begin(orders), Duration::MAX);
        }
        Means::Block => {
            stage("blocks the thread");
            block(orders);
        }
        Means::Lock(visitor) => visitor.round().await,
        Means::Io(scratch) => scratch.round(orders)?,
        #[cfg(feature = "web")]
        Means::Db(questions) => questions.round(orders)?,
        Means::Yield => slices::yielding(orders).await,
        Means::Budget => slices::within_budget(orders).await,
        Means::SpawnBlocking => offload::to_the_pool(orders).await,
        Means::BlockInPlace => offload::in_place(orders),
        Means::OwnThread => offload::to_a_thread(orders).await?,
    }
    Ok(())
}

/// The computing that one round has to do. What counts is the time spent computing, so
/// that the round of a fix is as much work as that of an anti-pattern.
struct Round<'a> {
    orders: &'a Orders,
    computed: Duration,
}

impl<'a> Round<'a> {
    fn begin(orders: &'a Orders) -> Self {
        Round { orders, computed: Duration::ZERO }
    }

    fn is_over(&self) -> bool {
        // The hold may change meanwhile.
        let done = |hold| self.computed >= hold;
        self.orders.stop.asked() || self.orders.hold.get().is_some_and(done)
    }

    fn add(&mut self, computed: Duration) {
        self.computed += computed;
        self.orders.work.add(computed.as_nanos() as u64);
    }
}

/// Burns the processor until the round is over, or for a slice of it.
#[inline(never)]
fn spin(round: &mut Round<'_>, slice: Duration) {
    let begin = Instant::now();
    let mut counted = Duration::ZERO;
    while counted < slice && !round.is_over() {
        for _ in 0..64 {
            spin_loop();
        }
        let computed = begin.elapsed();
        round.add(computed - counted);
        counted = computed;
    }
}

/// Sleeps in the thread until the hold is over or the stop is asked for.
#[inline(never)]
fn block(orders: &Orders) {
    let begin = Instant::now();
    while !orders.stop.asked() {
        let left = orders.hold.get().map_or(NAP, |hold| hold.saturating_sub(begin.elapsed()));
        if left.is_zero() {
            return;
        }
        thread::sleep(left.min(NAP));
    }
}

/// Waits, in the thread, until nobody else has the lock.
#[inline(never)]
fn wait_for_lock(lock: &Mutex<()>) {
    drop(lock.lock().unwrap_or_else(PoisonError::into_inner));
}

/// Reads all the users of a database.
#[cfg(feature = "web")]
#[inline(never)]
fn ask_database(database: &Database) -> std::io::Result<()> {
    database.best(1).map(drop)
}

/// Writes and does not come back before the disk has it.
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
        hog::{Hold, Stop, Work},
    };
    use asynctop_probe::Registry;

    /// Whether threads of the hog still have their orders.
    fn is_obeyed(orders: &Orders) -> bool {
        orders.work.holders() > 1
    }

    #[test]
    fn no_thread_outlives_a_hog_that_was_cancelled_or_told_to_stop() {
        for (kind, cancel) in [
            (HogKind::SpawnBlocking, true),
            (HogKind::SpawnBlocking, false),
            (HogKind::OwnThread, true),
            (HogKind::OwnThread, false),
            (HogKind::Lock, false),
        ] {
            let runtime = Builder::new_multi_thread().worker_threads(1).build().expect("a runtime");
            let spawner = Spawner::new(Registry::leak(), 0, runtime.handle().clone());
            let (stop, work) = (Stop::default(), Work::default());
            let orders = Orders {
                hold: Hold::new(None),
                stop: stop.clone(),
                work,
                failure: Failure::default(),
            };
            let tasks = release(&spawner, kind, 2, &orders).expect("threads");
            // It never stops by itself.
            while kind != HogKind::Lock && orders.work.get() == 0 {
                thread::yield_now();
            }
            assert!(is_obeyed(&orders));
            if cancel {
                tasks.iter().for_each(|(_, task)| task.abort());
            } else {
                stop.now();
            }
            while is_obeyed(&orders) {
                thread::yield_now();
            }
        }
    }

    #[test]
    fn the_file_of_a_hog_has_no_name() {
        let scratch = io::Scratch::open().expect("a temporary directory");
        let orders = Orders {
            hold: Hold::new(Some(Duration::from_millis(1))),
            stop: Stop::default(),
            work: Work::default(),
            failure: Failure::default(),
        };
        scratch.round(&orders).expect("room on the disk");
        assert!(orders.work.get() > 0);
        let begin = format!("asynctop-{}-", std::process::id());
        let here = std::fs::read_dir(std::env::temp_dir()).expect("a directory");
        let names = here.flatten().map(|entry| entry.file_name());
        assert!(!names.into_iter().any(|name| name.to_string_lossy().starts_with(&begin)));
    }
}
