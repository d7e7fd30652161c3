//! Readings of running tasks: during a poll, in the run queue, idle.

use std::sync::mpsc;

use asynctop_probe::{CurrentPoll, PollKind, State};

use super::*;

const SECOND: u64 = 1_000_000_000;

/// A task that blocks inside its poll until the sender is used or dropped.
fn blocking(
    registry: &'static Registry,
    name: &str,
) -> (impl Future<Output = ()>, mpsc::Sender<()>) {
    let (end, ended) = mpsc::channel::<()>();
    let future = registry.instrument_task(name, async move {
        let _ = ended.recv();
    });
    (future, end)
}

#[test]
fn running_poll_is_busy_time() {
    let (runtime, registry) = (multi_thread(1), retaining_registry());
    let (future, end) = blocking(registry, "hog");
    let handle = runtime.spawn(future);
    wait_until("it is polled", || task(registry, "hog").reading.state == State::Polling);

    let now = registry.now();
    let (first, later) = (task_at(registry, "hog", now), task_at(registry, "hog", now + SECOND));
    assert_eq!((first.reading.state, first.reading.polls), (State::Polling, 1));
    assert_eq!(first.reading.busy, now - first.reading.since);
    assert_eq!(later.reading.busy, first.reading.busy + SECOND);
    assert_eq!(later.reading.lifetime, first.reading.lifetime + SECOND);
    assert_eq!(later.reading.max_poll, later.reading.busy, "the running poll is the longest");
    assert_eq!(later.reading.scheduled, first.reading.scheduled);
    assert_eq!((later.reading.idle, first.poll_times.count()), (0, 0));

    drop(end);
    runtime.block_on(handle).expect("no panic");
    let end = task(registry, "hog").reading;
    assert_eq!((end.state, end.polls, end.busy), (State::Completed, 1, end.max_poll));
    assert_eq!(end.scheduled, first.reading.scheduled);
}

fn in_poll(task: u64, since: u64) -> CurrentPoll {
    CurrentPoll { task, since, kind: PollKind::Poll }
}

#[test]
fn thread_has_the_poll_that_it_is_in() {
    let (runtime, registry) = (multi_thread(1), retaining_registry());
    let (future, end) = blocking(registry, "hog");
    let handle = runtime.spawn(future);
    let in_a_poll = || registry.threads(registry.now()).iter().any(|t| t.current.is_some());
    wait_until("a thread is in a poll", in_a_poll);

    let now = registry.now();
    let (hog, threads) = (task_at(registry, "hog", now), registry.threads(now));
    let [thread] = &threads[..] else { panic!("one thread polls: {threads:?}") };
    assert_eq!(thread.current, Some(in_poll(hog.key, hog.reading.since)));
    assert_eq!((thread.busy, thread.polls), (hog.reading.busy, 1));
    assert_eq!(registry.threads(now + SECOND)[0].busy, thread.busy + SECOND);
    assert!(thread.id.is_some_and(|id| id != std::thread::current().id()));
    assert!(!thread.name.is_empty(), "Tokio names its workers");

    drop(end);
    runtime.block_on(handle).expect("no panic");
    let thread = &registry.threads(registry.now())[0];
    assert_eq!((thread.current, thread.polls), (None, 1));
    assert_eq!(thread.busy, task(registry, "hog").reading.busy);
}

#[test]
fn scheduled_and_idle_time_grow_separately() {
    let (runtime, registry, gate) = (current_thread(), retaining_registry(), Gate::default());
    runtime.spawn(registry.instrument_task("t", gate.clone()));
    let growth = || {
        let now = registry.now();
        let (a, b) =
            (task_at(registry, "t", now).reading, task_at(registry, "t", now + SECOND).reading);
        (a.state, [b.busy - a.busy, b.scheduled - a.scheduled, b.idle - a.idle])
    };
    assert_eq!(growth(), (State::Scheduled, [0, SECOND, 0]));
    run_scheduled(&runtime);
    assert_eq!(growth(), (State::Idle, [0, 0, SECOND]));
    gate.waker().wake();
    assert_eq!(growth(), (State::Scheduled, [0, SECOND, 0]));
    gate.open();
    run_scheduled(&runtime);
    assert_eq!(growth(), (State::Completed, [0, 0, 0]));
}

#[test]
fn innermost_poll_is_current_and_time_is_counted_once() {
    let (runtime, registry) = (multi_thread(1), retaining_registry());
    let (inner, end) = blocking(registry, "inner");
    let handle = runtime.spawn(registry.instrument_task("outer", async {
        inner.await;
        SelfWaking { pending: 3, wakes: 1 }.await;
    }));
    wait_until("the inner poll has begun", || {
        tasks(registry).iter().any(|t| t.name == "inner" && t.reading.state == State::Polling)
            && registry.threads(registry.now())[0].polls == 2
    });
    let now = registry.now();
    let (outer, inner) = (task_at(registry, "outer", now), task_at(registry, "inner", now));
    let thread = &registry.threads(now)[0];
    assert_eq!(thread.current, Some(in_poll(inner.key, inner.reading.since)));
    assert_eq!(thread.busy, outer.reading.busy, "the inner poll is part of the outer one");

    drop(end);
    runtime.block_on(handle).expect("no panic");
    let thread = &registry.threads(registry.now())[0];
    let (outer, inner) = (task(registry, "outer").reading, task(registry, "inner").reading);
    assert_eq!(thread.busy, outer.busy);
    assert_eq!(thread.polls, outer.polls + inner.polls);
}

#[test]
fn stage_is_that_of_the_current_task() {
    asynctop_probe::stage("outside any task");
    let (runtime, registry, gate) = (current_thread(), retaining_registry(), Gate::default());
    let inner_gate = gate.clone();
    runtime.spawn(registry.instrument_task("t", async move {
        asynctop_probe::stage("waiting for the gate");
        inner_gate.await;
        registry.instrument("inner", async { asynctop_probe::stage("inside") }).await;
        asynctop_probe::stage("done");
    }));
    assert_eq!(task(registry, "t").stage, None);
    run_scheduled(&runtime);
    assert_eq!(task(registry, "t").stage, Some("waiting for the gate"));
    gate.open();
    gate.waker().wake();
    run_scheduled(&runtime);
    assert_eq!(task(registry, "t").stage, Some("done"));
    assert_eq!(task(registry, "inner").stage, Some("inside"));
}

#[test]
fn stage_is_never_read_torn() {
    const STAGES: [&str; 3] = ["a", "a longer one", ""];
    let (runtime, registry) = (multi_thread(1), retaining_registry());
    let (end, ended) = mpsc::channel::<()>();
    let handle = runtime.spawn(registry.instrument_task("t", async move {
        while ended.try_recv() == Err(mpsc::TryRecvError::Empty) {
            STAGES.iter().for_each(|stage| asynctop_probe::stage(stage));
        }
    }));
    for _ in 0..20_000 {
        let stage = task(registry, "t").stage;
        assert!(stage.is_none_or(|stage| STAGES.contains(&stage)), "{stage:?}");
    }
    drop(end);
    runtime.block_on(handle).expect("no panic");
}
