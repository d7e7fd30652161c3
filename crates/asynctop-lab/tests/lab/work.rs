//! The workloads: that they work, and what becomes of failures.

use asynctop_lab::{Command, LabOptions, WorkloadSpec, find, kind};
use asynctop_probe::{Registry, State};
use asynctop_snapshot::{
    DistributionKey, FieldId, Flavor, LabStats, Subscription, Target, TaskStats,
};

use crate::{
    bench::{Bench, GROUPS, alive, done, mixed, named},
    support::wait_until,
};

#[test]
fn all_closed_loop_work_advances_under_both_flavors() {
    for flavor in [Flavor::CurrentThread, Flavor::MultiThread] {
        let mut bench = Bench::mixed(flavor);
        let snapshot = bench.wait_for_work();
        assert_eq!(snapshot.runtime.flavor, Some(flavor));
        assert_eq!(done(&snapshot).len(), 3);
        let beat = named(&snapshot, "heartbeat-1").expect("a heartbeat");
        assert!(
            beat.meta.location.starts_with("crates/asynctop-lab/src/workload/heartbeats.rs:"),
            "{beat:?}"
        );
        // In its first poll a task may not have come to its first stage yet.
        assert!(snapshot.tasks.iter().all(|task| task.stage.is_some() || task.polls <= 1));
    }
}

#[test]
fn clients_come_back_after_their_connection_was_cut() {
    let mut bench = Bench::start(mixed());
    let snapshot = bench.wait_for_work();
    let conn = named(&snapshot, "conn-1").expect("a connection").key;
    bench.lab.execute(Command::Cancel(conn));
    bench.wait("a client has a new connection", |s| {
        named(s, "conn-25").is_some_and(|conn| !conn.state.is_done())
            && alive(s, "conn") == 24
            && alive(s, "client") == 24
    });
    assert_eq!(failure(&bench.wait_for_work()), None, "a connection that is lost once");
}

#[test]
fn a_client_whose_service_is_gone_says_so_and_tries_again() {
    let mut bench = Bench::start(mixed());
    let snapshot = bench.wait_for_work();
    for task in ["accept", "conn-1"] {
        bench.lab.execute(Command::Cancel(named(&snapshot, task).expect("a task").key));
    }
    bench.wait("it says what went wrong", |s| {
        let refused =
            |task: &TaskStats| task.stage.as_deref() == Some("failed: connection refused");
        s.tasks.iter().any(|task| refused(task) && !task.state.is_done())
    });
    let snapshot = bench.wait("the workload fails", |s| failure(s).is_some());
    let failure = failure(&snapshot).expect("the workload has failed");
    let expected =
        "the workload tcp: its clients get no reply from the service: Connection refused";
    assert!(failure.starts_with(expected), "{failure}");
}

fn failure(snapshot: &Target) -> Option<String> {
    snapshot.lab.as_ref().and_then(LabStats::failure)
}

#[cfg(feature = "web")]
#[test]
fn web_clients_without_a_service_make_the_workload_fail() {
    let registry = Registry::leak();
    let options = LabOptions { registry, ..LabOptions::new(find("web").expect("built in")) };
    let mut bench = Bench::start(options);
    let snapshot = bench.wait("requests are answered", |s| {
        done(s).iter().all(|(_, requests)| *requests > 0) && named(s, "conn-1").is_some()
    });
    assert_eq!(failure(&snapshot), None);
    for task in ["accept", "conn-1"] {
        bench.lab.execute(Command::Cancel(named(&snapshot, task).expect("a task").key));
    }
    let snapshot = bench.wait("the workload fails", |s| failure(s).is_some());
    let failure = failure(&snapshot).expect("the workload has failed");
    let expected =
        "the workload web: its clients get no reply from the service: Connection refused";
    assert!(failure.starts_with(expected), "{failure}");
}

