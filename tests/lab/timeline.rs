//! The timeline of real runtimes.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use asynctop::{
    model::{ColumnSpan, Coverage, Model, PollScope, Timeline, WorkerActivity},
    probe::{LocalSampler, Registry},
    snapshot::{Subscription, Target},
};
use tokio::runtime::{Builder, Runtime};

use crate::support::{TIMEOUT, wait_until};

/// A sampler with a subscription to the timeline, and its model.
struct TimelineWatch {
    sampler: LocalSampler,
    model: Model,
}

impl TimelineWatch {
    fn new(registry: &'static Registry, runtime: &Runtime) -> TimelineWatch {
        let sampler = LocalSampler::new("test", registry, runtime.handle());
        let mut watch = TimelineWatch { sampler, model: Model::default() };
        watch.sample();
        watch
    }

    fn sample(&mut self) {
        let subscription = Subscription { timeline: true, ..Subscription::default() };
        self.model.advance(&self.sampler.sample(&subscription).into());
    }

    fn timeline(&self) -> &Timeline {
        self.model.targets()[0].timeline()
    }

    fn target(&self) -> &Target {
        self.model.targets()[0].target()
    }

    /// The names of the tasks that the worker polled, in this order.
    fn tasks(&self, worker: usize) -> Vec<String> {
        let mut names = self.polls(worker);
        names.dedup();
        names
    }

    /// The names of the tasks that the worker polled, one per poll, and one for the drop of a future
    /// that takes long, as on a busy machine.
    fn polls(&self, worker: usize) -> Vec<String> {
        let timeline = self.timeline();
        let (mut at, mut names) = (timeline.begin_ns().saturating_sub(1), Vec::new());
        while let Some(began) = timeline.step(worker, at, true, &PollScope::default()) {
            let span = ColumnSpan { from: began, to: began + 1, at: began };
            let WorkerActivity::Poll { poll, .. } = timeline.activity(worker, span) else {
                panic!("no poll at the start of a poll")
            };
            names.push(timeline.task(poll.key).expect("a known task").name.to_string());
            at = began;
        }
        names
    }
}

fn spin_for(time: Duration) {
    let begin = Instant::now();
    while begin.elapsed() < time {
        std::hint::spin_loop();
    }
}

#[test]
fn poll_that_began_before_the_recording_is_busy_from_its_start_on() {
    let registry = Registry::leak();
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let task = registry.instrument_task("import", async move {
        let handle = tokio::runtime::Handle::current();
        let sampler = LocalSampler::new("test", registry, &handle);
        let mut watch = TimelineWatch { sampler, model: Model::default() };
        watch.sample();
        let recorded_since = watch.timeline().begin_ns();
        spin_for(Duration::from_millis(2));
        watch.sample();
        let timeline = watch.timeline();
        let bar = timeline.bar(0, (recorded_since, timeline.now_ns()), 5, &PollScope::default());
        for cell in &bar.cells {
            assert_eq!((cell.coverage, cell.busy), (Coverage::Exact, 1.0), "{bar:?}");
        }
    });
    runtime.block_on(async { runtime.spawn(task).await }).expect("no panic");
}

#[test]
fn recording_has_the_polls_before_each_subscription() {
    let registry = Registry::leak();
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let sampler = LocalSampler::new("test", registry, runtime.handle()).with_recording();
    let mut watch = TimelineWatch { sampler, model: Model::default() };
    let run = |name: &str| {
        let task = registry.instrument_task(name, async {});
        runtime.block_on(async { runtime.spawn(task).await }).expect("no panic");
    };
    run("first");
    watch.sample();
    assert_eq!(watch.tasks(0), ["first"], "before the first subscription");
    watch.model.advance(&watch.sampler.sample(&Subscription::default()).into());
    run("second");
    watch.sample();
    assert_eq!(watch.tasks(0), ["first", "second"], "after a time without a subscription");
}

#[test]
fn polls_are_in_the_order_in_which_the_tasks_ran() {
    let registry = Registry::leak();
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let mut watch = TimelineWatch::new(registry, &runtime);
    let ran = Arc::new(Mutex::new(Vec::new()));
    let hello = |n: u32| {
        let (name, ran) = (format!("hello-{n}"), ran.clone());
        let task_name = name.clone();
        let task = registry.instrument_task(&name, async move {
            for _ in 0..3 {
                ran.lock().expect("no panic").push(task_name.clone());
                // Each poll starts at another time, even with a coarse clock.
                spin_for(Duration::from_micros(20));
                tokio::task::yield_now().await;
            }
        });
        runtime.spawn(task)
    };
    let tasks: Vec<_> = (1..=10).map(hello).collect();
    runtime.block_on(async {
        for task in tasks {
            task.await.expect("no panic");
        }
    });
    watch.sample();
    let ran = ran.lock().expect("no panic");
    // The last poll of each task only returns.
    let polled = watch.polls(0);
    assert_eq!(ran[..10], polled[..10], "once each, in the order of spawning");
    assert_eq!(ran.len(), 30);
    for n in 1..=10 {
        let name = format!("hello-{n}");
        let polls = |list: &[String]| list.iter().filter(|known| **known == name).count();
        assert_eq!(polls(&ran), 3, "{name}");
        assert!([4, 5].contains(&polls(&polled)), "{name}, and perhaps its drop: {polled:?}");
    }
    // The timeline keeps the names of removed tasks.
    remove_ended_tasks(registry);
    watch.sample();
    assert_eq!(watch.polls(0), polled);
}

