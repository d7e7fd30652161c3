//! Compares the ledger with a simple model that sums every interval, idle time included; and tests
//! it with many threads.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use proptest::prelude::*;

use super::{
    ledger::{Ledger, Mode, Started},
    reading::{Outcome, Reading},
};
use asynctop_snapshot::State;

/// An event of a task, `step` after (or before) the previous one.
#[derive(Clone, Copy, Debug)]
struct Event {
    kind: EventKind,
    step: i64,
}

#[derive(Clone, Copy, Debug)]
enum EventKind {
    /// Starts a poll or ends the running one.
    Poll,
    /// Ends the task: by the running poll, or by a cancellation.
    End {
        panicked: bool,
    },
    Wake,
    SelfWake,
    Query,
    /// Starts the drop of the future, unless a poll is running.
    Drop,
    Read,
}

fn events(steps: std::ops::Range<i64>) -> impl Strategy<Value = Vec<Event>> {
    let kind = prop_oneof![
        12 => Just(EventKind::Poll),
        8 => Just(EventKind::Wake),
        4 => Just(EventKind::SelfWake),
        2 => Just(EventKind::Query),
        1 => Just(EventKind::Drop),
        6 => Just(EventKind::Read),
        1 => any::<bool>().prop_map(|panicked| EventKind::End { panicked }),
    ];
    let event = (kind, steps).prop_map(|(kind, step)| Event { kind, step });
    prop::collection::vec(event, 1..80)
}

/// The expected statistics: one running interval, and the sums of the others.
#[derive(Clone, Debug)]
struct Model {
    root: bool,
    state: State,
    since: u64,
    woken_in_poll: bool,
    /// The watchdog has requested the await point, and no poll has started since.
    queried: bool,
    /// Start of the running poll, if the watchdog has caused it.
    query_polled_at: Option<u64>,
    busy: u64,
    scheduled: u64,
    idle: u64,
    polls: u64,
    wakes: u64,
    self_wakes: u64,
    max_poll: u64,
    max_delay: u64,
}

impl Model {
    fn spawned(root: bool, at: u64) -> Self {
        Model {
            root,
            state: if root { State::Scheduled } else { State::Created },
            since: at,
            woken_in_poll: false,
            queried: false,
            query_polled_at: None,
            busy: 0,
            scheduled: 0,
            idle: 0,
            polls: 0,
            wakes: 0,
            self_wakes: 0,
            max_poll: 0,
            max_delay: 0,
        }
    }

    /// Counts the interval that ends at `at` for `state`.
    fn close(&mut self, at: u64, state: State) {
        let length = at - self.since;
        match state {
            State::Polling => {
                self.busy += length;
                self.max_poll = self.max_poll.max(length);
            }
            State::Scheduled => {
                self.scheduled += length;
                self.max_delay = self.max_delay.max(length);
            }
            State::Created | State::Idle | State::Dropping => self.idle += length,
            State::Completed | State::Cancelled | State::Panicked | State::Ended => {}
        }
    }

    /// If the clock ran backwards, no time has passed.
    fn enter(&mut self, state: State, at: u64) {
        let at = at.max(self.since);
        // Each poll of a root task follows a wake, so the task was scheduled, although the waker did
        // not change the state.
        let was_scheduled = self.state == State::Idle && state == State::Polling && self.root;
        self.close(at, if was_scheduled { State::Scheduled } else { self.state });
        (self.state, self.since) = (state, at);
    }

    fn wake(&mut self, at: u64) {
        self.wakes += 1;
        match self.state {
            State::Idle if self.query_polled_at.is_some() => self.woken_in_poll = true,
            State::Idle => self.enter(State::Scheduled, at),
            State::Polling => self.woken_in_poll = true,
            _ => {}
        }
    }

    fn start(&mut self, at: u64) {
        // A poll caused only by the watchdog is not counted.
        if std::mem::take(&mut self.queried) && self.state == State::Idle {
            self.query_polled_at = Some(at.max(self.since));
            return;
        }
        self.polls += 1;
        self.enter(State::Polling, at);
    }

    fn end(&mut self, at: u64, outcome: Option<Outcome>) {
        let woken = std::mem::take(&mut self.woken_in_poll);
        let mut at = at;
        if let Some(began) = self.query_polled_at.take() {
            // No poll ends before it began.
            at = at.max(began);
            if outcome.is_none() && !woken {
                return;
            }
            if outcome.is_some() {
                // It ends the task, so it is counted.
                self.close(began, State::Idle);
                (self.state, self.since) = (State::Polling, began);
                self.polls += 1;
            }
        }
        let next = match outcome {
            Some(Outcome::Completed) => State::Completed,
            Some(Outcome::Panicked) => State::Panicked,
            None if woken => State::Scheduled,
            None => State::Idle,
        };
        self.enter(next, at);
    }

