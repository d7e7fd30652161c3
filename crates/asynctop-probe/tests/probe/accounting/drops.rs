//! Dropping a future runs code of the task outside its polls: it is reported, but not counted.

use asynctop_probe::{PollKind, Reading, State};

use super::*;

/// Runs a closure when it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Read in a destructor: its task, the kind of code that its thread runs, the scheduling delays.
type ReadOnDrop = Arc<Mutex<Option<(Reading, PollKind, Histogram)>>>;

fn read_on_drop(registry: &'static Registry, inside: &ReadOnDrop) -> OnDrop<impl FnMut() + use<>> {
    let inside = inside.clone();
    OnDrop(move || {
        let seen = task(registry, "dropped");
        let this = std::thread::current().id();
        let threads = registry.threads(registry.now());
        let here = threads.iter().find(|thread| thread.id == Some(this)).expect("this thread");
        let current = here.current.expect("a drop");
        assert_eq!(current.task, seen.key);
        *inside.lock().expect("no poison") = Some((seen.reading, current.kind, seen.delays));
    })
}

#[test]
fn aborted_task_is_dropping_until_its_destructors_have_run() {
    on_each_flavor(|runtime, registry| {
        let inside = ReadOnDrop::default();
        let reads = read_on_drop(registry, &inside);
        let handle = runtime.spawn(registry.instrument_task("dropped", async move {
            let _reads = reads;
            std::future::pending::<()>().await;
        }));
        runtime.block_on(async {
            while task(registry, "dropped").reading.state != State::Idle {
                tokio::task::yield_now().await;
            }
            handle.abort();
            let _ = handle.await;
        });
        let (during, kind, _) = inside.lock().expect("no poison").take().expect("it was dropped");
        assert_eq!((during.state, kind), (State::Dropping, PollKind::Drop));
        let after = task(registry, "dropped").reading;
        assert_eq!(after.state, State::Cancelled);
        for reading in [during, after] {
            assert_eq!((reading.polls, reading.wakes), (1, 0));
            assert_eq!((reading.busy, reading.scheduled), (after.busy, after.scheduled));
        }
        assert!(after.since >= during.since);
    });
}

#[test]
fn drop_after_the_last_poll_is_not_part_of_the_poll() {
    /// Completes immediately. Its field is dropped with it, not in its poll.
    struct Owner<T>(#[allow(dead_code, reason = "only dropped")] T);
    impl<T: Unpin> Future for Owner<T> {
        type Output = ();

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            Poll::Ready(())
        }
    }
    on_each_flavor(|runtime, registry| {
        let inside = ReadOnDrop::default();
        let reads = Box::new(read_on_drop(registry, &inside));
        let _ = runtime.block_on(runtime.spawn(registry.instrument_task("dropped", Owner(reads))));
        let (during, kind, _) = inside.lock().expect("no poison").take().expect("it was dropped");
        assert_eq!((during.state, kind), (State::Completed, PollKind::Drop));
        assert_eq!(during, task(registry, "dropped").reading);
    });
}

#[test]
fn scheduling_delay_ends_when_the_drop_begins() {
    let registry = retaining_registry();
    let inside = ReadOnDrop::default();
    let reads = read_on_drop(registry, &inside);
    let woken = registry.instrument_task("dropped", async move {
        let _reads = reads;
    });
    assert_eq!(task(registry, "dropped").reading.state, State::Scheduled);
    drop(woken);
    let (during, ..) = inside.lock().expect("no poison").take().expect("it was dropped");
    let after = task(registry, "dropped").reading;
    assert_eq!((during.scheduled, during.max_delay), (after.scheduled, after.max_delay));
    assert_eq!(after.lifetime - after.scheduled, after.idle);
}

#[test]
fn drop_is_not_busy_time_but_a_nested_poll_is() {
    let registry = retaining_registry();
    let mut context = Context::from_waker(Waker::noop());
    let poll = |name: &str, context: &mut Context<'_>| {
        let task = std::pin::pin!(registry.instrument(name, async {}));
        assert!(task.poll(context).is_ready());
    };
    poll("first", &mut context);
    let inside = OnDrop(|| poll("in the drop", &mut Context::from_waker(Waker::noop())));
    drop(registry.instrument("dropped", async move {
        let _inside = inside;
    }));
    let threads = registry.threads(registry.now() + 1_000_000_000);
    let busy: u64 = tasks(registry).iter().map(|task| task.reading.busy).sum();
    assert_eq!((threads[0].polls, threads[0].busy), (2, busy));
    assert_eq!(threads[0].current, None);
}

#[test]
fn panic_in_a_destructor_restores_the_state_of_its_thread() {
    let registry = retaining_registry();
    let panics = OnDrop(|| panic!("in a destructor"));
    let dropped = registry.instrument("dropped", async move {
        let _panics = panics;
    });
    let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(dropped)));
    assert!(dropped.is_err());
    assert_eq!(registry.threads(registry.now())[0].current, None);
    assert_eq!(task(registry, "dropped").reading.state, State::Cancelled);
}
