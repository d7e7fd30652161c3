//! Counts of polls and wakes.

use asynctop_probe::State;
use futures_util::{StreamExt, stream::FuturesUnordered};

use super::*;

#[test]
fn polls_wakes_and_self_wakes_are_exact() {
    on_each_flavor(|runtime, registry| {
        for (name, pending, wakes) in
            [("ready", 0, 0), ("pending once", 1, 1), ("pending often", 1_000, 3)]
        {
            let future = registry.instrument_task(name, SelfWaking { pending, wakes });
            runtime.block_on(runtime.spawn(future)).expect("no panic");
            let seen = task(registry, name);
            assert_eq!(seen.reading.state, State::Completed);
            assert_eq!(seen.reading.polls, pending + 1);
            assert_eq!(seen.reading.wakes, pending * wakes);
            assert_eq!(seen.reading.self_wakes, pending * wakes);
            assert_eq!(seen.poll_times.count(), pending + 1);
            assert_eq!(seen.delays.count(), pending + 1, "the spawn and each wake");
        }
        assert_eq!(registry.delays().count(), 1 + 2 + 1_001);
    });
}

#[test]
fn all_polls_are_counted_on_several_workers() {
    let (runtime, registry) = (multi_thread(4), retaining_registry());
    runtime.block_on(async {
        let all: Vec<_> = (0..200)
            .map(|pending| {
                tokio::spawn(registry.instrument_task("many", SelfWaking { pending, wakes: 1 }))
            })
            .collect();
        for one in all {
            one.await.expect("no panic");
        }
    });
    let mut polls: Vec<_> = tasks(registry).iter().map(|task| task.reading.polls).collect();
    polls.sort_unstable();
    assert_eq!(polls, (1..=200).collect::<Vec<_>>());
}

#[test]
fn wakes_of_a_scheduled_task_are_counted_without_a_poll() {
    let (runtime, registry, gate) = (current_thread(), retaining_registry(), Gate::default());
    runtime.spawn(registry.instrument_task("gate", gate.clone()));
    run_scheduled(&runtime);
    let waker = gate.waker();
    std::thread::spawn(move || (0..3).for_each(|_| waker.wake_by_ref())).join().expect("woken");
    assert_eq!(task(registry, "gate").reading.state, State::Scheduled);
    run_scheduled(&runtime);
    let r = task(registry, "gate").reading;
    assert_eq!((r.state, r.polls, r.wakes, r.self_wakes), (State::Idle, 2, 3, 0));
}

#[test]
fn wake_on_another_thread_during_the_poll_is_not_a_self_wake() {
    on_each_flavor(|runtime, registry| {
        let mut polled = false;
        let future = std::future::poll_fn(move |context| {
            if std::mem::replace(&mut polled, true) {
                return Poll::Ready(());
            }
            let waker = context.waker().clone();
            std::thread::spawn(move || waker.wake()).join().expect("woken");
            Poll::Pending
        });
        let future = registry.instrument_task("woken", future);
        runtime.block_on(runtime.spawn(future)).expect("no panic");
        let r = task(registry, "woken").reading;
        assert_eq!((r.polls, r.wakes, r.self_wakes), (2, 1, 0));
    });
}

#[test]
fn wake_in_the_poll_of_another_task_is_not_a_self_wake() {
    let (runtime, registry, gate) = (current_thread(), retaining_registry(), Gate::default());
    runtime.spawn(registry.instrument_task("woken", gate.clone()));
    run_scheduled(&runtime);
    runtime.spawn(registry.instrument_task("waker", async move { gate.waker().wake() }));
    run_scheduled(&runtime);
    let r = task(registry, "woken").reading;
    assert_eq!((r.polls, r.wakes, r.self_wakes), (2, 1, 0));
    assert_eq!(task(registry, "waker").reading.self_wakes, 0);
}

#[test]
fn nested_future_has_its_own_statistics() {
    on_each_flavor(|runtime, registry| {
        let future = registry.instrument_task("outer", async move {
            registry.instrument("inner", SelfWaking { pending: 10, wakes: 1 }).await;
            SelfWaking { pending: 5, wakes: 1 }.await;
        });
        runtime.block_on(runtime.spawn(future)).expect("no panic");
        let (outer, inner) = (task(registry, "outer").reading, task(registry, "inner").reading);
        assert_eq!((inner.polls, inner.wakes, inner.self_wakes), (11, 10, 10));
        // A wake in the inner poll is also a wake in the outer one.
        assert_eq!((outer.polls, outer.wakes, outer.self_wakes), (16, 15, 15));
        assert!(inner.busy <= outer.busy, "the inner polls are part of the outer ones");
        assert!(inner.max_poll <= outer.max_poll);
    });
}

#[test]
fn nested_future_that_is_polled_because_of_a_sibling_stays_idle() {
    let (runtime, registry, gate) = (current_thread(), retaining_registry(), Gate::default());
    let inner = registry.instrument("inner", gate.clone());
    let both = async move { tokio::join!(inner, SelfWaking { pending: 9, wakes: 1 }) };
    runtime.spawn(registry.instrument_task("outer", both));
    run_scheduled(&runtime);
    let inner = task(registry, "inner");
    assert_eq!(inner.reading.wakes, 0);
    assert!(inner.reading.polls > 1, "polled because of its sibling");
    assert_eq!(inner.delays.count(), 0, "it was not woken, and created before its first poll");
    assert_eq!(inner.reading.scheduled, 0);
}

#[test]
fn counts_are_exact_with_foreign_wakers() {
    on_each_flavor(|runtime, registry| {
        let future = async move {
            let mut all: FuturesUnordered<_> = (0..20)
                .map(|pending| registry.instrument("child", SelfWaking { pending, wakes: 1 }))
                .collect();
            while all.next().await.is_some() {}
        };
        let future = registry.instrument_task("parent", future);
        runtime.block_on(runtime.spawn(future)).expect("no panic");
        let mut children: Vec<_> = tasks(registry)
            .into_iter()
            .filter(|task| task.name == "child")
            .map(|task| (task.reading.polls, task.reading.wakes, task.reading.self_wakes))
            .collect();
        children.sort_unstable();
        assert_eq!(children, (0..20).map(|n| (n + 1, n, n)).collect::<Vec<_>>());
    });
}
