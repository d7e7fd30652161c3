//! The accounting on real runtimes and known futures: all counts are exact.
//!
//! No test depends on the speed of the machine. Where a thread has to make progress, [`wait_until`]
//! waits for the condition itself; where time has to pass, the reading is taken for a later `now`.

mod drops;
mod in_a_poll;
mod lifecycle;
mod polls;
mod slots;
mod threads;
mod wakers;
mod yardsticks;

use std::{
    future::Future,
    panic::Location,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use asynctop_probe::{Reading, Registry, snapshot::Histogram};
use tokio::runtime::{Builder, Runtime};

use crate::support::wait_until;

/// What a scan shows of a task.
#[derive(Debug)]
struct Seen {
    key: u64,
    id: u64,
    name: String,
    location: &'static Location<'static>,
    future_size: u32,
    reading: Reading,
    stage: Option<&'static str>,
    live_wakers: Option<u32>,
    poll_times: Histogram,
    delays: Histogram,
}

fn tasks_at(registry: &Registry, now: u64) -> Vec<Seen> {
    let mut all = Vec::new();
    registry.scan(now, |task| {
        let r = task.reading;
        assert_eq!(r.lifetime, r.busy + r.scheduled + r.idle, "{}: {r:?}", task.name());
        all.push(Seen {
            key: task.key(),
            id: task.id(),
            name: task.name().to_owned(),
            location: task.location(),
            future_size: task.future_size(),
            reading: r,
            stage: task.stage,
            live_wakers: task.live_wakers(),
            poll_times: task.poll_times(),
            delays: task.delays(),
        });
    });
    all
}

fn tasks(registry: &Registry) -> Vec<Seen> {
    tasks_at(registry, registry.now())
}

fn task_at(registry: &Registry, name: &str, now: u64) -> Seen {
    let mut named = tasks_at(registry, now).into_iter().filter(|task| task.name == name);
    let task = named.next().unwrap_or_else(|| panic!("no task is called {name}"));
    assert!(named.next().is_none(), "several tasks are called {name}");
    task
}

fn task(registry: &Registry, name: &str) -> Seen {
    task_at(registry, name, registry.now())
}

/// A registry that keeps ended tasks for good.
fn keeping() -> &'static Registry {
    let registry = Registry::leak();
    registry.set_retention(Duration::MAX);
    registry
}

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn multi_thread(workers: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(workers).enable_all().build().expect("a runtime")
}

/// Runs `test` on each flavour, with a registry of its own.
fn on_each_flavour(test: impl Fn(&Runtime, &'static Registry)) {
    for runtime in [current_thread(), multi_thread(1), multi_thread(4)] {
        test(&runtime, keeping());
    }
}

/// Returns pending `pending` times, and wakes itself `wakes` times before each.
struct SelfWaking {
    pending: u64,
    wakes: u64,
}

impl Future for SelfWaking {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.pending == 0 {
            return Poll::Ready(());
        }
        self.pending -= 1;
        for _ in 0..self.wakes {
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

/// A future that the test holds in its hand: pending until opened, and its last waker
/// is here to be called, cloned or lost.
#[derive(Clone, Default)]
struct Gate(Arc<Mutex<(Option<Waker>, bool)>>);

impl Gate {
    fn waker(&self) -> Waker {
        self.0.lock().expect("no poison").0.clone().expect("a waker, after the first poll")
    }

    fn lose_waker(&self) {
        let waker = self.0.lock().expect("no poison").0.take();
        drop(waker);
    }

    /// The next poll will be the last.
    fn open(&self) {
        self.0.lock().expect("no poison").1 = true;
    }
}

impl Future for Gate {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut inside = self.0.lock().expect("no poison");
        inside.0 = Some(context.waker().clone());
        if inside.1 { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Lets a current-thread runtime run what is scheduled.
fn run_scheduled(runtime: &Runtime) {
    runtime.block_on(async {
        for _ in 0..16 {
            tokio::task::yield_now().await;
        }
    });
}
