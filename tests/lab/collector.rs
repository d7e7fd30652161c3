//! The collector: when it delivers snapshots, and when its threads end.

use std::{
    sync::{
        Arc,
        mpsc::{self, Receiver},
    },
    thread,
    time::{Duration, Instant},
};

use asynctop::{
    probe::{LocalSampler, Registry},
    snapshot::{Snapshot, Subscription, Target, TargetId, TaskKey},
    source::{Collector, Source},
};

use crate::support::TIMEOUT;

/// No test waits this long: an earlier snapshot has another reason than the interval.
const NEVER: Duration = Duration::from_secs(3600);

/// A source that reports its subscriptions and, by the end of the channel, that it was dropped.
struct RecordingSource {
    sampler: LocalSampler,
    subscriptions: mpsc::Sender<Subscription>,
}

impl Source for RecordingSource {
    fn sample(&mut self, subscription: &Subscription) -> Target {
        assert_eq!(thread::current().name(), Some("asynctop-sampler"));
        // The receiver may be gone: the test may have ended.
        let _ = self.subscriptions.send(subscription.clone());
        self.sampler.sample(subscription)
    }
}

fn source() -> (Box<dyn Source>, Receiver<Subscription>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let sampler = LocalSampler::new("test", Registry::leak(), runtime.handle());
    let (sender, subscriptions) = mpsc::channel();
    (Box::new(RecordingSource { sampler, subscriptions: sender }), subscriptions)
}

fn wait_for_end(subscriptions: &Receiver<Subscription>) {
    let begin = Instant::now();
    while begin.elapsed() < TIMEOUT {
        if let Err(mpsc::RecvTimeoutError::Disconnected) = subscriptions.recv_timeout(TIMEOUT) {
            return;
        }
    }
    panic!("the thread has not ended");
}

#[test]
fn first_snapshot_is_delivered_at_once_and_the_next_after_a_change_of_the_subscription() {
    let (source, subscriptions) = source();
    let (sender, snapshots) = mpsc::channel();
    let deliver = move |snapshot: Arc<Snapshot>| sender.send(snapshot).is_ok();
    let collector = Collector::start(vec![source], NEVER, deliver).expect("a thread");
    let first = snapshots.recv_timeout(TIMEOUT).expect("at once");
    assert_eq!(subscriptions.recv_timeout(TIMEOUT), Ok(Subscription::default()));

    let task = Some(TaskKey { target: TargetId(0), epoch: 1, id: 7 });
    let subscription = Subscription { task, groups: true, ..Subscription::default() };
    let handle = collector.handle();
    handle.subscribe(subscription.clone());
    let second = snapshots.recv_timeout(TIMEOUT).expect("after the change");
    assert_eq!(subscriptions.recv_timeout(TIMEOUT), Ok(subscription.clone()));
    assert!(second.targets[0].taken_ns > first.targets[0].taken_ns);

    handle.subscribe(subscription);
    assert!(snapshots.recv_timeout(Duration::from_millis(100)).is_err(), "nothing has changed");
}

#[test]
fn shorter_interval_takes_effect_at_once() {
    let (source, _subscriptions) = source();
    let (sender, snapshots) = mpsc::channel();
    let deliver = move |snapshot: Arc<Snapshot>| sender.send(snapshot).is_ok();
    let collector = Collector::start(vec![source], NEVER, deliver).expect("a thread");
    snapshots.recv_timeout(TIMEOUT).expect("the first");
    collector.handle().set_interval(Duration::from_millis(1));
    for _ in 0..3 {
        snapshots.recv_timeout(TIMEOUT).expect("the next");
    }
    collector.handle().set_interval(Duration::MAX);
}

#[test]
fn threads_end_when_the_collector_is_dropped() {
    let (source, subscriptions) = source();
    let collector = Collector::start(vec![source], NEVER, |_| true).expect("a thread");
    subscriptions.recv_timeout(TIMEOUT).expect("the first");
    drop(collector);
    wait_for_end(&subscriptions);
}

#[test]
fn threads_end_when_the_receiver_is_gone() {
    let (source, subscriptions) = source();
    let (sender, snapshots) = mpsc::channel();
    drop(snapshots);
    let deliver = move |snapshot: Arc<Snapshot>| sender.send(snapshot).is_ok();
    let _collector =
        Collector::start(vec![source], Duration::from_millis(1), deliver).expect("a thread");
    wait_for_end(&subscriptions);
}

/// A source whose second sample never ends.
struct StuckSource {
    sampler: LocalSampler,
    samples: u32,
}

impl Source for StuckSource {
    fn sample(&mut self, subscription: &Subscription) -> Target {
        self.samples += 1;
        if self.samples == 2 {
            thread::park_timeout(NEVER);
        }
        Target { id: TargetId(1), ..self.sampler.sample(subscription) }
    }
}

#[test]
fn stuck_source_does_not_delay_the_others() {
    let (source, _subscriptions) = source();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let sampler = LocalSampler::new("stuck", Registry::leak(), runtime.handle());
    let stuck = StuckSource { sampler, samples: 0 };
    let (sender, snapshots) = mpsc::channel();
    let deliver = move |snapshot: Arc<Snapshot>| sender.send(snapshot).is_ok();
    let interval = Duration::from_millis(1);
    let _collector =
        Collector::start(vec![source, Box::new(stuck)], interval, deliver).expect("threads");
    let mut last_ns = 0;
    for _ in 0..5 {
        let snapshot = snapshots.recv_timeout(TIMEOUT).expect("the next");
        let taken_ns = snapshot.targets[0].taken_ns;
        assert!(taken_ns > last_ns, "a new sample each time");
        last_ns = taken_ns;
    }
}
