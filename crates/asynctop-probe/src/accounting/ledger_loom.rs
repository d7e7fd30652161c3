//! The interleavings of a poller, its wakers and a reader, up to loom's bound on preemptions. The rest
//! of the crate only has to compile:
//!
//! ```sh
//! RUSTFLAGS="--cfg asynctop_loom --cfg tokio_unstable" CARGO_TARGET_DIR=target/loom \
//!     cargo test --lib --no-default-features --release loom
//! ```
//!
//! The cfg is not `loom`, which would also affect Tokio.

use loom::{sync::Arc, thread};

use super::{
    ledger::{Ledger, Mode, Started},
    reading::{Outcome, Reading},
};
use asynctop_snapshot::State;

const NOW: u64 = 100;

/// Runs all interleavings with at most this number of preemptions.
fn explore(preemptions: usize, body: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(preemptions);
    model.check(body);
}

/// A task that was spawned at 0.
fn spawned() -> Arc<Ledger> {
    let ledger = Ledger::vacant();
    ledger.open(0, true);
    Arc::new(ledger)
}

fn read(ledger: &Ledger) -> Reading {
    ledger.read(NOW, || ()).expect("a task").0
}

/// State, start of the state, and times.
fn times(r: Reading) -> (State, u64, [u64; 3]) {
    assert_eq!(r.lifetime, r.busy + r.scheduled + r.idle, "{r:?}");
    (r.state, r.since, [r.busy, r.scheduled, r.idle])
}

#[test]
fn loom_reader_sees_each_interval_once() {
    explore(4, || {
        let ledger = spawned();
        let poller = thread::spawn({
            let ledger = ledger.clone();
            move || {
                let started = ledger.poll_started(10, true, || false);
                ledger.poll_ended(started.at, 30, Some(Outcome::Completed));
            }
        });
        let mut last = (0, 0);
        for _ in 0..2 {
            let seen = read(&ledger);
            let expected = match seen.state {
                State::Scheduled => (State::Scheduled, 0, [0, 100, 0]),
                State::Polling => (State::Polling, 10, [90, 10, 0]),
                _ => (State::Completed, 30, [20, 10, 0]),
            };
            assert_eq!(times(seen), expected);
            let progress = (seen.polls, u64::from(seen.state.is_done()));
            assert_eq!(seen.polls, u64::from(seen.state != State::Scheduled));
            assert!(last <= progress);
            last = progress;
        }
        poller.join().expect("no panic");
    });
}

/// Checks a reading at `NOW` of a task that is polled from 10 to 20 and woken once at 30.
fn check_woken_once(seen: Reading) {
    let (state, since, got) = times(seen);
    let expected = match (state, since) {
        (State::Scheduled, 0) => [0, 100, 0],
        (State::Polling, 10) => [90, 10, 0],
        (State::Idle, 20) => [10, 10, 80],
        // Woken during the poll, or after it.
        (State::Scheduled, 20) => [10, 90, 0],
        (State::Scheduled, 30) => [10, 80, 10],
        _ => panic!("unexpected: {seen:?}"),
    };
    assert_eq!(got, expected, "{seen:?}");
    match since {
        0 | 10 => assert!(seen.wakes <= 1),
        20 if state == State::Idle => assert!(seen.wakes <= 1),
        _ => assert_eq!(seen.wakes, 1, "{seen:?}"),
    }
}

#[test]
fn loom_reader_poller_and_waker() {
    explore(2, || {
        let ledger = spawned();
        let poller = thread::spawn({
            let ledger = ledger.clone();
            move || {
                let started = ledger.poll_started(10, true, || false);
                ledger.poll_ended(started.at, 20, None);
            }
        });
        let waker = thread::spawn({
            let ledger = ledger.clone();
            move || ledger.woken(|| 30)
        });
        let first = read(&ledger);
        check_woken_once(first);
        let second = read(&ledger);
        check_woken_once(second);
        assert!(
            (first.polls, first.wakes, first.since) <= (second.polls, second.wakes, second.since)
        );
        assert!(first.polls <= second.polls && first.wakes <= second.wakes);
        poller.join().expect("no panic");
        waker.join().expect("no panic");
        let end = read(&ledger);
        check_woken_once(end);
        assert_eq!((end.polls, end.wakes), (1, 1));
    });
}

#[test]
fn loom_two_wakers_and_poller() {
    explore(3, || {
        let ledger = spawned();
        let wakers: Vec<_> = [15, 30]
            .into_iter()
            .map(|at| {
                let ledger = ledger.clone();
                thread::spawn(move || ledger.woken(|| at))
            })
            .collect();
        let first = ledger.poll_started(10, false, || false);
        let mut busy = ledger.poll_ended(first.at, 20, None);
        let second = ledger.poll_started(40, false, || false);
        busy += ledger.poll_ended(second.at, 50, None);
        for waker in wakers {
            waker.join().expect("no panic");
        }
        let end = read(&ledger);
        assert_eq!((end.polls, end.wakes, busy), (2, 2, 20));
        times(end);
        let running = if end.state == State::Scheduled { NOW - end.since } else { 0 };
        let delays = first.delay.unwrap_or(0) + second.delay.unwrap_or(0);
        assert_eq!((end.busy, end.scheduled), (20, delays + running), "{end:?}");
    });
}

