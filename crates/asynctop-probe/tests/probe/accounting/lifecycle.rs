//! The beginning and the end of tasks, and their identity.

use asynctop_probe::State;

use super::*;

#[test]
fn returning_task_is_completed() {
    on_each_flavor(|runtime, registry| {
        let returned = runtime.block_on(runtime.spawn(registry.instrument_task("t", async { 7 })));
        assert_eq!(returned.expect("no panic"), 7);
        assert_eq!(task(registry, "t").reading.state, State::Completed);
        wait_until("the future is dropped", || registry.live() == 0);
    });
}

#[test]
fn aborted_task_is_cancelled() {
    on_each_flavor(|runtime, registry| {
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
fn last_poll_of_a_panicking_task_is_counted() {
    on_each_flavor(|runtime, registry| {
        let future = async {
            SelfWaking { pending: 3, wakes: 1 }.await;
            std::panic::resume_unwind(Box::new("expected"));
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
fn unpolled_future_is_created_and_has_no_scheduling_delay() {
    let registry = retaining_registry();
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
fn task_dropped_before_its_first_poll_was_only_scheduled() {
    let registry = retaining_registry();
    drop(registry.instrument_task("t", async {}));
    let r = task(registry, "t").reading;
    assert_eq!((r.state, r.polls, r.busy), (State::Cancelled, 0, 0));
    // It was no longer scheduled while its future was dropped.
    assert_eq!((r.max_delay, r.lifetime), (r.scheduled, r.scheduled + r.idle));
    assert_eq!(task_at(registry, "t", registry.now() + 1_000_000_000).reading, r, "it has ended");
}

#[test]
fn task_continues_after_its_handle_is_dropped() {
    let (runtime, registry, gate) = (current_thread(), retaining_registry(), Gate::default());
    drop(runtime.spawn(registry.instrument_task("t", gate.clone())));
    run_scheduled(&runtime);
    assert_eq!((task(registry, "t").reading.state, registry.live()), (State::Idle, 1));
    gate.open();
    gate.waker().wake();
    run_scheduled(&runtime);
    assert_eq!((task(registry, "t").reading.state, registry.live()), (State::Completed, 0));
}

#[test]
fn runtime_shutdown_cancels_its_tasks() {
    on_each_flavor(|_, registry| {
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
fn poll_after_the_end_is_not_counted() {
    let registry = retaining_registry();
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
fn panicking_destructor_ends_the_task() {
    struct PanicsOnDrop;
    impl Drop for PanicsOnDrop {
        fn drop(&mut self) {
            std::panic::resume_unwind(Box::new("expected"));
        }
    }
    on_each_flavor(|runtime, registry| {
        let panics = PanicsOnDrop;
        let future = registry.instrument_task("t", async move {
            let _panics = panics;
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
fn identity_has_name_location_number_and_size() {
    let registry = retaining_registry();
    let long = "a name that does not fit into the cell and is stored on the heap, ünïcödé";
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
fn spawned_task_has_the_name_of_its_function() {
    async fn fetch_the_answer() -> u32 {
        42
    }
    let registry = Registry::global();
    let gate = Gate::default();
    current_thread().block_on(async {
        let answer = asynctop_probe::spawn(fetch_the_answer()).await;
        assert_eq!(answer.expect("no panic"), 42);
        asynctop_probe::spawn_named("given name", gate);
    });
    let line = line!() - 4;
    let seen = task(registry, "fetch_the_answer");
    assert_eq!((seen.location.file(), seen.location.line()), (file!(), line));
    assert_eq!(task(registry, "given name").reading.state, State::Cancelled);
}
