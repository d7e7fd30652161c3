//! The snapshots that result from the messages of a target.

use std::{
    thread,
    time::{Duration, Instant},
};

use asynctop::{
    snapshot::{Connection, DistributionKey, Subscription, Target, TargetId},
    source::{
        Address, Source,
        attach::{self, AttachSource},
    },
};
use console_api::tasks::{DurationHistogram, TaskDetails, task_details::PollTimesHistogram};
use hdrhistogram::serialization::{Serializer, V2Serializer};

use super::{
    empty_update,
    server::{Behavior, ConsoleServer, ProxyServer, socket_path},
    support::TIMEOUT,
    update,
};

/// A source and its subscription.
struct Watch {
    source: AttachSource,
    subscription: Subscription,
}

fn connect(address: Address) -> AttachSource {
    attach::connect(&[address]).unwrap().remove(0)
}

fn watch(target: &ConsoleServer) -> Watch {
    let source = connect(target.address().parse().unwrap());
    Watch { source, subscription: Subscription::default() }
}

impl Watch {
    fn sample(&mut self) -> Target {
        self.source.sample(&self.subscription)
    }

    /// Samples until the condition holds.
    fn wait_for(&mut self, expected: &str, holds: impl Fn(&Target) -> bool) -> Target {
        self.wait_and_repeat(expected, holds, || ())
    }

    /// Same as [`wait_for`](Self::wait_for), with an action before each sample.
    fn wait_and_repeat(
        &mut self,
        expected: &str,
        holds: impl Fn(&Target) -> bool,
        mut action: impl FnMut(),
    ) -> Target {
        let begin = Instant::now();
        loop {
            action();
            let snapshot = self.sample();
            if holds(&snapshot) {
                return snapshot;
            }
            assert!(begin.elapsed() < TIMEOUT, "no {expected}: {:?}", snapshot.connection);
            thread::sleep(Duration::from_millis(10));
        }
    }
}

fn names(snapshot: &Target) -> Vec<String> {
    let mut names: Vec<_> = snapshot.tasks.iter().map(|task| task.meta.name.to_string()).collect();
    names.sort();
    names
}

fn is_lost(snapshot: &Target) -> bool {
    matches!(snapshot.connection, Connection::Lost { .. })
}

#[test]
fn source_without_a_target_has_empty_snapshots() {
    let address: Address = format!("unix:{}", socket_path().display()).parse().unwrap();
    let mut source = connect(address);
    let snapshot = source.sample(&Subscription::default());
    assert!(snapshot.tasks.is_empty());
    assert!(!snapshot.connection.is_live());
}

#[test]
fn update_above_the_default_limit_of_tonic_is_read() {
    let names: Vec<String> = (0..50_000).map(|n| format!("a-task-with-a-long-name-{n}")).collect();
    let many = names.iter().zip(1..).map(|(name, id)| (id, &**name, None));
    let first = update(many);
    assert!(prost::Message::encoded_len(&first) > 4 << 20);
    let target = ConsoleServer::start(first);
    let snapshot = watch(&target).wait_for("tasks", |s| s.tasks.len() == 50_000);
    assert!(snapshot.connection.is_live());
}

#[test]
fn update_above_the_own_limit_is_refused_with_a_reason() {
    let name = "x".repeat(65 << 20);
    let target = ConsoleServer::start(update([(1, &*name, None)]));
    let snapshot =
        watch(&target).wait_for("refusal", |s| s.losses.unreadable_updates > 0 && is_lost(s));
    let Connection::Lost { reason, .. } = &snapshot.connection else { panic!("not lost") };
    assert_eq!(&**reason, "an update is larger than 64MiB");
    assert!(snapshot.tasks.is_empty());
}

#[test]
fn target_without_watch_state_is_supported() {
    let behavior = Behavior { no_state: true, ..Behavior::default() };
    let target = ConsoleServer::start_at(socket_path(), update([(1, "a", None)]), behavior);
    let snapshot = watch(&target).wait_for("tasks", |s| !s.tasks.is_empty());
    assert!(!snapshot.losses.paused);
}

#[test]
fn pause_by_another_client_is_reported() {
    let behavior = Behavior { paused: true, ..Behavior::default() };
    let target = ConsoleServer::start_at(socket_path(), update([(1, "a", None)]), behavior);
    watch(&target).wait_for("pause", |s| s.losses.paused);
}