    fn reading(&self, now: u64) -> Reading {
        let mut then = self.clone();
        then.close(now.max(self.since), self.state);
        Reading {
            state: self.state,
            since: self.since,
            lifetime: then.busy + then.scheduled + then.idle,
            busy: then.busy,
            scheduled: then.scheduled,
            idle: then.idle,
            polls: then.polls,
            wakes: then.wakes,
            self_wakes: then.self_wakes,
            max_poll: then.max_poll,
            max_delay: then.max_delay,
        }
    }
}

/// A ledger and its model, driven by the same events.
struct Both {
    ledger: Ledger,
    model: Model,
    now: u64,
    running: Option<Started>,
}

impl Both {
    fn spawned(root: bool) -> Self {
        let at = 10_000;
        let ledger = Ledger::vacant();
        ledger.open(at, root);
        Both { ledger, model: Model::spawned(root, at), now: at, running: None }
    }

    fn apply(&mut self, event: Event) {
        self.now = self.now.saturating_add_signed(event.step);
        let (now, has_ended) = (self.now, self.model.state.is_done());
        let dropping = self.model.state == State::Dropping;
        match (event.kind, self.running) {
            (EventKind::Poll, None) if !has_ended && !dropping => {
                self.running = Some(self.ledger.poll_started(now, self.model.root, || false));
                self.model.start(now);
            }
            (EventKind::Poll, Some(_)) => self.end(None),
            (EventKind::End { panicked }, Some(_)) => {
                self.end(Some(if panicked { Outcome::Panicked } else { Outcome::Completed }));
            }
            (EventKind::Drop, None) if !has_ended && !dropping => {
                let at = self.ledger.drop_started(now);
                self.model.enter(State::Dropping, now);
                assert_eq!(at, self.model.since);
            }
            (EventKind::End { .. }, None) if !has_ended => {
                self.ledger.cancelled(now);
                self.model.enter(State::Cancelled, now);
            }
            (EventKind::SelfWake, Some(_)) => {
                self.ledger.woken(|| now);
                self.ledger.woken_by_itself();
                self.model.wake(now);
                self.model.self_wakes += 1;
            }
            (EventKind::Query, _) => {
                // The request succeeds once, for an idle task only, and changes no statistics yet.
                let model = &mut self.model;
                let is_idle =
                    model.state == State::Idle && model.query_polled_at.is_none() && !model.queried;
                assert_eq!(self.ledger.query(), is_idle);
                model.queried |= is_idle;
            }
            (EventKind::Wake | EventKind::SelfWake, _) => {
                self.ledger.woken(|| now);
                self.model.wake(now);
            }
            _ => {}
        }
    }

    fn end(&mut self, outcome: Option<Outcome>) {
        let started = self.running.take().expect("a running poll");
        if self.model.query_polled_at.is_some() {
            assert_eq!(started.mode, Mode::TracedQuery);
            self.ledger.query_poll_ended(started.at, self.now, outcome);
            return self.model.end(self.now, outcome);
        }
        let since = self.model.since;
        let length = self.ledger.poll_ended(started.at, self.now, outcome);
        self.model.end(self.now, outcome);
        assert_eq!(length, self.model.since - since);
    }

    fn read(&self, now: u64) -> Reading {
        self.ledger.read(now, || ()).expect("a task").0
    }
}

proptest! {
    #[test]
    fn statistics_agree_with_the_model(
        root: bool, events in events(-20..500), ahead in 0u64..1_000,
    ) {
        let mut both = Both::spawned(root);
        let spawned = both.now;
        for event in events {
            both.apply(event);
            // A reading may be late, or use a time before the last event.
            for now in [both.now, both.now + ahead, both.now.saturating_sub(ahead)] {
                let reading = both.read(now);
                prop_assert_eq!(reading, both.model.reading(now), "after {:?}", event);
                prop_assert_eq!(reading.created(now), spawned);
            }
        }
    }

    #[test]
    fn readings_never_decrease(root: bool, events in events(0..500)) {
        let mut both = Both::spawned(root);
        let statistics = |r: Reading| {
            [r.lifetime, r.busy, r.scheduled, r.idle, r.polls, r.wakes, r.self_wakes, r.max_poll,
             r.max_delay]
        };
        let mut before = statistics(both.read(both.now));
        // Excludes the one correction: a root task that is polled in the idle state was scheduled.
        for event in events {
            if root && matches!(event.kind, EventKind::Poll) && both.model.state == State::Idle {
                both.apply(Event { kind: EventKind::Wake, step: 0 });
            }
            let in_query_poll = both.model.query_polled_at.is_some();
            both.apply(event);
            let after = statistics(both.read(both.now));
            if in_query_poll && both.model.state.is_done() {
                // A poll caused by the watchdog that ends the task was counted as idle time before.
                before[3] = before[3].min(after[3]);
            }
            prop_assert!(before.iter().zip(&after).all(|(b, a)| b <= a), "{before:?} {after:?}");
            before = after;
        }
    }

    #[test]
    fn reused_slot_starts_from_zero(
        first in events(0..500), second in events(0..500),
    ) {
        let mut both = Both::spawned(true);
        first.into_iter().for_each(|event| both.apply(event));
        if both.running.is_some() {
            both.end(Some(Outcome::Completed));
        }
        both.ledger.clear();
        prop_assert_eq!(both.ledger.read(both.now, || ()), None);
        both.ledger.open(both.now, true);
        both.model = Model::spawned(true, both.now);
        for event in second {
            both.apply(event);
            prop_assert_eq!(both.read(both.now), both.model.reading(both.now));
        }
    }
}