#[test]
fn a_task_that_panics_shows_as_panicked_and_the_others_go_on() {
    let mut scenario = find("mixed").expect("built in");
    scenario.workloads.push(WorkloadSpec::new(kind("panic").expect("built in"), 2));
    let registry = Registry::leak();
    let mut bench = Bench::start(LabOptions { registry, ..LabOptions::new(scenario) });
    let snapshot = bench.wait("both have panicked", |s| {
        ["panic-1", "panic-2"]
            .iter()
            .all(|name| named(s, name).is_some_and(|task| task.state == State::Panicked))
    });
    assert_eq!(
        named(&snapshot, "panic-1").and_then(|task| task.stage.as_deref()),
        Some("about to panic")
    );
    bench.wait_for_work();
}

#[test]
fn distributions_come_for_what_is_of_interest_only() {
    let mut bench = Bench::start(mixed());
    let snapshot = bench.wait_for_work();
    assert!(snapshot.distributions.is_empty());
    let beat = named(&snapshot, "heartbeat-1").expect("a heartbeat");
    let subscription = Subscription {
        task: Some(snapshot.task_key(beat.key)),
        groups: true,
        ..Subscription::default()
    };
    bench.wait("each heartbeat was polled", |s| {
        let beats = s.tasks.iter().filter(|task| &*task.meta.group == "heartbeat");
        beats.clone().count() == 8 && beats.into_iter().all(|task| task.polls > 1)
    });
    let snapshot = bench.source.sample(&subscription);
    let of = |subject: DistributionKey| {
        let found = snapshot.distributions.iter().find(|(of, _)| *of == subject);
        &found.expect("asked for").1
    };
    let one = of(DistributionKey::Task(beat.key));
    let all = of(DistributionKey::Group("heartbeat".into()));
    assert!(one.poll_times.count() > 0 && one.poll_times.count() < all.poll_times.count());
    assert!(all.delays.count() > 0 && snapshot.delays.count() >= all.delays.count());
    assert_eq!(snapshot.distributions.len(), 1 + GROUPS.len(), "one task and all groups");
}

#[test]
fn a_count_that_only_unstable_tokio_keeps_is_never_a_zero() {
    let mut bench = Bench::mixed(Flavor::MultiThread);
    let snapshot = bench.wait_for_work();
    for field in [FieldId::BlockingThreads, FieldId::Steals, FieldId::LocalQueue] {
        let reason = (!cfg!(tokio_unstable)).then_some("requires a build with tokio_unstable");
        assert_eq!(snapshot.description.reason(field), reason);
    }
    let polls = |s: &Target| s.workers.iter().map(|w| w.polls).sum::<u64>();
    bench.wait("all workers' polls are there", |s| polls(s) > 1_000);
}

#[test]
fn one_service_answers_on_a_thread_each_and_on_one_thread() {
    let registry = Registry::leak();
    let options = LabOptions { registry, ..LabOptions::new(find("threads").expect("built in")) };
    let mut bench = Bench::start(options);
    let snapshot = bench.wait("every connection stands and both are answered", |s| {
        done(s).iter().all(|(_, requests)| *requests > 500)
            && ["on-one-thread:conn", "on-one-thread:client", "on-101-threads:client"]
                .iter()
                .all(|group| alive(s, group) == 100)
    });
    assert_eq!(snapshot.workers.len(), 1, "one thread for all tasks");
    assert_eq!(serving_threads(), Some(101), "and as many as that for the other service");
    drop(bench);
    wait_until("the threads have ended", || serving_threads().is_none_or(|threads| threads == 0));
}

/// Threads of this process that serve connections. `None` where the system does not tell.
fn serving_threads() -> Option<usize> {
    let threads = std::fs::read_dir("/proc/self/task").ok()?;
    let name = |thread: std::fs::DirEntry| std::fs::read_to_string(thread.path().join("comm"));
    let names = threads.flatten().filter_map(|thread| name(thread).ok());
    Some(names.filter(|name| ["lab-accept", "lab-conn"].contains(&name.trim())).count())
}
