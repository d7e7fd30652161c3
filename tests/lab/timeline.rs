//! Who ran when, as real runtimes have it.

use std::{
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use asynctop::{
    model::{ColumnSpan, Coverage, Model, Timeline, WorkerActivity},
    probe::{LocalSampler, Registry},
    snapshot::{Subscription, Target},
};
use tokio::runtime::{Builder, Runtime};

use crate::support::{PATIENCE, wait_until};

/// A source whose timeline is on, and the model that follows it.
struct Watch {
    source: LocalSampler,
    model: Model,
}

impl Watch {
    fn new(registry: &'static Registry, runtime: &Runtime) -> Watch {
        let source = LocalSampler::new("test", registry, runtime.handle());
        let mut watch = Watch { source, model: Model::default() };
        watch.look();
        watch
    }

    fn look(&mut self) {
        let subscription = Subscription { timeline: true, ..Subscription::default() };
        self.model.advance(&self.source.sample(&subscription).into());
    }

    fn timeline(&self) -> &Timeline {
        self.model.targets()[0].timeline()
    }

    fn target(&self) -> &Target {
        self.model.targets()[0].target()
    }

    /// The names of the tasks that the worker polled, poll by poll.
    fn polls(&self, worker: usize) -> Vec<String> {
        let timeline = self.timeline();
        let (mut at, mut names) = (timeline.begin_ns().saturating_sub(1), Vec::new());
        while let Some(began) = timeline.step(worker, at, true) {
            let span = ColumnSpan { from: began, to: began + 1, at: began };
            let WorkerActivity::Poll { poll, .. } = timeline.activity(worker, span) else {
                panic!("no poll where one began")
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
fn poll_from_before_the_recording_is_busy_from_where_the_recording_began() {
    let registry = Registry::leak();
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let in_the_poll = registry.instrument_task("import", async move {
        let handle = tokio::runtime::Handle::current();
        let source = LocalSampler::new("test", registry, &handle);
        let mut watch = Watch { source, model: Model::default() };
        watch.look();
        let recorded_since = watch.timeline().begin_ns();
        spin_for(Duration::from_millis(2));
        watch.look();
        let timeline = watch.timeline();
        let bar = timeline.bar(0, recorded_since, timeline.now_ns(), 5);
        for cell in &bar.cells {
            assert_eq!((cell.coverage, cell.busy), (Coverage::Exact, 1.0), "{bar:?}");
        }
    });
    runtime.block_on(async { runtime.spawn(in_the_poll).await }).expect("no panic");
}

#[test]
fn the_order_of_the_polls_is_the_order_in_which_the_tasks_ran() {
    let registry = Registry::leak();
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let mut watch = Watch::new(registry, &runtime);
    let ran = Arc::new(Mutex::new(Vec::new()));
    let hello = |n: u32| {
        let (name, ran) = (format!("hello-{n}"), ran.clone());
        let said = name.clone();
        let task = registry.instrument_task(&name, async move {
            for _ in 0..3 {
                ran.lock().expect("no panic").push(said.clone());
                // So that the clock of any machine tells one poll from the next.
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
    watch.look();
    let ran = ran.lock().expect("no panic");
    // The last poll of each says nothing and returns.
    let polled = watch.polls(0);
    assert_eq!(ran[..10], polled[..10], "each once, in the order in which they were spawned");
    assert_eq!((ran.len(), polled.len()), (30, 40));
    for n in 1..=10 {
        let name = format!("hello-{n}");
        let polls = |list: &[String]| list.iter().filter(|one| **one == name).count();
        assert_eq!((polls(&ran), polls(&polled)), (3, 4), "{name}");
    }
    // Tasks that are long gone keep their names.
    tasks_gone(registry);
    watch.look();
    assert_eq!(watch.polls(0), polled);
}

/// Waits until the registry has cleared its ended tasks away.
fn tasks_gone(registry: &'static Registry) {
    registry.set_retention(Duration::ZERO);
    wait_until("no task is left", || {
        let mut left = 0;
        registry.scan(registry.now(), |_| left += 1);
        left == 0
    });
}

#[test]
fn a_hog_is_one_long_poll_while_it_lasts_and_after() {
    let registry = Registry::leak();
    let runtime = Builder::new_multi_thread().worker_threads(1).build().expect("a runtime");
    let mut watch = Watch::new(registry, &runtime);
    let (release, released) = std::sync::mpsc::channel::<()>();
    let (started, begins) = std::sync::mpsc::channel();
    let hog = registry.instrument_task("hog", async move {
        started.send(()).expect("somebody waits");
        released.recv().expect("it is released");
    });
    let hog = runtime.spawn(hog);
    begins.recv_timeout(PATIENCE).expect("it begins");
    let bar = |watch: &mut Watch| {
        watch.look();
        let timeline = watch.timeline();
        let now = timeline.now_ns();
        let WorkerActivity::Poll { poll, is_running, .. } =
            timeline.activity(0, ColumnSpan { from: now - 1, to: now, at: now - 1 })
        else {
            panic!("no poll right now")
        };
        assert!(is_running, "it has not ended");
        let bar = timeline.bar(0, poll.began, now, 50);
        assert!(bar.cells.iter().all(|cell| {
            cell.coverage == Coverage::Exact
                && cell.busy > 0.99
                && cell.poll == Some((poll.key, poll.began))
        }));
        (poll.key, poll.began, now)
    };
    let first = bar(&mut watch);
    thread::sleep(Duration::from_millis(20));
    let second = bar(&mut watch);
    assert_eq!((first.0, first.1), (second.0, second.1), "the same poll");
    assert!(second.2 > first.2, "which has grown");
    release.send(()).expect("it listens");
    runtime.block_on(hog).expect("no panic");
    wait_until("the poll has ended", || {
        watch.look();
        let is_polled = watch.target().workers[0].current.is_some();
        !is_polled && !watch.polls(0).is_empty()
    });
    assert_eq!(watch.polls(0), ["hog"], "one poll, from its beginning to its end");
}

#[test]
fn nothing_is_written_down_unless_somebody_asks() {
    let registry = Registry::leak();
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let mut source = LocalSampler::new("test", registry, runtime.handle());
    let poll = |name: &str| runtime.block_on(registry.instrument(name, async {}));
    poll("before");
    let mut ask = |timeline| {
        let subscription = Subscription { timeline, ..Subscription::default() };
        source.sample(&subscription).timeline.map(|workers| workers[0].every.spans.len())
    };
    assert!(ask(false).is_none());
    assert_eq!(ask(true), Some(0), "from now on");
    poll("while somebody asks");
    assert_eq!(ask(true), Some(1));
    poll("after the last look");
    assert!(ask(false).is_none());
    poll("while nobody asks");
    assert_eq!(ask(true), Some(0));
}

#[test]
fn a_flood_of_polls_is_shown_over_the_whole_time_though_not_each_is_kept() {
    let registry = Registry::leak();
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let mut watch = Watch::new(registry, &runtime);
    let begin = registry.now();
    // More than a thread keeps, between two looks, and for long enough that ticks go by.
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
    watch.look();
    let timeline = watch.timeline();
    let bar = timeline.bar(0, begin, end, 4);
    assert!(bar.cells.iter().all(|cell| cell.coverage != Coverage::Missing && cell.busy > 0.0));
    assert!(bar.is_sampled());
    let snapshot = watch.target();
    let workers = snapshot.timeline.as_ref().expect("asked for");
    let (every, total) = (&workers[0].every, snapshot.workers[0].polls);
    assert_eq!(every.lost + every.spans.len() as u64, polls + 1, "none is uncounted");
    assert_eq!(total, polls + 1);
}
