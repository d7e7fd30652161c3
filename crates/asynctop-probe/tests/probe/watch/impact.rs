//! What a long poll costs the others, on real runtimes: the bill is what the victims'
//! own accounts say.

use std::sync::{Arc, mpsc as blocking};

use asynctop_probe::{
    Reading, Registry,
    watch::{PollRecord, WatchOptions, Watchdog},
};
use tokio::{
    runtime::{Builder, Runtime},
    sync::mpsc::{self, Sender},
};

use crate::support::{wait_for, wait_until};

struct Setup {
    registry: &'static Registry,
    watchdog: Watchdog,
    runtime: Runtime,
    /// Keys of those who wait for news, and where to send it.
    victims: Vec<(u64, Sender<()>)>,
    heard: blocking::Receiver<()>,
}

impl Setup {
    fn new(runtime: Runtime, victims: usize) -> Self {
        let registry = Registry::leak();
        let watchdog = Watchdog::start(registry, WatchOptions::default()).unwrap();
        let (hears, heard) = blocking::channel();
        let spawn = |_| {
            let (sender, mut news) = mpsc::channel(1);
            let hears = hears.clone();
            let victim = registry.instrument_task("victim", async move {
                while news.recv().await.is_some() {
                    let _ = hears.send(());
                }
            });
            let key = victim.key();
            runtime.spawn(victim);
            (key, sender)
        };
        let victims = (0..victims).map(spawn).collect();
        let setup = Setup { registry, watchdog, runtime, victims, heard };
        // What they usually wait.
        for _ in 0..20 {
            setup.wake(0..setup.victims.len());
            setup.victims.iter().for_each(|_| setup.heard.recv().unwrap());
        }
        setup
    }

    fn wake(&self, which: std::ops::Range<usize>) {
        self.victims[which].iter().for_each(|(_, sender)| sender.blocking_send(()).unwrap());
    }

    fn reading(&self, key: u64) -> Reading {
        let mut found = None;
        self.registry.scan(self.registry.now(), |task| {
            if task.key() == key {
                found = Some(task.reading);
            }
        });
        found.unwrap()
    }

    /// A task that holds its worker while `meanwhile` runs.
    fn held(&self, meanwhile: impl FnOnce(u64)) -> u64 {
        let (starts, started) = blocking::channel();
        let (end, ends) = blocking::channel::<()>();
        let hog = self.registry.instrument_task("hog", async move {
            starts.send(()).unwrap();
            let _ = ends.recv();
        });
        let key = hog.key();
        self.runtime.spawn(hog);
        started.recv().unwrap();
        meanwhile(key);
        drop(end);
        key
    }

    fn over(&self, task: u64) -> Arc<PollRecord> {
        let handle = self.watchdog.handle();
        let of_task = || handle.records().into_iter().find(|poll| poll.task == task);
        wait_for(|| of_task().filter(|poll| poll.ended_ns.is_some()))
    }
}

/// A runtime with one worker, which runs by itself.
fn one_worker() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

#[test]
fn on_one_worker_the_bill_is_what_the_victims_waited() {
    let setup = Setup::new(one_worker(), 6);
    let usual = setup.victims.iter().map(|(key, _)| setup.reading(*key).max_delay).max().unwrap();
    let hog = setup.held(|hog| {
        // One is woken before the poll is long, four while it lasts, and one never.
        setup.wake(0..1);
        wait_for(|| setup.watchdog.handle().current(hog));
        setup.wake(1..5);
        // On a busy machine, what they usually wait is long, too.
        let late = setup.victims[4].0;
        wait_until("the bill has all five, and this is the longest wait of each", || {
            let poll = setup.watchdog.handle().current(hog);
            poll.is_some_and(|poll| poll.impact.as_ref().is_some_and(|cost| cost.tasks == 5))
                && setup.reading(late).max_delay > 10 * usual
        });
    });
    for _ in 0..5 {
        setup.heard.recv().unwrap();
    }
    let poll = setup.over(hog);
    let cost = poll.impact.as_ref().expect("a bill");
    // On a busy machine, the poll has not caused all of the delay.
    let own = poll.net_ns() as f64 / poll.length_ns() as f64;
    assert!(cost.exact || own < 0.99, "{cost:?} {:?}", poll.without_cpu);
    assert_eq!(cost.tasks, 5, "{cost:?}");
    assert_eq!(cost.total_ns, cost.most_delayed.iter().map(|waited| waited.delay_ns).sum::<u64>());
    assert_eq!(cost.most_delayed[0].task, setup.victims[0].0, "who was woken first waited longest");
    for (key, _) in &setup.victims[..5] {
        let waited =
            cost.most_delayed.iter().find(|waited| waited.task == *key).expect("on the bill");
        // Its longest wait is this one; what is missing is what it usually waits.
        let longest = setup.reading(*key).max_delay;
        assert!(waited.delay_ns <= longest, "{waited:?} {longest}");
        assert!(waited.delay_ns as f64 >= longest as f64 * own / 2.0, "{waited:?} {longest} {own}");
    }
    let sentence = cost.sentence().unwrap();
    if cost.exact {
        assert!(sentence.starts_with("delayed 5 tasks by ") && sentence.ends_with(" task-seconds"));
    } else {
        assert!(sentence.starts_with("delayed 5 tasks by at most "), "{sentence}");
    }
}

#[test]
fn a_poll_that_nobody_waits_for_costs_nothing() {
    let setup = Setup::new(one_worker(), 2);
    let hog = setup.held(|hog| drop(wait_for(|| setup.watchdog.handle().current(hog))));
    let poll = setup.over(hog);
    let cost = poll.impact.as_ref().expect("a bill");
    assert_eq!((cost.tasks, cost.total_ns, cost.sentence()), (0, 0, None));
}

#[test]
fn where_another_worker_polls_meanwhile_the_bill_is_not_exact() {
    let two = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let setup = Setup::new(two, 2);
    let hog = setup.held(|hog| {
        wait_for(|| setup.watchdog.handle().current(hog));
        // Until the other worker has polled somebody, after the first look at all tasks.
        wait_until("the bill begins", || {
            setup.watchdog.handle().current(hog).is_some_and(|poll| poll.impact.is_some())
        });
        for _ in 0..10 {
            setup.wake(0..2);
            setup.heard.recv().unwrap();
            setup.heard.recv().unwrap();
        }
    });
    let poll = setup.over(hog);
    assert!(!poll.impact.as_ref().expect("a bill").exact);
}

#[test]
fn while_the_poll_lasts_the_bill_grows() {
    let setup = Setup::new(one_worker(), 3);
    setup.held(|hog| {
        setup.wake(0..3);
        let total =
            || setup.watchdog.handle().current(hog)?.impact.as_ref().map(|cost| cost.total_ns);
        let early = wait_for(|| total().filter(|total| *total > 0));
        wait_for(|| total().filter(|total| *total > 2 * early));
    });
}
