//! How tasks begin and end, and what they are called.

use asynctop_probe::State;

use super::*;

#[test]
fn a_task_that_returns_is_completed() {
    on_each_flavour(|runtime, registry| {
        let returned = runtime.block_on(runtime.spawn(registry.instrument_task("t", async { 7 })));
        assert_eq!(returned.expect("a task that ends"), 7);
        assert_eq!(task(registry, "t").reading.state, State::Completed);
        wait_until("the future is dropped", || registry.live() == 0);
    });
}

#[test]
fn a_task_that_is_aborted_is_cancelled() {
    on_each_flavour(|runtime, registry| {
        let gate = Gate::default();
        let handle = runtime.spawn(registry.instrument_task("t", gate));
        if runtime.metrics().num_workers() == 1 {
            run_scheduled(runtime);
        }
        wait_until("it is idle", || task(registry, "t").reading.state == State::Idle);
        handle.abort();
        let error = runtime.block_on(handle).expect_err("it was aborted");
        assert!(error.is_cancelled());
        let seen = task(registry, "t").reading;
        assert_eq!((seen.state, seen.polls), (State::Cancelled, 1));
        assert_eq!(registry.live(), 0);
    });
}

#[test]
fn a_task_that_panics_is_panicked_and_its_last_poll_is_counted() {
    on_each_flavour(|runtime, registry| {
        let future = async {
            SelfWaking { pending: 3, wakes: 1 }.await;
            std::panic::resume_unwind(Box::new("on purpose, without a message"));
        };
        let future = registry.instrument_task("t", future);
        let error = runtime.block_on(runtime.spawn(future)).expect_err("it panicked");
        assert!(error.is_panic());
        let seen = task(registry, "t");
        assert_eq!((seen.reading.state, seen.reading.polls), (State::Panicked, 4));
        assert_eq!(seen.poll_times.count(), 4);
        let idle = registry.threads(registry.now());
        assert!(idle.iter().all(|thread| thread.current.is_none()), "{idle:?}");
        wait_until("the future is dropped", || registry.live() == 0);
    });
}

#[test]
fn a_future_that_nobody_polls_is_created_and_waits_for_no_worker() {
    let registry = keeping();
    let future = registry.instrument("t", async {});
    let r = task(registry, "t").reading;
    assert_eq!((r.state, r.polls, r.wakes), (State::Created, 0, 0));
    assert_eq!((r.scheduled, r.max_delay, r.lifetime), (0, 0, r.idle));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(future);
    let r = task(registry, "t").reading;
    assert_eq!((r.state, r.polls, r.scheduled), (State::Completed, 1, 0));

    drop(registry.instrument("never", async {}));
    let r = task(registry, "never").reading;
    assert_eq!((r.state, r.polls, r.scheduled), (State::Cancelled, 0, 0));
}

#[test]
fn a_future_that_is_dropped_before_its_first_poll_was_only_scheduled() {
    let registry = keeping();
    drop(registry.instrument_task("t", async {}));
    let r = task(registry, "t").reading;
    assert_eq!((r.state, r.polls, r.busy), (State::Cancelled, 0, 0));
    // It was no longer scheduled while its future was dropped.
    assert_eq!((r.max_delay, r.lifetime), (r.scheduled, r.scheduled + r.idle));
    assert_eq!(task_at(registry, "t", registry.now() + 1_000_000_000).reading, r, "it is over");
}

#[test]
fn a_task_whose_handle_is_dropped_lives_on() {
    let (runtime, registry, gate) = (current_thread(), keeping(), Gate::default());
    drop(runtime.spawn(registry.instrument_task("t", gate.clone())));
    run_scheduled(&runtime);
    assert_eq!((task(registry, "t").reading.state, registry.live()), (State::Idle, 1));
    gate.open();
    gate.waker().wake();
    run_scheduled(&runtime);
    assert_eq!((task(registry, "t").reading.state, registry.live()), (State::Completed, 0));
}

#[test]
fn a_runtime_that_shuts_down_cancels_its_tasks() {
    on_each_flavour(|_, registry| {
        let runtime = multi_thread(2);
        for name in ["a", "b"] {
            runtime.spawn(registry.instrument_task(name, std::future::pending::<()>()));
        }
        drop(runtime);
        assert!(tasks(registry).iter().all(|task| task.reading.state == State::Cancelled));
        assert_eq!((tasks(registry).len(), registry.live()), (2, 0));
    });
}

#[test]
fn a_poll_after_the_end_changes_nothing() {
    let registry = keeping();
    let mut future =
        Box::pin(registry.instrument_task("t", std::future::poll_fn(|_| Poll::Ready(()))));
    let mut context = Context::from_waker(Waker::noop());
    assert!(future.as_mut().poll(&mut context).is_ready());
    let before = task(registry, "t").reading;
    assert!(future.as_mut().poll(&mut context).is_ready());
    drop(future);
    assert_eq!(task(registry, "t").reading, before);
    assert_eq!((before.state, before.polls), (State::Completed, 1));
}

#[test]
fn a_destructor_that_panics_still_ends_the_account() {
    struct PanicsOnDrop;
    impl Drop for PanicsOnDrop {
        fn drop(&mut self) {
            std::panic::resume_unwind(Box::new("on purpose, without a message"));
        }
    }
    on_each_flavour(|runtime, registry| {
        let held = PanicsOnDrop;
        let future = registry.instrument_task("t", async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        let handle = runtime.spawn(future);
        handle.abort();
        assert!(runtime.block_on(handle).is_err());
        assert_eq!(task(registry, "t").reading.state, State::Cancelled);
        assert_eq!(registry.live(), 0);
    });
}

#[test]
fn names_places_numbers_and_sizes() {
    let registry = keeping();
    let long = "a name that does not fit into the cell and is kept on the heap, ünïcödé";
    let future = registry.instrument_task("short", async {});
    let line = line!() - 1;
    let other = registry.instrument(long, std::future::ready([0u8; 100]));
    let (short, long) = (task(registry, "short"), task(registry, long));
    assert_eq!((short.id, long.id), (1, 2));
    assert_eq!((short.key, long.key), (future.key(), other.key()));
    assert_ne!(short.key, long.key);
    assert_eq!((short.location.file(), short.location.line()), (file!(), line));
    assert_eq!(long.location.line(), line + 2);
    assert_eq!(long.future_size as usize, size_of::<std::future::Ready<[u8; 100]>>());
    assert!(long.name.ends_with("ünïcödé"));
}

#[test]
fn a_spawned_function_gives_its_name() {
    async fn fetch_the_answer() -> u32 {
        42
    }
    let registry = Registry::global();
    let gate = Gate::default();
    current_thread().block_on(async {
        let answer = asynctop_probe::spawn(fetch_the_answer()).await;
        assert_eq!(answer.expect("a task that ends"), 42);
        asynctop_probe::spawn_named("by hand", gate);
    });
    let line = line!() - 4;
    let seen = task(registry, "fetch_the_answer");
    assert_eq!((seen.location.file(), seen.location.line()), (file!(), line));
    assert_eq!(task(registry, "by hand").reading.state, State::Cancelled);
}
