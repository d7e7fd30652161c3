//! Who holds a waker, and wakers that outlive what they wake.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    task::Wake,
};

use asynctop_probe::{Instrumented, State};

use super::*;

/// An executor's waker that counts its wakes.
#[derive(Default)]
struct Woken(AtomicU64);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Woken {
    fn times(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

fn poll<F: Future>(future: &mut Pin<Box<Instrumented<F>>>, woken: &Arc<Woken>) -> Poll<F::Output> {
    let waker = Waker::from(woken.clone());
    future.as_mut().poll(&mut Context::from_waker(&waker))
}

#[test]
fn living_wakers_are_counted() {
    let (runtime, registry, gate) = (current_thread(), keeping(), Gate::default());
    let living = |name| task(registry, name).live_wakers;
    runtime.spawn(registry.instrument_task("gate", gate.clone()));
    runtime.spawn(registry.instrument_task("lost", std::future::pending::<()>()));
    run_scheduled(&runtime);
    assert_eq!((living("lost"), living("gate")), (Some(0), Some(1)));
    let another = gate.waker();
    assert_eq!(living("gate"), Some(2));
    gate.lose_waker();
    assert_eq!(living("gate"), Some(1));
    another.wake_by_ref();
    run_scheduled(&runtime);
    assert_eq!(living("gate"), Some(2), "the poll left a fresh one at the gate");
    another.wake();
    assert_eq!(living("gate"), Some(1));
    run_scheduled(&runtime);
    gate.lose_waker();
    assert_eq!(living("gate"), Some(0));
}

#[test]
fn timers_and_channels_hold_a_waker() {
    let (runtime, registry) = (current_thread(), keeping());
    let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
    runtime.spawn(registry.instrument_task("timer", tokio_sleep()));
    runtime.spawn(registry.instrument_task("channel", async { receiver.await.is_ok() }));
    run_scheduled(&runtime);
    for name in ["timer", "channel"] {
        let seen = task(registry, name);
        assert_eq!(seen.reading.state, State::Idle);
        assert!(seen.live_wakers.is_some_and(|n| n > 0), "{seen:?}");
    }
    sender.send(()).expect("a receiver");
    run_scheduled(&runtime);
    let r = task(registry, "channel").reading;
    assert_eq!((r.state, r.polls, r.wakes), (State::Completed, 2, 1));
}

async fn tokio_sleep() {
    tokio::time::sleep(Duration::from_secs(3_600)).await;
}

#[test]
fn a_waker_outlives_its_task() {
    let (runtime, registry, gate) = (current_thread(), Registry::leak(), Gate::default());
    registry.set_retention(Duration::ZERO);
    let handle = runtime.spawn(registry.instrument_task("first", gate.clone()));
    run_scheduled(&runtime);
    let key = task(registry, "first").key;
    let waker = gate.waker();
    handle.abort();
    assert!(runtime.block_on(handle).is_err());

    // Its time is over, so it is not shown; but its slot is not given away.
    for _ in 0..3 {
        assert_eq!(tasks(registry).len(), 0);
        let other = registry.instrument_task("other", async {});
        assert_ne!(other.key() & 0xffff_ffff, key & 0xffff_ffff);
        assert_eq!(task(registry, "other").reading.wakes, 0);
        std::thread::scope(|scope| {
            scope.spawn(|| waker.wake_by_ref());
        });
        waker.wake_by_ref();
        assert_eq!(task(registry, "other").reading.wakes, 0);
    }

    // With the last waker gone it is, under another key.
    gate.lose_waker();
    waker.wake();
    assert_eq!(tasks(registry).len(), 0);
    let again: Vec<_> = (0..512).map(|_| registry.instrument_task("again", async {})).collect();
    assert!(again.iter().all(|task| task.key() != key));
    assert!(again.iter().any(|task| task.key() & 0xffff_ffff == key & 0xffff_ffff));
}

#[test]
fn the_executors_waker_is_let_go_with_the_last_of_ours() {
    let (registry, gate, woken) = (keeping(), Gate::default(), Arc::new(Woken::default()));
    let mut future = Box::pin(registry.instrument_task("t", gate.clone()));
    assert!(poll(&mut future, &woken).is_pending());
    assert_eq!(Arc::strong_count(&woken), 2);
    gate.waker().wake();
    assert_eq!(woken.times(), 1);
    drop(future);
    assert_eq!(Arc::strong_count(&woken), 2, "the gate holds a waker of it");
    gate.waker().wake();
    assert_eq!(woken.times(), 2, "it may still be called");
    gate.lose_waker();
    assert_eq!(Arc::strong_count(&woken), 1);
}

#[test]
fn a_future_that_moves_to_another_task_takes_that_ones_waker() {
    let (registry, gate) = (keeping(), Gate::default());
    let [first, second, third] = [(); 3].map(|()| Arc::new(Woken::default()));
    let mut future = Box::pin(registry.instrument("t", gate.clone()));
    assert!(poll(&mut future, &first).is_pending());

    // The gate still holds a waker of the first task's.
    let of_first = gate.waker();
    assert!(poll(&mut future, &second).is_pending());
    assert_eq!(task(registry, "t").live_wakers, None, "not all of them are counted");
    let of_second = gate.waker();
    of_second.wake();
    assert_eq!((first.times(), second.times()), (0, 1));
    of_first.wake();
    assert_eq!((first.times(), second.times()), (1, 1));
    assert_eq!(task(registry, "t").reading.wakes, 2);

    // With no waker about, the newcomer's takes the first one's place.
    gate.lose_waker();
    assert_eq!(task(registry, "t").live_wakers, Some(0));
    assert!(poll(&mut future, &third).is_pending());
    assert_eq!(task(registry, "t").live_wakers, Some(1));
    assert_eq!([&first, &second, &third].map(Arc::strong_count), [1, 1, 2]);
    gate.waker().wake();
    assert_eq!(third.times(), 1);
    let r = task(registry, "t").reading;
    assert_eq!((r.polls, r.wakes, r.self_wakes), (3, 3, 0));
}

#[test]
fn wakers_that_are_cloned_and_dropped_on_many_threads_are_all_counted() {
    let (runtime, registry, gate) = (multi_thread(2), keeping(), Gate::default());
    let handle = runtime.spawn(registry.instrument_task("t", gate.clone()));
    wait_until("it is idle", || task(registry, "t").reading.state == State::Idle);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..2_000 {
                    let waker = gate.waker();
                    let another = waker.clone();
                    another.wake();
                    waker.wake_by_ref();
                }
            });
        }
    });
    gate.open();
    gate.waker().wake();
    runtime.block_on(handle).expect("a task that ends");
    let r = task(registry, "t").reading;
    assert_eq!(r.wakes, 4 * 2_000 * 2 + 1);
    // `JoinHandle` was polled, so Tokio is done with the future: the gate holds the rest.
    gate.lose_waker();
    registry.set_retention(Duration::ZERO);
    assert_eq!(tasks(registry).len(), 0);
}

