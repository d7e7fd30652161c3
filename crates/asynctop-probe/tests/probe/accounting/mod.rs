//! Tests of the accounting on real runtimes, with futures whose exact counts are known.
//!
//! No test depends on the speed of the machine: [`wait_until`] waits for a condition, and a reading at
//! a later `now` replaces a wait.

mod drops;
mod lifecycle;
mod other_counters;
mod polls;
mod readings;
mod slots;
mod threads;
mod wakers;

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

/// A copy of everything that a scan provides of a task.
#[derive(Debug)]
struct TaskCopy {
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

fn tasks_at(registry: &Registry, now: u64) -> Vec<TaskCopy> {
    let mut all = Vec::new();
    registry.scan(now, |task| {
        let r = task.reading;
        assert_eq!(r.lifetime, r.busy + r.scheduled + r.idle, "{}: {r:?}", task.name());
        all.push(TaskCopy {
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

fn tasks(registry: &Registry) -> Vec<TaskCopy> {
    tasks_at(registry, registry.now())
}

fn task_at(registry: &Registry, name: &str, now: u64) -> TaskCopy {
    let mut named = tasks_at(registry, now).into_iter().filter(|task| task.name == name);
    let task = named.next().unwrap_or_else(|| panic!("no task is called {name}"));
    assert!(named.next().is_none(), "several tasks are called {name}");
    task
}

fn task(registry: &Registry, name: &str) -> TaskCopy {
    task_at(registry, name, registry.now())
}

/// A registry that never clears ended tasks.
fn retaining_registry() -> &'static Registry {
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

/// Runs `test` on each runtime flavor, with a new registry.
fn on_each_flavor(test: impl Fn(&Runtime, &'static Registry)) {
    for runtime in [current_thread(), multi_thread(1), multi_thread(4)] {
        test(&runtime, retaining_registry());
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

/// A future that is pending until the test opens it. The test has access to its last waker.
#[derive(Clone, Default)]
struct Gate(Arc<Mutex<(Option<Waker>, bool)>>);

impl Gate {
    fn waker(&self) -> Waker {
        self.0.lock().expect("no poison").0.clone().expect("a waker, after the first poll")
    }

    fn drop_waker(&self) {
        let waker = self.0.lock().expect("no poison").0.take();
        drop(waker);
    }

    /// Makes the next poll return ready.
    fn open(&self) {
        self.0.lock().expect("no poison").1 = true;
    }
}

impl Future for Gate {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.lock().expect("no poison");
        state.0 = Some(context.waker().clone());
        if state.1 { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Runs the scheduled tasks of a current-thread runtime.
fn run_scheduled(runtime: &Runtime) {
    runtime.block_on(async {
        for _ in 0..16 {
            tokio::task::yield_now().await;
        }
    });
}