#[test]
fn loom_query_waker_and_poller() {
    explore(3, || {
        let ledger = spawned();
        let first = ledger.poll_started(10, true, || false);
        ledger.poll_ended(first.at, 20, None);
        let querier = thread::spawn({
            let ledger = ledger.clone();
            move || ledger.query()
        });
        let waker = thread::spawn({
            let ledger = ledger.clone();
            move || ledger.woken(|| 30)
        });
        let second = ledger.poll_started(40, true, || false);
        let is_query_poll = second.mode == Mode::TracedQuery;
        match is_query_poll {
            true => _ = ledger.query_poll_ended(second.at, 50, None),
            false => _ = ledger.poll_ended(second.at, 50, None),
        }
        let queried = querier.join().expect("no panic");
        waker.join().expect("no panic");
        let end = read(&ledger);
        times(end);
        assert_eq!((end.polls, end.wakes), (2 - u64::from(is_query_poll), 1));
        let is_traced = |started: Started| matches!(started.mode, Mode::Traced | Mode::TracedQuery);
        let traced = is_traced(second) || is_traced(ledger.poll_started(60, true, || false));
        assert_eq!(traced, queried, "a poll is traced if the task was queried");
    });
}

#[test]
fn loom_two_wakers_and_reader() {
    explore(3, || {
        let ledger = spawned();
        let started = ledger.poll_started(10, true, || false);
        ledger.poll_ended(started.at, 20, None);
        let wakers: Vec<_> = [30, 40]
            .into_iter()
            .map(|at| {
                let ledger = ledger.clone();
                thread::spawn(move || ledger.woken(|| at))
            })
            .collect();
        let mut last = 0;
        for _ in 0..2 {
            let seen = read(&ledger);
            let (state, since, got) = times(seen);
            match state {
                State::Idle => assert_eq!((since, got), (20, [10, 10, 80])),
                _ => assert_eq!(got, [10, 10 + NOW - since, since - 20]),
            }
            assert!(last <= seen.wakes);
            last = seen.wakes;
        }
        for waker in wakers {
            waker.join().expect("no panic");
        }
        assert_eq!(read(&ledger).wakes, 2);
    });
}

#[test]
fn loom_drop_waker_and_reader() {
    explore(3, || {
        let ledger = spawned();
        let started = ledger.poll_started(10, true, || false);
        ledger.poll_ended(started.at, 20, None);
        let waker = thread::spawn({
            let ledger = ledger.clone();
            move || ledger.woken(|| 30)
        });
        let dropper = thread::spawn({
            let ledger = ledger.clone();
            move || ledger.cancelled(50)
        });
        let check = |seen: Reading| {
            let (state, since, got) = times(seen);
            let expected: &[[u64; 3]] = match (state, since) {
                (State::Idle, 20) => &[[10, 10, 80]],
                (State::Scheduled, 30) => &[[10, 80, 10]],
                (State::Cancelled, 50) => &[[10, 10, 30], [10, 30, 10]],
                _ => panic!("unexpected: {seen:?}"),
            };
            assert!(expected.contains(&got), "{seen:?}");
        };
        check(read(&ledger));
        waker.join().expect("no panic");
        dropper.join().expect("no panic");
        let end = read(&ledger);
        check(end);
        assert_eq!((end.state, end.wakes), (State::Cancelled, 1));
    });
}

#[test]
fn loom_reader_of_a_reused_slot_sees_the_new_task_or_none() {
    explore(4, || {
        let ledger = Arc::new(Ledger::vacant());
        ledger.open(0, true);
        let started = ledger.poll_started(10, true, || false);
        ledger.poll_ended(started.at, 20, Some(Outcome::Completed));
        ledger.clear();
        let spawner = thread::spawn({
            let ledger = ledger.clone();
            move || {
                ledger.open(60, true);
                let started = ledger.poll_started(70, true, || false);
                ledger.poll_ended(started.at, 90, None);
            }
        });
        if let Some((seen, ())) = ledger.read(NOW, || ()) {
            let expected = match seen.state {
                State::Scheduled => [0, 40, 0],
                State::Polling => [30, 10, 0],
                _ => [20, 10, 10],
            };
            assert_eq!(times(seen).2, expected, "{seen:?}");
            assert_eq!(seen.polls, u64::from(seen.state != State::Scheduled));
        }
        spawner.join().expect("no panic");
    });
}
