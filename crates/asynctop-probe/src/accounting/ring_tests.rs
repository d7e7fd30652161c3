//! The ring against threads that do not wait for each other, and a poll inside of a poll.

use std::{
    future::Future,
    hint::black_box,
    mem,
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Waker},
    thread,
};

use proptest::prelude::*;

use super::{Registry, ring::Ring};
use asynctop_snapshot::{PollSpan, TICK_NS};

/// The poll span with this number; the parts can only come from one.
fn span(number: u64) -> PollSpan {
    PollSpan { task: number, began: 3 * number, ended: 3 * number + 2 }
}

proptest! {
    /// A reader that comes whenever it likes gets the rest of what the ring keeps, in order,
    /// and knows how many it missed.
    #[test]
    fn a_copy_is_what_a_list_would_have_had(pushes in prop::collection::vec(0u64..20, 1..40)) {
        const KEPT: u64 = 7;
        let ring = Ring::<8>::new();
        let (mut pushed, mut next, mut copied) = (0, 0, Vec::new());
        for push in pushes {
            (pushed..pushed + push).for_each(|number| ring.push(span(number)));
            pushed += push;
            copied.clear();
            let lost = ring.copy(&mut next, &mut copied);
            let first = pushed - push.min(KEPT);
            prop_assert_eq!(&copied, &(first..pushed).map(span).collect::<Vec<_>>());
            prop_assert_eq!((lost, next, ring.pushed()), (push.saturating_sub(KEPT), pushed, pushed));
        }
    }
}

#[test]
fn nothing_is_torn_and_everything_is_counted_while_a_thread_writes() {
    const PUSHES: u64 = 3_000_000;
    let ring = Ring::<256>::new();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            (0..PUSHES).for_each(|number| ring.push(black_box(span(number))));
            done.store(true, Ordering::Release);
        });
        let (mut next, mut seen, mut copied) = (0, 0, Vec::new());
        loop {
            let last = done.load(Ordering::Acquire);
            copied.clear();
            let before = next;
            let lost = ring.copy(&mut next, &mut copied);
            let first = before + lost;
            assert!(copied.iter().zip(first..).all(|(copied, number)| *copied == span(number)));
            assert_eq!(first + copied.len() as u64, next, "all of them, or known to be missing");
            seen += lost + copied.len() as u64;
            if last {
                break;
            }
        }
        assert_eq!(seen, PUSHES);
    });
}

/// Polls a future of `registry` once, on this thread. It is not dropped: a drop in which the thread
/// loses its CPU is long, and recorded as well.
fn poll_once(registry: &'static Registry, name: &str, body: impl FnOnce()) -> u64 {
    let mut task = Box::pin(registry.instrument(name, async { body() }));
    let key = task.key();
    assert!(task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
    mem::forget(task);
    key
}

#[test]
fn a_poll_inside_of_a_poll_takes_over_and_gives_back() {
    let registry = Registry::leak();
    poll_once(registry, "before anybody records", || ());
    let mut recording = registry.record();
    let mut inner = [0; 2];
    let outer = poll_once(registry, "outer", || {
        inner = ["first", "second"].map(|name| poll_once(registry, name, || ()));
    });
    let after = poll_once(registry, "after", || ());
    let threads = recording.read();
    let spans = &threads[0].every.spans;
    let tasks: Vec<u64> = spans.iter().map(|span| span.task).collect();
    assert_eq!(tasks, [outer, inner[0], outer, inner[1], outer, after]);
    assert!(spans.windows(2).all(|pair| pair[0].ended <= pair[1].began), "{spans:?}");
    for inside in spans[..5].windows(2) {
        assert_eq!(inside[0].ended, inside[1].began, "without a gap");
    }
    assert!(recording.read()[0].every.spans.is_empty(), "each only once");
}

#[test]
fn what_is_written_depends_on_whether_somebody_records() {
    let registry = Registry::leak();
    poll_once(registry, "nobody looks", || ());
    let mut slots = Vec::new();
    registry.thread_slots(&mut slots);
    assert!(slots[0].recorder_kept().is_none(), "and nothing is allocated");
    let mut first = registry.record();
    poll_once(registry, "one looks", || ());
    let mut second = registry.record();
    poll_once(registry, "two look", || ());
    let count = |recording: &mut super::Recording| recording.read()[0].every.spans.len();
    assert_eq!((count(&mut first), count(&mut second)), (2, 1));
    drop(first);
    poll_once(registry, "one looks still", || ());
    assert_eq!(count(&mut second), 1);
    drop(second);
    poll_once(registry, "nobody looks again", || ());
    let mut third = registry.record();
    assert_eq!(count(&mut third), 0);
    // A thread that comes while somebody records.
    let late = thread::spawn(move || poll_once(registry, "late", || ()));
    let late = late.join().expect("no panic");
    let of_late = &third.read()[1].every.spans;
    assert_eq!(of_late.iter().map(|span| span.task).collect::<Vec<_>>(), [late]);
}

#[test]
fn a_long_poll_is_among_those_that_a_tick_fell_into_with_its_exact_times() {
    let registry = Registry::leak();
    let mut recording = registry.record();
    let long = poll_once(registry, "long", || {
        let until = registry.now() + 2 * TICK_NS;
        while registry.now() < until {}
    });
    for _ in 0..1_000 {
        poll_once(registry, "short", || ());
    }
    let recorded = &recording.read()[0];
    let ticked = &recorded.ticked.spans;
    assert_eq!((recorded.every.spans.len(), ticked[0].task), (1_001, long));
    assert_eq!(ticked[0], recorded.every.spans[0]);
    for span in &recorded.every.spans {
        let crosses = span.began / TICK_NS != span.ended / TICK_NS;
        assert_eq!(ticked.contains(span), crosses);
    }
}

#[test]
fn long_drop_is_recorded_and_a_short_one_is_not() {
    struct Slow(&'static Registry, u64);
    impl Drop for Slow {
        fn drop(&mut self) {
            let until = self.0.now() + self.1;
            while self.0.now() < until {}
        }
    }
    let registry = Registry::leak();
    let mut recording = registry.record();
    let drop_after = |length| {
        let slow = Slow(registry, length);
        let task = registry.instrument("slow", async move { drop(slow) });
        let key = task.key();
        drop(task);
        key
    };
    // Outside of any poll: the future was never polled.
    poll_once(registry, "before", || ());
    let alone = drop_after(2 * TICK_NS);
    let (mut short, mut inside) = (0, 0);
    let outer = poll_once(registry, "outer", || {
        short = drop_after(0);
        inside = drop_after(2 * TICK_NS);
    });
    let spans = &recording.read()[0].every.spans;
    let tasks: Vec<u64> = spans.iter().map(|span| span.task).collect();
    // A short drop in which the thread lost its CPU is long, too, so more spans may surround these.
    let is_long = |span: &&PollSpan| span.ended - span.began >= TICK_NS;
    assert!(spans.iter().filter(|span| span.task == short).all(|span| is_long(&span)), "{spans:?}");
    assert!(tasks.contains(&alone), "{spans:?}");
    assert!(tasks.windows(3).any(|tasks| tasks == [outer, inside, outer]), "{spans:?}");
    assert!(spans.windows(2).all(|pair| pair[0].ended <= pair[1].began), "{spans:?}");
}
