//! The source over any runtime of this process, without a lab.

use std::time::Duration;

use asynctop::{
    model::{Flavor, Model, Subscription, Target},
    probe::{LocalSampler, Registry, State},
    watch::{WatchOptions, Watchdog},
};
use tokio::runtime::{Builder, Runtime};

use crate::support::wait_until;

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn look(source: &mut LocalSampler) -> Target {
    source.sample(&Subscription::default())
}

#[test]
fn any_runtime_can_be_watched() {
    let registry = Registry::leak();
    let runtime = current_thread();
    let mut source = LocalSampler::new("mine", registry, runtime.handle());
    runtime.spawn(registry.instrument_task("waiter-1", std::future::pending::<()>()));
    runtime.spawn(std::future::pending::<()>());
    runtime.block_on(tokio::task::yield_now());

    let snapshot = look(&mut source);
    let flavor = snapshot.runtime.flavor;
    assert_eq!((&*snapshot.description.name, flavor), ("mine", Some(Flavor::CurrentThread)));
    assert_eq!(snapshot.runtime.alive_tasks, 2);
    assert_eq!(snapshot.runtime.measured_tasks, 1);
    let task = &snapshot.tasks[0];
    assert_eq!((&*task.meta.name, &*task.meta.group), ("waiter-1", "waiter"));
    assert!(task.meta.location.starts_with("tests/lab/live.rs:"), "{}", task.meta.location);
    assert_eq!((task.state, task.live_wakers), (State::Idle, Some(0)));
    assert_eq!(snapshot.workers.len(), 1);
    assert_eq!(snapshot.workers[0].polls, 1);
    assert!(snapshot.lab.is_none());
}

#[test]
fn what_a_thread_did_for_another_runtime_is_not_counted_for_this_one() {
    let registry = Registry::leak();
    let work = || async {
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
    };
    // On a thread that ends: the next one takes over its place in the registry.
    let before = std::thread::spawn(move || {
        current_thread().block_on(registry.instrument("earlier", work()));
    });
    before.join().expect("no panic");
    let now = std::thread::spawn(move || {
        let runtime = current_thread();
        let mut source = LocalSampler::new("mine", registry, runtime.handle());
        runtime.block_on(registry.instrument("later", work()));
        look(&mut source).workers[0].polls
    });
    assert_eq!(now.join().expect("no panic"), 1_001);
}

#[test]
fn slots_that_are_used_again_show_the_new_task_under_its_own_name() {
    let registry = Registry::leak();
    registry.set_retention(Duration::ZERO);
    let runtime = current_thread();
    let mut source = LocalSampler::new("mine", registry, runtime.handle());
    let mut seen = Vec::new();
    for round in 0..5 {
        let spawn = |n: usize| {
            let name = format!("round{round}-{n}");
            runtime.spawn(registry.instrument_task(&name, std::future::pending::<()>()))
        };
        let tasks: Vec<_> = (0..300).map(spawn).collect();
        runtime.block_on(tokio::task::yield_now());
        let snapshot = look(&mut source);
        assert!(snapshot.tasks.windows(2).all(|pair| pair[0].key < pair[1].key));
        let of_round = format!("round{round}");
        let alive = snapshot.tasks.iter().filter(|task| !task.state.is_done());
        assert!(alive.clone().all(|task| *task.meta.group == *of_round));
        assert_eq!(alive.count(), 300);
        seen.extend(snapshot.tasks.iter().map(|task| (task.key, task.meta.id)));
        // Every second one, so that the slots come back in disorder.
        tasks.iter().step_by(2).chain(&tasks[1..]).for_each(|task| task.abort());
        wait_until("the tasks are gone", || {
            runtime.block_on(tokio::task::yield_now());
            registry.live() == 0
        });
    }
    seen.sort_unstable();
    seen.dedup();
    let mut keys: Vec<_> = seen.iter().map(|(key, _)| *key).collect();
    keys.dedup();
    assert_eq!(keys.len(), seen.len(), "a key names one task only");
}

#[test]
fn the_ledger_says_on_which_worker_a_long_poll_was() {
    let registry = Registry::leak();
    let watchdog = Watchdog::start(registry, WatchOptions::default()).expect("a thread");
    let runtime = Builder::new_multi_thread().worker_threads(2).build().expect("a runtime");
    let source = LocalSampler::new("mine", registry, runtime.handle());
    let mut source = source.with_watchdog(watchdog.handle().clone());
    let (end, ends) = std::sync::mpsc::channel::<()>();
    runtime.spawn(registry.instrument("hog", async move {
        let _ = ends.recv();
    }));
    let mut model = Model::default();
    let (name, worker) = loop {
        model.advance(look(&mut source).into());
        if let Some(entry) = model.blame().entries().next() {
            let meta = entry.meta.as_ref().expect("it is in the snapshot");
            break (meta.name.clone(), entry.evidence.worker);
        }
        std::thread::yield_now();
    };
    let snapshot = model.snapshot().expect("one was taken");
    let busy = snapshot.workers.iter().find(|worker| worker.current.is_some());
    assert_eq!(&*name, "hog");
    assert!(worker.is_some());
    assert_eq!(worker, busy.map(|worker| worker.index), "where the hog is polled");
    end.send(()).expect("it waits");
}
