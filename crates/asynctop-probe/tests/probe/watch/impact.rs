//! The impact of long polls on real runtimes, compared with the statistics of the delayed tasks.

use std::{
    io::Read,
    sync::{Arc, mpsc as blocking},
};

use asynctop_probe::{
    Reading, Registry,
    watch::{ImpactAccuracy, PollRecord, WatchOptions, Watchdog},
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
    /// Keys of the tasks that wait for a message, and the senders.
    receivers: Vec<(u64, Sender<()>)>,
    replies: blocking::Receiver<()>,
}

impl Setup {
    fn new(runtime: Runtime, receivers: usize) -> Self {
        let registry = Registry::leak();
        let watchdog = Watchdog::start(registry, WatchOptions::default()).unwrap();
        let (reply, replies) = blocking::channel();
        let spawn = |_| {
            let (sender, mut messages) = mpsc::channel(1);
            let reply = reply.clone();
            let receiver = registry.instrument_task("receiver", async move {
                while messages.recv().await.is_some() {
                    let _ = reply.send(());
                }
            });
            let key = receiver.key();
            runtime.spawn(receiver);
            (key, sender)
        };
        let receivers = (0..receivers).map(spawn).collect();
        let setup = Setup { registry, watchdog, runtime, receivers, replies };
        // For their usual delay.
        for _ in 0..20 {
            setup.wake(0..setup.receivers.len());
            setup.receivers.iter().for_each(|_| setup.replies.recv().unwrap());
        }
        setup
    }

    fn wake(&self, which: std::ops::Range<usize>) {
        self.receivers[which].iter().for_each(|(_, sender)| sender.blocking_send(()).unwrap());
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

    /// Blocks a worker while `work` runs, which gets the key of the blocking task.
    fn while_blocked(&self, work: impl FnOnce(u64)) -> u64 {
        let (starts, started) = blocking::channel();
        // Not a lock: from a wait for one, the run-queue delay of the slowest other thread is
        // deducted, and other tests have threads.
        let (mut ends, end) = std::io::pipe().unwrap();
        let hog = self.registry.instrument_task("hog", async move {
            starts.send(()).unwrap();
            ends.read_to_end(&mut Vec::new()).unwrap();
        });
        let key = hog.key();
        self.runtime.spawn(hog);
        started.recv().unwrap();
        work(key);
        // On a busy machine, most of the poll may be deducted. A poll that is short then is not kept.
        let threshold_ns = WatchOptions::default().long_poll.as_nanos() as u64;
        let is_long = |poll: &Arc<PollRecord>| poll.net_ns() >= threshold_ns;
        wait_for(|| self.watchdog.handle().current(key).filter(is_long));
        drop(end);
        key
    }

    fn ended_poll(&self, task: u64) -> Arc<PollRecord> {
        let handle = self.watchdog.handle();
        let of_task = || handle.records().into_iter().find(|poll| poll.task == task);
        wait_for(|| of_task().filter(|poll| poll.ended_ns.is_some()))
    }
}

/// A runtime with one worker thread.
fn one_worker() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

#[test]
fn impact_on_one_worker_is_the_delay_of_the_other_tasks() {
    let setup = Setup::new(one_worker(), 6);
    let usual = setup.receivers.iter().map(|(key, _)| setup.reading(*key).max_delay).max().unwrap();
    let hog = setup.while_blocked(|hog| {
        // One task is woken before the poll is long, four while it lasts, and one never.
        setup.wake(0..1);
        wait_for(|| setup.watchdog.handle().current(hog));
        setup.wake(1..5);
        // On a busy machine, their usual delay is long, too.
        let last = setup.receivers[4].0;
        wait_until("five tasks are delayed longer than ever before", || {
            let poll = setup.watchdog.handle().current(hog);
            poll.is_some_and(|poll| poll.impact.as_ref().is_some_and(|impact| impact.tasks == 5))
                && setup.reading(last).max_delay > 10 * usual
        });
    });
    for _ in 0..5 {
        setup.replies.recv().unwrap();
    }
    let poll = setup.ended_poll(hog);
    let impact = poll.impact.as_ref().expect("an impact");
    // On a busy machine, the poll has not caused all of the delay.
    let net = poll.net_ns() as f64 / poll.length_ns() as f64;
    assert!(
        impact.accuracy == ImpactAccuracy::Exact || net < 0.99,
        "{impact:?} {:?}",
        poll.without_cpu
    );
    assert_eq!(impact.tasks, 5, "{impact:?}");
    assert_eq!(
        impact.total_ns,
        impact.most_delayed.iter().map(|waited| waited.delay_ns).sum::<u64>()
    );
    assert_eq!(
        impact.most_delayed[0].task, setup.receivers[0].0,
        "the task woken first was delayed longest"
    );
    for (key, _) in &setup.receivers[..5] {
        let delayed =
            impact.most_delayed.iter().find(|waited| waited.task == *key).expect("a delayed task");
        // This is its longest delay; its usual delay is deducted.
        let longest = setup.reading(*key).max_delay;
        assert!(delayed.delay_ns <= longest, "{delayed:?} {longest}");
        assert!(
            delayed.delay_ns as f64 >= longest as f64 * net / 2.0,
            "{delayed:?} {longest} {net}"
        );
    }
    let sentence = impact.sentence().unwrap();
    if impact.accuracy == ImpactAccuracy::Exact {
        assert!(sentence.starts_with("delayed 5 tasks by ") && sentence.ends_with(" task-seconds"));
    } else {
        assert!(sentence.starts_with("delayed 5 tasks by at most "), "{sentence}");
    }
}

#[test]
fn poll_without_scheduled_tasks_has_no_impact() {
    let setup = Setup::new(one_worker(), 2);
    let hog = setup.while_blocked(|hog| drop(wait_for(|| setup.watchdog.handle().current(hog))));
    let poll = setup.ended_poll(hog);
    let impact = poll.impact.as_ref().expect("an impact");
    assert_eq!((impact.tasks, impact.total_ns, impact.sentence()), (0, 0, None));
}

#[test]
fn impact_is_not_exact_if_another_worker_polls() {
    let two = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let setup = Setup::new(two, 2);
    let hog = setup.while_blocked(|hog| {
        wait_for(|| setup.watchdog.handle().current(hog));
        // The other worker must poll after the first reading of all tasks.
        wait_until("the first reading", || {
            setup.watchdog.handle().current(hog).is_some_and(|poll| poll.impact.is_some())
        });
        for _ in 0..10 {
            setup.wake(0..2);
            setup.replies.recv().unwrap();
            setup.replies.recv().unwrap();
        }
    });
    let poll = setup.ended_poll(hog);
    assert_eq!(poll.impact.as_ref().expect("an impact").accuracy, ImpactAccuracy::UpperBound);
}

#[test]
fn impact_grows_while_the_poll_lasts() {
    let setup = Setup::new(one_worker(), 3);
    setup.while_blocked(|hog| {
        setup.wake(0..3);
        let total =
            || setup.watchdog.handle().current(hog)?.impact.as_ref().map(|impact| impact.total_ns);
        let early = wait_for(|| total().filter(|total| *total > 0));
        wait_for(|| total().filter(|total| *total > 2 * early));
    });
}