/// Waits until the registry has removed its ended tasks.
fn remove_ended_tasks(registry: &'static Registry) {
    registry.set_retention(Duration::ZERO);
    wait_until("no task is left", || {
        let mut left = 0;
        registry.scan(registry.now(), |_| left += 1);
        left == 0
    });
}

#[test]
fn hog_is_one_long_poll_during_and_after_it() {
    let registry = Registry::leak();
    let runtime = Builder::new_multi_thread().worker_threads(1).build().expect("a runtime");
    let mut watch = TimelineWatch::new(registry, &runtime);
    let (release, released) = std::sync::mpsc::channel::<()>();
    let (start, started) = std::sync::mpsc::channel();
    let hog = registry.instrument_task("hog", async move {
        start.send(()).expect("the test waits");
        released.recv().expect("the test releases it");
    });
    let hog = runtime.spawn(hog);
    started.recv_timeout(TIMEOUT).expect("it starts");
    let current_poll = |watch: &mut TimelineWatch| {
        watch.sample();
        let timeline = watch.timeline();
        let now = timeline.now_ns();
        let WorkerActivity::Poll { poll, is_running, .. } =
            timeline.activity(0, ColumnSpan { from: now - 1, to: now, at: now - 1 })
        else {
            panic!("no poll right now")
        };
        assert!(is_running, "it has not ended");
        let bar = timeline.bar(0, (poll.began, now), 50, &PollScope::default());
        assert!(bar.cells.iter().all(|cell| {
            cell.coverage == Coverage::Exact
                && cell.busy > 0.99
                && cell.poll == Some((poll.key, poll.began))
        }));
        (poll.key, poll.began, now)
    };
    let first = current_poll(&mut watch);
    thread::sleep(Duration::from_millis(20));
    let second = current_poll(&mut watch);
    assert_eq!((first.0, first.1), (second.0, second.1), "the same poll");
    assert!(second.2 > first.2, "which is longer now");
    release.send(()).expect("the hog waits");
    runtime.block_on(hog).expect("no panic");
    wait_until("the poll has ended", || {
        watch.sample();
        let is_polled = watch.target().workers[0].current.is_some();
        !is_polled && !watch.polls(0).is_empty()
    });
    assert_eq!(watch.tasks(0), ["hog"], "one poll");
}

#[test]
fn polls_are_recorded_only_with_a_subscription() {
    let registry = Registry::leak();
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let mut sampler = LocalSampler::new("test", registry, runtime.handle());
    let poll = |name: &str| runtime.block_on(registry.instrument(name, async {}));
    poll("before");
    // The drop of a future is recorded as well if it takes long, as on a busy machine.
    let mut recorded_polls = |timeline| {
        let subscription = Subscription { timeline, ..Subscription::default() };
        let workers = sampler.sample(&subscription).timeline?;
        let tasks = workers[0].every.spans.iter().map(|span| span.task);
        Some(tasks.collect::<HashSet<_>>().len())
    };
    assert!(recorded_polls(false).is_none());
    assert_eq!(recorded_polls(true), Some(0), "earlier polls are not recorded");
    poll("with a subscription");
    assert_eq!(recorded_polls(true), Some(1));
    poll("after the last sample");
    assert!(recorded_polls(false).is_none());
    poll("without a subscription");
    assert_eq!(recorded_polls(true), Some(0));
}

#[test]
fn timeline_covers_more_polls_than_a_thread_records() {
    let registry = Registry::leak();
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let mut watch = TimelineWatch::new(registry, &runtime);
    let begin = registry.now();
    // More polls between two samples than a thread records, over many ticks.
    let flood = registry.instrument_task("flood", async move {
        let mut polls = 0u64;
        while polls < 100_000 || registry.now() < begin + 100 * asynctop::snapshot::TICK_NS {
            polls += 1;
            tokio::task::yield_now().await;
        }
        polls
    });
    let polls = runtime.block_on(async { runtime.spawn(flood).await.expect("no panic") });
    let end = registry.now();
    watch.sample();
    let timeline = watch.timeline();
    let bar = timeline.bar(0, (begin, end), 4, &PollScope::default());
    assert!(bar.cells.iter().all(|cell| cell.coverage != Coverage::Missing && cell.busy > 0.0));
    assert!(bar.is_sampled());
    let snapshot = watch.target();
    let workers = snapshot.timeline.as_ref().expect("subscribed");
    let (every, total) = (&workers[0].every, snapshot.workers[0].polls);
    assert_eq!(every.missing + every.spans.len() as u64, polls + 1, "every poll is counted");
    assert_eq!(total, polls + 1);
}
