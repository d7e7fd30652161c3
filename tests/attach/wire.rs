//! What the source makes of what comes over the wire.

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
    nothing,
    server::{ConsoleServer, Manners, place},
    support::PATIENCE,
    update,
};

/// A source and what was asked of it.
struct Watching {
    source: AttachSource,
    subscription: Subscription,
}

fn connect(address: Address) -> AttachSource {
    attach::connect(&[address]).unwrap().remove(0)
}

fn watch(target: &ConsoleServer) -> Watching {
    let source = connect(target.address().parse().unwrap());
    Watching { source, subscription: Subscription::default() }
}

impl Watching {
    fn look(&mut self) -> Target {
        self.source.sample(&self.subscription)
    }

    /// Waits for a snapshot that is as it should be.
    fn wait_for(&mut self, what: &str, is_so: impl Fn(&Target) -> bool) -> Target {
        self.wait_while(what, is_so, || ())
    }

    /// The same, and does something before each look.
    fn wait_while(
        &mut self,
        what: &str,
        is_so: impl Fn(&Target) -> bool,
        mut act: impl FnMut(),
    ) -> Target {
        let begin = Instant::now();
        loop {
            act();
            let snapshot = self.look();
            if is_so(&snapshot) {
                return snapshot;
            }
            assert!(begin.elapsed() < PATIENCE, "no {what}: {:?}", snapshot.connection);
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
fn the_first_snapshot_is_there_before_any_target_is() {
    let address: Address = format!("unix:{}", place().display()).parse().unwrap();
    let mut source = connect(address);
    let snapshot = source.sample(&Subscription::default());
    assert!(snapshot.tasks.is_empty());
    assert!(!snapshot.connection.is_live());
}

#[test]
fn more_than_tonics_limit_is_read() {
    let names: Vec<String> = (0..50_000).map(|n| format!("a-task-with-a-long-name-{n}")).collect();
    let many = names.iter().zip(1..).map(|(name, id)| (id, &**name, None));
    let first = update(many);
    assert!(prost::Message::encoded_len(&first) > 4 << 20);
    let target = ConsoleServer::start(first);
    let snapshot = watch(&target).wait_for("tasks", |s| s.tasks.len() == 50_000);
    assert!(snapshot.connection.is_live());
}

#[test]
fn more_than_our_own_limit_is_not_and_that_is_said() {
    let name = "x".repeat(65 << 20);
    let target = ConsoleServer::start(update([(1, &*name, None)]));
    let snapshot =
        watch(&target).wait_for("refusal", |s| s.losses.unreadable_updates > 0 && is_lost(s));
    let Connection::Lost { reason, .. } = &snapshot.connection else { panic!("it is lost") };
    assert_eq!(&**reason, "an update is larger than 64MiB");
    assert!(snapshot.tasks.is_empty());
}

#[test]
fn a_target_without_a_state_is_watched_all_the_same() {
    let manners = Manners { no_state: true, ..Manners::default() };
    let target = ConsoleServer::at(place(), update([(1, "a", None)]), manners);
    let snapshot = watch(&target).wait_for("tasks", |s| !s.tasks.is_empty());
    assert!(!snapshot.losses.paused);
}

#[test]
fn a_target_that_another_client_has_paused_says_so() {
    let manners = Manners { paused: true, ..Manners::default() };
    let target = ConsoleServer::at(place(), update([(1, "a", None)]), manners);
    watch(&target).wait_for("pause", |s| s.losses.paused);
}

#[test]
fn a_killed_target_is_known_at_once_and_its_successor_is_another() {
    let target = ConsoleServer::start(update([(1, "old", Some(0))]));
    let mut watching = watch(&target);
    watching.wait_for("tasks", |s| names(s) == ["old"]);
    let path = target.path.clone();
    drop(target);
    let lost = watching.wait_for("loss", is_lost);
    assert_eq!(names(&lost), ["old"], "what was known stays");
    // It stands still: nobody knows what it does, if it does anything.
    let busy = |s: &Target| s.tasks[0].busy_ns;
    let later = watching.wait_for("time", |s| s.taken_ns > lost.taken_ns + 50_000_000);
    assert_eq!((busy(&later), is_lost(&later)), (busy(&lost), true));
    let _next =
        ConsoleServer::at(path, update([(1, "new", None), (2, "too", None)]), Manners::default());
    let next = watching.wait_for("successor", |s| s.epoch == 2);
    assert_eq!(names(&next), ["new", "too"]);
    assert!(next.connection.is_live());
}

#[test]
fn a_target_that_falls_silent_is_stale_and_lives_again() {
    let target = ConsoleServer::start(update([(1, "a", None)]));
    let mut watching = watch(&target);
    watching.wait_for("tasks", |s| !s.tasks.is_empty());
    let stale = watching.wait_for("silence", |s| matches!(s.connection, Connection::Stale { .. }));
    assert_eq!(names(&stale), ["a"]);
    watching.wait_while("life", |s| s.connection.is_live(), || target.send(&nothing()));
}

#[test]
fn a_stuck_task_is_busy_on_and_on() {
    let target = ConsoleServer::start(update([(1, "hog", Some(5_000_000_000))]));
    let mut watching = watch(&target);
    let first = watching.wait_for("tasks", |s| !s.tasks.is_empty()).tasks[0].busy_ns;
    // Less what the target may have taken to write its update.
    assert!(first >= 5_700_000_000, "the poll and a second before it: {first}");
    // Updates go on without a word of it.
    let on = |s: &Target| s.tasks[0].busy_ns > first + 100_000_000;
    watching.wait_while("more", on, || target.send(&nothing()));
}

#[test]
fn each_target_has_a_source() {
    let one = ConsoleServer::start(update([(1, "conn-1", None)]));
    let other = ConsoleServer::start(update([(1, "conn-2", None), (2, "x", None)]));
    let addresses = [&one, &other].map(|target| target.address().parse().unwrap());
    let sources = attach::connect(&addresses).unwrap();
    for (at, (source, target)) in sources.into_iter().zip([&one, &other]).enumerate() {
        let mut watching = Watching { source, subscription: Subscription::default() };
        let sample = watching.wait_for("tasks", |s| s.tasks.len() == at + 1);
        assert_eq!(sample.id, TargetId(at as u32));
        assert_eq!(*sample.description.name, target.path.display().to_string());
    }
}

#[test]
fn details_are_asked_for_by_the_id_of_the_wire() {
    let mut histogram = hdrhistogram::Histogram::<u64>::new_with_max(1_000_000_000, 2).unwrap();
    (0..50).for_each(|_| histogram.record(5_000_000).unwrap());
    let mut raw_histogram = Vec::new();
    V2Serializer::new().serialize(&histogram, &mut raw_histogram).unwrap();
    let wire = DurationHistogram { raw_histogram, max_value: 1_000_000_000, ..Default::default() };
    let details = TaskDetails {
        poll_times_histogram: Some(PollTimesHistogram::Histogram(wire.clone())),
        scheduled_times_histogram: Some(wire),
        ..TaskDetails::default()
    };
    let manners = Manners { details: Some(details), ..Manners::default() };
    let target = ConsoleServer::at(place(), update([(4_711, "a", None)]), manners);
    let mut watching = watch(&target);
    let key = watching.wait_for("tasks", |s| !s.tasks.is_empty()).tasks[0].key;
    assert!(target.details_of().is_empty());
    let target_key = watching.look().task_key(key);
    watching.subscription.task = Some(target_key);
    let snapshot = watching.wait_for("details", |s| !s.distributions.is_empty());
    let (subject, details) = &snapshot.distributions[0];
    assert_eq!((subject, details.poll_times.count()), (&DistributionKey::Task(key), 50));
    assert_eq!(target.details_of(), [4_711]);
}

#[test]
fn what_speaks_something_else_is_no_target() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for connection in listener.incoming() {
            use std::io::Write;
            let _ = connection.unwrap().write_all(b"220 ready\r\n");
        }
    });
    let source = connect(address.parse().unwrap());
    let mut watching = Watching { source, subscription: Subscription::default() };
    watching.wait_for("refusal", is_lost);
}
