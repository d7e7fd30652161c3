//! Counts of live wakers, and wakers that outlive their task.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    task::Wake,
};

use asynctop_probe::{Instrumented, State};

use super::*;

/// An executor's waker that counts its wakes.
#[derive(Default)]
struct CountingWaker(AtomicU64);

impl Wake for CountingWaker {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl CountingWaker {
    fn wakes(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

fn poll<F: Future>(
    future: &mut Pin<Box<Instrumented<F>>>,
    woken: &Arc<CountingWaker>,
) -> Poll<F::Output> {
    let waker = Waker::from(woken.clone());
    future.as_mut().poll(&mut Context::from_waker(&waker))
}

#[test]
fn live_wakers_are_counted() {
    let (runtime, registry, gate) = (current_thread(), retaining_registry(), Gate::default());
    let live = |name| task(registry, name).live_wakers;
    runtime.spawn(registry.instrument_task("gate", gate.clone()));
    runtime.spawn(registry.instrument_task("lost", std::future::pending::<()>()));
    run_scheduled(&runtime);
    assert_eq!((live("lost"), live("gate")), (Some(0), Some(1)));
    let another = gate.waker();
    assert_eq!(live("gate"), Some(2));
    gate.drop_waker();
    assert_eq!(live("gate"), Some(1));
    another.wake_by_ref();
    run_scheduled(&runtime);
    assert_eq!(live("gate"), Some(2), "the gate has the waker of the last poll");
    another.wake();
    assert_eq!(live("gate"), Some(1));
    run_scheduled(&runtime);
    gate.drop_waker();
    assert_eq!(live("gate"), Some(0));
}

#[test]
fn timers_and_channels_hold_wakers() {
    let (runtime, registry) = (current_thread(), retaining_registry());
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
fn slot_is_reused_only_after_its_last_waker_is_dropped() {
    let (runtime, registry, gate) = (current_thread(), Registry::leak(), Gate::default());
    registry.set_retention(Duration::ZERO);
    let handle = runtime.spawn(registry.instrument_task("first", gate.clone()));
    run_scheduled(&runtime);
    let key = task(registry, "first").key;
    let waker = gate.waker();
    handle.abort();
    assert!(runtime.block_on(handle).is_err());

    // The retention time has passed, so the task is hidden, but its slot is not reused.
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

    // Without wakers it is reused, with another key.
    gate.drop_waker();
    waker.wake();
    assert_eq!(tasks(registry).len(), 0);
    let new: Vec<_> = (0..512).map(|_| registry.instrument_task("new", async {})).collect();
    assert!(new.iter().all(|task| task.key() != key));
    assert!(new.iter().any(|task| task.key() & 0xffff_ffff == key & 0xffff_ffff));
}

#[test]
fn executors_waker_is_dropped_with_the_last_reference() {
    let (registry, gate, woken) =
        (retaining_registry(), Gate::default(), Arc::new(CountingWaker::default()));
    let mut future = Box::pin(registry.instrument_task("t", gate.clone()));
    assert!(poll(&mut future, &woken).is_pending());
    assert_eq!(Arc::strong_count(&woken), 2);
    gate.waker().wake();
    assert_eq!(woken.wakes(), 1);
    drop(future);
    assert_eq!(Arc::strong_count(&woken), 2, "the gate holds a waker");
    gate.waker().wake();
    assert_eq!(woken.wakes(), 2, "it can still be called");
    gate.drop_waker();
    assert_eq!(Arc::strong_count(&woken), 1);
}

#[test]
fn future_that_moves_to_another_task_wakes_that_task() {
    let (registry, gate) = (retaining_registry(), Gate::default());
    let [first, second, third] = [(); 3].map(|()| Arc::new(CountingWaker::default()));
    let mut future = Box::pin(registry.instrument("t", gate.clone()));
    assert!(poll(&mut future, &first).is_pending());

    // The gate holds a waker of the first task.
    let of_first = gate.waker();
    assert!(poll(&mut future, &second).is_pending());
    assert_eq!(task(registry, "t").live_wakers, None, "not all of them are counted");
    let of_second = gate.waker();
    of_second.wake();
    assert_eq!((first.wakes(), second.wakes()), (0, 1));
    of_first.wake();
    assert_eq!((first.wakes(), second.wakes()), (1, 1));
    assert_eq!(task(registry, "t").reading.wakes, 2);

    // Without live wakers, the waker of the third task is adopted.
    gate.drop_waker();
    assert_eq!(task(registry, "t").live_wakers, Some(0));
    assert!(poll(&mut future, &third).is_pending());
    assert_eq!(task(registry, "t").live_wakers, Some(1));
    assert_eq!([&first, &second, &third].map(Arc::strong_count), [1, 1, 2]);
    gate.waker().wake();
    assert_eq!(third.wakes(), 1);
    let r = task(registry, "t").reading;
    assert_eq!((r.polls, r.wakes, r.self_wakes), (3, 3, 0));
}

#[test]
fn wakers_cloned_and_dropped_on_several_threads_are_counted() {
    let (runtime, registry, gate) = (multi_thread(2), retaining_registry(), Gate::default());
    let handle = runtime.spawn(registry.instrument_task("t", gate.clone()));
    wait_until("it is idle", || task(registry, "t").reading.state == State::Idle);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..2_000 {
                    let waker = gate.waker();
                    let clone = waker.clone();
                    clone.wake();
                    waker.wake_by_ref();
                }
            });
        }
    });
    gate.open();
    gate.waker().wake();
    runtime.block_on(handle).expect("no panic");
    let r = task(registry, "t").reading;
    assert_eq!(r.wakes, 4 * 2_000 * 2 + 1);
    // Tokio has released the future, so only the gate holds a waker.
    gate.drop_waker();
    registry.set_retention(Duration::ZERO);
    assert_eq!(tasks(registry).len(), 0);
}

#[test]
fn millions_of_cloned_wakers_are_counted() {
    // More clones than the polling thread counts separately (2²⁰).
    const POLLS: u64 = 1_000;
    const CLONES: u64 = 2_500;
    let (runtime, registry, gate) = (multi_thread(1), retaining_registry(), Gate::default());
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
    runtime.block_on(handle).expect("no panic");
    gate.drop_waker();
    let r = task(registry, "t").reading;
    assert_eq!((r.wakes, r.self_wakes, r.polls), (POLLS + 1, POLLS, POLLS + 2));
    wait_until("all wakers are dropped", || task(registry, "t").live_wakers == Some(0));
}