#[test]
fn lost_target_keeps_its_last_state_and_the_next_one_is_a_new_epoch() {
    let target = ConsoleServer::start(update([(1, "old", Some(0))]));
    let mut watch = watch(&target);
    watch.wait_for("tasks", |s| names(s) == ["old"]);
    let path = target.path.clone();
    drop(target);
    let lost = watch.wait_for("loss", is_lost);
    assert_eq!(names(&lost), ["old"], "the last state is kept");
    // Its times do not grow: the state of the target is unknown.
    let busy = |s: &Target| s.tasks[0].busy_ns;
    let later = watch.wait_for("time", |s| s.taken_ns > lost.taken_ns + 50_000_000);
    assert_eq!((busy(&later), is_lost(&later)), (busy(&lost), true));
    let _next = ConsoleServer::start_at(
        path,
        update([(1, "new", None), (2, "too", None)]),
        Behavior::default(),
    );
    let next = watch.wait_for("next target", |s| s.epoch == 2);
    assert_eq!(names(&next), ["new", "too"]);
    assert!(next.connection.is_live());
}

#[test]
fn target_without_updates_is_stale_until_the_next_update() {
    let target = ConsoleServer::start(update([(1, "a", None)]));
    let mut watch = watch(&target);
    watch.wait_for("tasks", |s| !s.tasks.is_empty());
    let stale = watch.wait_for("silence", |s| matches!(s.connection, Connection::Stale { .. }));
    assert_eq!(names(&stale), ["a"]);
    watch.wait_and_repeat("recovery", |s| s.connection.is_live(), || target.send(&empty_update()));
}

#[test]
fn busy_time_of_a_long_poll_grows_without_updates_of_the_task() {
    let target = ConsoleServer::start(update([(1, "hog", Some(5_000_000_000))]));
    let mut watch = watch(&target);
    let first = watch.wait_for("tasks", |s| !s.tasks.is_empty()).tasks[0].busy_ns;
    // Minus the time in which the target may have written its update.
    assert!(first >= 5_700_000_000, "the poll and a second before it: {first}");
    // The following updates do not contain the task.
    let has_grown = |s: &Target| s.tasks[0].busy_ns > first + 100_000_000;
    watch.wait_and_repeat("growth", has_grown, || target.send(&empty_update()));
}

#[test]
fn each_target_has_its_own_source() {
    let one = ConsoleServer::start(update([(1, "conn-1", None)]));
    let other = ConsoleServer::start(update([(1, "conn-2", None), (2, "x", None)]));
    let addresses = [&one, &other].map(|target| target.address().parse().unwrap());
    let sources = attach::connect(&addresses).unwrap();
    for (index, (source, target)) in sources.into_iter().zip([&one, &other]).enumerate() {
        let mut watch = Watch { source, subscription: Subscription::default() };
        let sample = watch.wait_for("tasks", |s| s.tasks.len() == index + 1);
        assert_eq!(sample.id, TargetId(index as u32));
        assert_eq!(*sample.description.name, target.path.display().to_string());
    }
}

#[test]
fn details_are_requested_by_the_id_of_the_target() {
    let mut histogram = hdrhistogram::Histogram::<u64>::new_with_max(1_000_000_000, 2).unwrap();
    (0..50).for_each(|_| histogram.record(5_000_000).unwrap());
    let mut raw_histogram = Vec::new();
    V2Serializer::new().serialize(&histogram, &mut raw_histogram).unwrap();
    let encoded =
        DurationHistogram { raw_histogram, max_value: 1_000_000_000, ..Default::default() };
    let details = TaskDetails {
        poll_times_histogram: Some(PollTimesHistogram::Histogram(encoded.clone())),
        scheduled_times_histogram: Some(encoded),
        ..TaskDetails::default()
    };
    let behavior = Behavior { details: Some(details), ..Behavior::default() };
    let target = ConsoleServer::start_at(socket_path(), update([(4_711, "a", None)]), behavior);
    let mut watch = watch(&target);
    let key = watch.wait_for("tasks", |s| !s.tasks.is_empty()).tasks[0].key;
    assert!(target.requested_details().is_empty());
    let target_key = watch.sample().task_key(key);
    watch.subscription.task = Some(target_key);
    let snapshot = watch.wait_for("details", |s| !s.distributions.is_empty());
    let (subject, details) = &snapshot.distributions[0];
    assert_eq!((subject, details.poll_times.count()), (&DistributionKey::Task(key), 50));
    assert_eq!(target.requested_details(), [4_711]);
}

#[test]
fn answer_of_a_proxy_is_described() {
    let proxy = ProxyServer::start();
    let source = connect(proxy.address().parse().unwrap());
    let mut watch = Watch { source, subscription: Subscription::default() };
    let lost = watch.wait_for("refusal", is_lost);
    let Connection::Lost { reason, .. } = &lost.connection else { panic!("not lost") };
    assert!(reason.ends_with("it answers with HTTP status 502"), "{reason}");
}

#[test]
fn server_of_another_protocol_is_refused() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for connection in listener.incoming() {
            use std::io::Write;
            let _ = connection.unwrap().write_all(b"220 ready\r\n");
        }
    });
    let source = connect(address.parse().unwrap());
    let mut watch = Watch { source, subscription: Subscription::default() };
    watch.wait_for("refusal", is_lost);
}
