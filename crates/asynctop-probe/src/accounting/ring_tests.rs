//! Tests of the ring with concurrent threads, and of recordings.

use std::{
    future::Future,
    hint::black_box,
    mem,
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Waker},
    thread,
};

use proptest::prelude::*;

use super::{PollKind, Registry, on_drop::OnDrop, ring::Ring};
use asynctop_snapshot::{PollSpan, TICK_NS};

/// The poll span with this number; a torn one is detected.
fn span(number: u64) -> PollSpan {
    PollSpan { task: number, began: 3 * number, ended: 3 * number + 2 }
}

proptest! {
    #[test]
    fn copy_has_the_latest_spans_in_order_and_the_number_of_missing_ones(pushes in prop::collection::vec(0u64..20, 1..40)) {
        const KEPT: u64 = 7;
        let ring = Ring::<8>::new();
        let (mut pushed, mut next, mut copied) = (0, 0, Vec::new());
        for push in pushes {
            (pushed..pushed + push).for_each(|number| ring.push(span(number)));
            pushed += push;
            copied.clear();
            let missing = ring.copy(&mut next, &mut copied);
            let first = pushed - push.min(KEPT);
            prop_assert_eq!(&copied, &(first..pushed).map(span).collect::<Vec<_>>());
            prop_assert_eq!((missing, next, ring.pushed()), (push.saturating_sub(KEPT), pushed, pushed));
        }
    }
}

#[test]
fn concurrent_copies_are_intact_and_count_all_spans() {
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
            let missing = ring.copy(&mut next, &mut copied);
            let first = before + missing;
            assert!(copied.iter().zip(first..).all(|(copied, number)| *copied == span(number)));
            assert_eq!(first + copied.len() as u64, next, "copied or counted as missing");
            seen += missing + copied.len() as u64;
            if last {
                break;
            }
        }
        assert_eq!(seen, PUSHES);
    });
}

/// Polls a future of `registry` once, on this thread. It is not dropped: a drop during which the
/// thread loses its CPU is long, and would be recorded.
fn poll_once(registry: &'static Registry, name: &str, body: impl FnOnce()) -> u64 {
    let mut task = Box::pin(registry.instrument(name, async { body() }));
    let key = task.key();
    assert!(task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
    mem::forget(task);
    key
}

#[test]
fn nested_poll_interrupts_the_outer_one() {
    let registry = Registry::leak();
    poll_once(registry, "before the recording", || ());
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
    assert!(recording.read()[0].every.spans.is_empty(), "each span is read once");
}

#[test]
fn polls_are_recorded_only_during_a_recording() {
    let registry = Registry::leak();
    poll_once(registry, "no recording", || ());
    let mut slots = Vec::new();
    registry.thread_slots(&mut slots);
    assert!(slots[0].existing_recorder().is_none(), "nothing is allocated");
    let mut first = registry.record();
    poll_once(registry, "one recording", || ());
    let mut second = registry.record();
    poll_once(registry, "two recordings", || ());
    let count = |recording: &mut super::Recording| recording.read()[0].every.spans.len();
    assert_eq!((count(&mut first), count(&mut second)), (2, 1));
    drop(first);
    poll_once(registry, "one recording is left", || ());
    assert_eq!(count(&mut second), 1);
    drop(second);
    poll_once(registry, "no recording is left", || ());
    let mut third = registry.record();
    assert_eq!(count(&mut third), 0);
    // A thread that starts during a recording.
    let late = thread::spawn(move || poll_once(registry, "late", || ()));
    let late = late.join().expect("no panic");
    let late_spans = &third.read()[1].every.spans;
    assert_eq!(late_spans.iter().map(|span| span.task).collect::<Vec<_>>(), [late]);
}

#[test]
fn ticked_polls_include_long_ones_with_exact_times() {
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
    let registry = Registry::leak();
    let mut recording = registry.record();
    let drop_after = |length| {
        let slow = OnDrop(move || {
            let until = registry.now() + length;
            while registry.now() < until {}
        });
        let task = registry.instrument("slow", async move { drop(slow) });
        let key = task.key();
        drop(task);
        key
    };
    // Outside any poll: the future was never polled.
    poll_once(registry, "before", || ());
    let alone = drop_after(2 * TICK_NS);
    let (mut short, mut inside) = (0, 0);
    let outer = poll_once(registry, "outer", || {
        short = drop_after(0);
        inside = drop_after(2 * TICK_NS);
    });
    let spans = &recording.read()[0].every.spans;
    let tasks: Vec<u64> = spans.iter().map(|span| span.task).collect();
    // A short drop is long if the thread loses its CPU in it, so more spans may surround these.
    let is_long = |span: &&PollSpan| span.ended - span.began >= TICK_NS;
    assert!(spans.iter().filter(|span| span.task == short).all(|span| is_long(&span)), "{spans:?}");
    assert!(tasks.contains(&alone), "{spans:?}");
    assert!(tasks.windows(3).any(|tasks| tasks == [outer, inside, outer]), "{spans:?}");
    assert!(spans.windows(2).all(|pair| pair[0].ended <= pair[1].began), "{spans:?}");
}

#[test]
fn running_drop_is_read_as_a_drop() {
    let registry = Registry::leak();
    let mut recording = registry.record();
    poll_once(registry, "before", || ());
    let mut current = None;
    let task = registry.instrument("dropped", {
        let on_drop = OnDrop(|| current = recording.read()[0].current);
        async move { drop(on_drop) }
    });
    let dropped = task.key();
    drop(task);
    let current = current.expect("a running drop");
    assert_eq!((current.task, current.kind), (dropped, PollKind::Drop));
}
