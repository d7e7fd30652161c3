//! Statistics of threads that start and end, and of futures that move between threads.

use std::{cell::RefCell, thread};

use asynctop_probe::{Instrumented, State};

use super::*;

fn poll_once<F: Future>(future: &mut Pin<Box<Instrumented<F>>>) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn slot_of_an_ended_thread_is_reused() {
    let registry = retaining_registry();
    for n in 1..=3 {
        let name = format!("poller {n}");
        let id = thread::Builder::new()
            .name(name.clone())
            .spawn(move || {
                let mut future = Box::pin(registry.instrument("t", async {}));
                assert!(poll_once(&mut future).is_ready());
                let threads = registry.threads(registry.now());
                assert_eq!((threads.len(), &threads[0].name), (1, &name));
                assert_eq!(threads[0].id, Some(thread::current().id()));
                thread::current().id()
            })
            .expect("a thread")
            .join();
        id.expect("no panic");
        let threads = registry.threads(registry.now());
        assert_eq!((threads.len(), threads[0].id, threads[0].polls), (1, None, n));
    }
    let busy: u64 = tasks(registry).iter().map(|task| task.reading.busy).sum();
    assert_eq!(registry.threads(registry.now())[0].busy, busy);
}

#[test]
fn future_that_moves_between_threads_keeps_its_statistics() {
    let registry = retaining_registry();
    let mut future = Box::pin(registry.instrument("t", SelfWaking { pending: 4, wakes: 1 }));
    for _ in 0..4 {
        future = thread::spawn(move || {
            assert!(poll_once(&mut future).is_pending());
            future
        })
        .join()
        .expect("no panic");
    }
    assert!(poll_once(&mut future).is_ready());
    let r = task(registry, "t").reading;
    assert_eq!((r.polls, r.wakes, r.self_wakes), (5, 4, 4));
    let polls: u64 = registry.threads(registry.now()).iter().map(|t| t.polls).sum();
    assert_eq!(polls, 5);
}

#[test]
fn two_registries_on_one_thread_are_independent() {
    let (one, other) = (retaining_registry(), retaining_registry());
    let inner = other.instrument("inner", SelfWaking { pending: 1, wakes: 1 });
    let mut outer = Box::pin(one.instrument("outer", inner));
    assert!(poll_once(&mut outer).is_pending());
    assert!(poll_once(&mut outer).is_ready());
    for (registry, name) in [(one, "outer"), (other, "inner")] {
        let (r, threads) = (task(registry, name).reading, registry.threads(registry.now()));
        assert_eq!((tasks(registry).len(), threads.len()), (1, 1));
        assert_eq!((r.polls, r.wakes, r.self_wakes), (2, 1, 1), "{name}");
        assert_eq!((threads[0].polls, threads[0].busy), (2, r.busy));
    }
}

thread_local! {
    static LATE: RefCell<Option<PollsWhenDropped>> = const { RefCell::new(None) };
}

/// Polls a measured future while the thread-local values are destroyed.
struct PollsWhenDropped(&'static Registry);

impl Drop for PollsWhenDropped {
    fn drop(&mut self) {
        let mut future = Box::pin(self.0.instrument("late", SelfWaking { pending: 2, wakes: 1 }));
        while poll_once(&mut future).is_pending() {}
    }
}

#[test]
fn future_can_be_polled_while_thread_locals_are_destroyed() {
    let registry = retaining_registry();
    let poll = move || {
        let mut early = Box::pin(registry.instrument("early", async {}));
        assert!(poll_once(&mut early).is_ready());
    };
    let set = move || LATE.with(|late| *late.borrow_mut() = Some(PollsWhenDropped(registry)));
    // Thread-local values are destroyed in the reverse order of their first use: once before and once
    // after those of the probe.
    thread::spawn(move || (set(), poll())).join().expect("no panic");
    thread::spawn(move || (poll(), set())).join().expect("no panic");
    let late: Vec<_> = tasks(registry).into_iter().filter(|task| task.name == "late").collect();
    assert_eq!(late.len(), 2);
    for task in late {
        assert_eq!((task.reading.state, task.reading.polls), (State::Completed, 3));
        assert_eq!(task.reading.self_wakes, 2);
    }
    let polls: u64 = registry.threads(registry.now()).iter().map(|t| t.polls).sum();
    assert_eq!(polls, 8);
}

#[test]
fn sums_of_a_thread_grow_and_equal_those_of_its_tasks() {
    let (runtime, registry) = (multi_thread(1), retaining_registry());
    let handles: Vec<_> = (0..4)
        .map(|_| {
            let future = SelfWaking { pending: 50_000, wakes: 1 };
            runtime.spawn(registry.instrument_task("t", future))
        })
        .collect();
    // The running poll is included, so a poll that is counted twice would exceed the elapsed time.
    let mut last = 0;
    while handles.iter().any(|handle| !handle.is_finished()) {
        let Some(thread) = registry.threads(registry.now()).pop() else { continue };
        assert!(thread.polls >= last);
        last = thread.polls;
        let elapsed = registry.now();
        assert!(thread.busy <= elapsed, "{} of {elapsed}: a poll was counted twice", thread.busy);
    }
    for handle in handles {
        runtime.block_on(handle).expect("no panic");
    }
    let (busy, polls) = tasks(registry)
        .iter()
        .fold((0, 0), |(busy, polls), t| (busy + t.reading.busy, polls + t.reading.polls));
    let thread = &registry.threads(registry.now())[0];
    assert_eq!((thread.busy, thread.polls), (busy, polls));
    assert_eq!(polls, 4 * 50_001);
}