#[test]
fn query_poll_never_ends_before_it_began() {
    let mut both = Both::spawned(false);
    let steps = [
        (EventKind::Poll, 0),
        (EventKind::Poll, 0),
        (EventKind::Query, 0),
        (EventKind::Poll, 1),
        (EventKind::Wake, 0),
        // The clock of another CPU is behind.
        (EventKind::Poll, -1),
    ];
    for (kind, step) in steps {
        both.apply(Event { kind, step });
        assert_eq!(both.read(both.now), both.model.reading(both.now), "{kind:?}");
    }
}

/// The state shared by the threads of the test below.
struct ThreadedTest {
    ledger: Ledger,
    /// A clock that ticks once per reading.
    clock: AtomicU64,
    begun: AtomicU64,
    finished: AtomicU64,
    stop: AtomicBool,
}

impl ThreadedTest {
    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    fn wake(&self, times: u64) {
        for i in 0..times {
            self.begun.fetch_add(1, Ordering::SeqCst);
            self.ledger.woken(|| self.tick());
            self.finished.fetch_add(1, Ordering::SeqCst);
            if i % 7 == 0 {
                std::thread::yield_now();
            }
        }
    }

    /// Polls until `stop`; returns (polls, busy, scheduled).
    fn poll(&self) -> (u64, u64, u64) {
        let (mut polls, mut busy, mut scheduled) = (0, 0, 0);
        loop {
            let stop = self.stop.load(Ordering::SeqCst);
            let started = self.ledger.poll_started(self.tick(), false, || false);
            if polls % 5 == 0 {
                std::thread::yield_now();
            }
            let end = stop.then_some(Outcome::Completed);
            busy += self.ledger.poll_ended(started.at, self.tick(), end);
            scheduled += started.delay.unwrap_or(0);
            polls += 1;
            if stop {
                return (polls, busy, scheduled);
            }
            if polls % 3 == 0 {
                std::thread::yield_now();
            }
        }
    }

    fn watch(&self) {
        let mut last = self.ledger.read(self.tick(), || ()).expect("a task").0;
        while !self.stop.load(Ordering::SeqCst) {
            let finished = self.finished.load(Ordering::SeqCst);
            let now = self.tick();
            let reading = self.ledger.read(now, || ()).expect("a task").0;
            assert_eq!(
                reading.lifetime,
                reading.busy + reading.scheduled + reading.idle,
                "{reading:?}"
            );
            assert!(reading.idle <= reading.lifetime, "torn: {reading:?}");
            // The task may have ended since the loop's condition was read.
            let end = if reading.state.is_done() { reading.since } else { now.max(reading.since) };
            assert_eq!(reading.lifetime, end - 1, "{reading:?} at {now}");
            assert!(
                reading.polls >= last.polls && reading.wakes >= last.wakes,
                "{last:?} {reading:?}"
            );
            let begun = self.begun.load(Ordering::SeqCst);
            assert!((finished..=begun).contains(&reading.wakes), "{finished} {reading:?} {begun}");
            last = reading;
        }
    }
}

#[test]
fn concurrent_wakes_and_times_are_all_counted() {
    const WAKERS: u64 = 3;
    const WAKES: u64 = 30_000;
    let test = ThreadedTest {
        ledger: Ledger::vacant(),
        clock: AtomicU64::new(1),
        begun: AtomicU64::new(0),
        finished: AtomicU64::new(0),
        stop: AtomicBool::new(false),
    };
    test.ledger.open(test.tick(), true);
    let (polls, busy, scheduled) = std::thread::scope(|scope| {
        let poller = scope.spawn(|| test.poll());
        scope.spawn(|| test.watch());
        let wakers: Vec<_> = (0..WAKERS).map(|_| scope.spawn(|| test.wake(WAKES))).collect();
        wakers.into_iter().for_each(|waker| waker.join().expect("no panic"));
        test.stop.store(true, Ordering::SeqCst);
        poller.join().expect("no panic")
    });
    let end = test.ledger.read(u64::MAX, || ()).expect("a task").0;
    assert_eq!(end.state, State::Completed);
    assert_eq!((end.polls, end.wakes), (polls, WAKERS * WAKES));
    assert_eq!((end.busy, end.scheduled), (busy, scheduled));
    assert_eq!(end.lifetime, end.busy + end.scheduled + end.idle);
}
