//! Threads that come and go, and futures that move between them.

use std::{cell::RefCell, thread};

use asynctop_probe::{Instrumented, State};

use super::*;

fn poll_once<F: Future>(future: &mut Pin<Box<Instrumented<F>>>) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_thread_takes_over_the_slot_of_one_that_ended() {
    let registry = keeping();
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
        id.expect("a thread that ends");
        let threads = registry.threads(registry.now());
        assert_eq!((threads.len(), threads[0].id, threads[0].polls), (1, None, n));
    }
    let busy: u64 = tasks(registry).iter().map(|task| task.reading.busy).sum();
    assert_eq!(registry.threads(registry.now())[0].busy, busy);
}

#[test]
fn a_future_that_moves_between_threads_keeps_one_account() {
    let registry = keeping();
    let mut future = Box::pin(registry.instrument("t", SelfWaking { pending: 4, wakes: 1 }));
    for _ in 0..4 {
        future = thread::spawn(move || {
            assert!(poll_once(&mut future).is_pending());
            future
        })
        .join()
        .expect("a thread that ends");
    }
    assert!(poll_once(&mut future).is_ready());
    let r = task(registry, "t").reading;
    assert_eq!((r.polls, r.wakes, r.self_wakes), (5, 4, 4));
    let polls: u64 = registry.threads(registry.now()).iter().map(|t| t.polls).sum();
    assert_eq!(polls, 5);
}

#[test]
fn two_registries_on_one_thread_do_not_mix() {
    let (one, other) = (keeping(), keeping());
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

/// Polls a measured future while its thread's local values are destroyed.
struct PollsWhenDropped(&'static Registry);

impl Drop for PollsWhenDropped {
    fn drop(&mut self) {
        let mut future = Box::pin(self.0.instrument("late", SelfWaking { pending: 2, wakes: 1 }));
        while poll_once(&mut future).is_pending() {}
    }
}

#[test]
fn a_future_may_be_polled_while_its_thread_is_torn_down() {
    let registry = keeping();
    let poll = move || {
        let mut early = Box::pin(registry.instrument("early", async {}));
        assert!(poll_once(&mut early).is_ready());
    };
    let set = move || LATE.with(|late| *late.borrow_mut() = Some(PollsWhenDropped(registry)));
    // Local values are destroyed in the reverse order of their first use: so once before
    // and once after the probe's own.
    thread::spawn(move || (set(), poll())).join().expect("a thread that ends");
    thread::spawn(move || (poll(), set())).join().expect("a thread that ends");
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
fn a_threads_sums_only_grow_and_are_those_of_its_tasks() {
    let (runtime, registry) = (multi_thread(1), keeping());
    let handles: Vec<_> = (0..4)
        .map(|_| {
            let future = SelfWaking { pending: 50_000, wakes: 1 };
            runtime.spawn(registry.instrument_task("t", future))
        })
        .collect();
    // Read for a time at which everything has happened: the running poll weighs most.
    let mut last = 0;
    while handles.iter().any(|handle| !handle.is_finished()) {
        let Some(thread) = registry.threads(registry.now()).pop() else { continue };
        assert!(thread.polls >= last);
        last = thread.polls;
        let lived = registry.now();
        assert!(thread.busy <= lived, "{} of {lived}: a poll was counted twice", thread.busy);
    }
    for handle in handles {
        runtime.block_on(handle).expect("a task that ends");
    }
    let (busy, polls) = tasks(registry)
        .iter()
        .fold((0, 0), |(busy, polls), t| (busy + t.reading.busy, polls + t.reading.polls));
    let thread = &registry.threads(registry.now())[0];
    assert_eq!((thread.busy, thread.polls), (busy, polls));
    assert_eq!(polls, 4 * 50_001);
}
