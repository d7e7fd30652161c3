//! The thread that takes snapshots: when it does, and that it ends.

use std::{
    sync::{
        Arc,
        mpsc::{self, Receiver},
    },
    thread,
    time::{Duration, Instant},
};

use asynctop::{
    model::{Subscription, Target},
    probe::{LocalSampler, Registry},
    source::{Sampler, Source},
};

use crate::support::PATIENCE;

/// No test waits this long: what comes before it comes for another reason.
const NEVER: Duration = Duration::from_secs(3600);

/// A source that tells what it is asked, and (by the channel's end) when it is dropped.
struct Told {
    live: LocalSampler,
    asked: mpsc::Sender<Subscription>,
}

impl Source for Told {
    fn snapshot(&mut self, subscription: &Subscription) -> Target {
        assert_eq!(thread::current().name(), Some("asynctop-sampler"));
        // The test may have seen enough.
        let _ = self.asked.send(subscription.clone());
        self.live.snapshot(subscription)
    }
}

fn source() -> (Box<Told>, Receiver<Subscription>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let live = LocalSampler::new("test", Registry::leak(), runtime.handle());
    let (asked, questions) = mpsc::channel();
    (Box::new(Told { live, asked }), questions)
}

fn wait_for_end(questions: &Receiver<Subscription>) {
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        if let Err(mpsc::RecvTimeoutError::Disconnected) = questions.recv_timeout(PATIENCE) {
            return;
        }
    }
    panic!("the sampler goes on");
}

#[test]
fn the_first_snapshot_comes_at_once_and_a_change_of_interest_brings_the_next() {
    let (source, questions) = source();
    let (sender, snapshots) = mpsc::channel();
    let deliver = move |snapshot: Arc<Target>| sender.send(snapshot).is_ok();
    let sampler = Sampler::start(source, NEVER, deliver).expect("a thread");
    let first = snapshots.recv_timeout(PATIENCE).expect("at once");
    assert_eq!(questions.recv_timeout(PATIENCE), Ok(Subscription::default()));

    let subscription = Subscription { task: Some(7), groups: true, ..Subscription::default() };
    let control = sampler.control();
    control.set_interest(subscription.clone());
    let second = snapshots.recv_timeout(PATIENCE).expect("after the change");
    assert_eq!(questions.recv_timeout(PATIENCE), Ok(subscription.clone()));
    assert!(second.taken_ns > first.taken_ns);

    control.set_interest(subscription);
    assert!(snapshots.recv_timeout(Duration::from_millis(100)).is_err(), "nothing has changed");
}

#[test]
fn a_shorter_interval_counts_from_now_on() {
    let (source, _questions) = source();
    let (sender, snapshots) = mpsc::channel();
    let deliver = move |snapshot: Arc<Target>| sender.send(snapshot).is_ok();
    let sampler = Sampler::start(source, NEVER, deliver).expect("a thread");
    snapshots.recv_timeout(PATIENCE).expect("the first");
    sampler.control().set_interval(Duration::from_millis(1));
    for _ in 0..3 {
        snapshots.recv_timeout(PATIENCE).expect("one after the other");
    }
    sampler.control().set_interval(Duration::MAX);
}

#[test]
fn it_ends_when_it_is_dropped() {
    let (source, questions) = source();
    let sampler = Sampler::start(source, NEVER, |_| true).expect("a thread");
    questions.recv_timeout(PATIENCE).expect("the first");
    drop(sampler);
    wait_for_end(&questions);
}

#[test]
fn it_ends_when_nobody_takes_snapshots_any_more() {
    let (source, questions) = source();
    let (sender, snapshots) = mpsc::channel();
    drop(snapshots);
    let deliver = move |snapshot: Arc<Target>| sender.send(snapshot).is_ok();
    let _sampler = Sampler::start(source, Duration::from_millis(1), deliver).expect("a thread");
    wait_for_end(&questions);
}
