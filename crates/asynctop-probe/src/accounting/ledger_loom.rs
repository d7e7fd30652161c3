//! Every interleaving of a poller, its wakers and a reader, as far as loom's bound on
//! preemptions goes. The rest of the crate only has to compile for this:
//!
//! ```sh
//! RUSTFLAGS="--cfg asynctop_loom --cfg tokio_unstable" CARGO_TARGET_DIR=target/loom \
//!     cargo test --lib --no-default-features --release loom
//! ```
//!
//! The cfg is our own, because `--cfg loom` would switch Tokio too.

use loom::{sync::Arc, thread};

use super::{
    ledger::{How, Ledger, Started},
    reading::{Outcome, Reading},
};
use asynctop_snapshot::State;

const NOW: u64 = 100;

/// Explores with at most `preemptions` thread switches that no thread asked for.
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

/// The times, which with the state and its begin tell the whole history.
fn times(r: Reading) -> (State, u64, [u64; 3]) {
    assert_eq!(r.lifetime, r.busy + r.scheduled + r.idle, "{r:?}");
    (r.state, r.since, [r.busy, r.scheduled, r.idle])
}

#[test]
fn loom_a_reader_sees_each_interval_once() {
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
        poller.join().expect("a poller that ends");
    });
}

/// What a task that is polled from 10 to 20, and woken once at 30, may show at `NOW`.
fn check_woken_once(seen: Reading) {
    let (state, since, got) = times(seen);
    let expected = match (state, since) {
        (State::Scheduled, 0) => [0, 100, 0],
        (State::Polling, 10) => [90, 10, 0],
        (State::Idle, 20) => [10, 10, 80],
        // Woken while polling, or after.
        (State::Scheduled, 20) => [10, 90, 0],
        (State::Scheduled, 30) => [10, 80, 10],
        _ => panic!("no such moment: {seen:?}"),
    };
    assert_eq!(got, expected, "{seen:?}");
    match since {
        0 | 10 => assert!(seen.wakes <= 1),
        20 if state == State::Idle => assert!(seen.wakes <= 1),
        _ => assert_eq!(seen.wakes, 1, "{seen:?}"),
    }
}

#[test]
fn loom_a_reader_against_a_poller_and_a_waker() {
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
        poller.join().expect("a poller that ends");
        waker.join().expect("a waker that ends");
        let end = read(&ledger);
        check_woken_once(end);
        assert_eq!((end.polls, end.wakes), (1, 1));
    });
}

#[test]
fn loom_two_wakers_against_a_poller() {
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
            waker.join().expect("a waker that ends");
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
fn loom_an_asker_against_a_waker_and_a_poller() {
    explore(3, || {
        let ledger = spawned();
        let first = ledger.poll_started(10, true, || false);
        ledger.poll_ended(first.at, 20, None);
        let asker = thread::spawn({
            let ledger = ledger.clone();
            move || ledger.ask()
        });
        let waker = thread::spawn({
            let ledger = ledger.clone();
            move || ledger.woken(|| 30)
        });
        let second = ledger.poll_started(40, true, || false);
        let is_probe = second.how == How::TracedProbe;
        match is_probe {
            true => _ = ledger.probe_ended(second.at, 50, None),
            false => _ = ledger.poll_ended(second.at, 50, None),
        }
        let asked = asker.join().expect("an asker that ends");
        waker.join().expect("a waker that ends");
        let end = read(&ledger);
        times(end);
        assert_eq!((end.polls, end.wakes), (2 - u64::from(is_probe), 1));
        let is_traced = |started: Started| matches!(started.how, How::Traced | How::TracedProbe);
        let told = is_traced(second) || is_traced(ledger.poll_started(60, true, || false));
        assert_eq!(told, asked, "who is asked tells, and nobody else");
    });
}

#[test]
fn loom_two_wakers_against_a_reader() {
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
            waker.join().expect("a waker that ends");
        }
        assert_eq!(read(&ledger).wakes, 2);
    });
}

#[test]
fn loom_a_drop_against_a_waker_and_a_reader() {
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
                _ => panic!("no such moment: {seen:?}"),
            };
            assert!(expected.contains(&got), "{seen:?}");
        };
        check(read(&ledger));
        waker.join().expect("a waker that ends");
        dropper.join().expect("a dropper that ends");
        let end = read(&ledger);
        check(end);
        assert_eq!((end.state, end.wakes), (State::Cancelled, 1));
    });
}

#[test]
fn loom_a_reader_sees_a_new_task_or_none() {
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
        spawner.join().expect("a spawner that ends");
    });
}