#[test]
fn a_task_that_clones_millions_of_wakers_keeps_count_of_them() {
    // A task counts up to a million clones (2²⁰) on its own before it hands them in.
    const POLLS: u64 = 1_000;
    const CLONES: u64 = 2_500;
    let (runtime, registry, gate) = (multi_thread(1), keeping(), Gate::default());
    let (mut polls, mut inner_gate) = (0, gate.clone());
    let future = std::future::poll_fn(move |context| {
        if polls == POLLS {
            return Pin::new(&mut inner_gate).poll(context);
        }
        polls += 1;
        for _ in 0..CLONES {
            drop(context.waker().clone());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    });
    let handle = runtime.spawn(registry.instrument_task("t", future));
    loop {
        let seen = task(registry, "t");
        assert!(seen.live_wakers.is_some_and(|n| n <= 1), "{:?}", seen.live_wakers);
        if seen.reading.state == State::Idle {
            break;
        }
    }
    assert_eq!(task(registry, "t").live_wakers, Some(1));
    gate.open();
    gate.waker().wake();
    runtime.block_on(handle).expect("a task that ends");
    gate.lose_waker();
    let r = task(registry, "t").reading;
    assert_eq!((r.wakes, r.self_wakes, r.polls), (POLLS + 1, POLLS, POLLS + 2));
    wait_until("all wakers are gone", || task(registry, "t").live_wakers == Some(0));
}
