//! The workloads: that they do their work and report their failures.

use std::sync::Arc;

use asynctop_lab::{LabCommand, LabOptions, Scenario, WorkloadKind, WorkloadSpec};
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
        // A task in its first poll may not have set its first stage yet.
        assert!(snapshot.tasks.iter().all(|task| task.stage.is_some() || task.polls <= 1));
    }
}

#[test]
fn each_task_is_in_a_group_of_one_workload() {
    let mut bench = Bench::mixed(Flavor::CurrentThread);
    let snapshot = bench.wait_for_work();
    let workloads = &snapshot.lab.as_ref().expect("a lab").workloads;
    let tcp = workloads.iter().find(|workload| &*workload.name == "tcp").expect("a workload");
    assert_eq!(tcp.groups, ["accept", "client", "conn"].map(Arc::from));
    for TaskStats { meta, .. } in &snapshot.tasks {
        let of_task = workloads.iter().filter(|workload| workload.groups.contains(&meta.group));
        assert_eq!(of_task.count(), 1, "{}", meta.name);
    }
}

#[test]
fn clients_reconnect_after_a_lost_connection() {
    let mut bench = Bench::start(mixed());
    let snapshot = bench.wait_for_work();
    let conn = named(&snapshot, "conn-1").expect("a connection").key;
    bench.lab.execute(LabCommand::Cancel(conn));
    bench.wait("a client has a new connection", |s| {
        named(s, "conn-25").is_some_and(|conn| !conn.state.is_done())
            && alive(s, "conn") == 24
            && alive(s, "client") == 24
    });
    assert_eq!(failure(&bench.wait_for_work()), None, "one lost connection is not a failure");
}

#[test]
fn clients_without_a_service_report_a_failure_and_retry() {
    let mut bench = Bench::start(mixed());
    let snapshot = bench.wait_for_work();
    for task in ["accept", "conn-1"] {
        bench.lab.execute(LabCommand::Cancel(named(&snapshot, task).expect("a task").key));
    }
    bench.wait("a client reports its error", |s| {
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
    let options =
        LabOptions { registry, ..LabOptions::new(Scenario::built_in("web").expect("built in")) };
    let mut bench = Bench::start(options);
    let snapshot = bench.wait("requests are answered", |s| {
        done(s).iter().all(|(_, requests)| *requests > 0) && named(s, "conn-1").is_some()
    });
    assert_eq!(failure(&snapshot), None);
    for task in ["accept", "conn-1"] {
        bench.lab.execute(LabCommand::Cancel(named(&snapshot, task).expect("a task").key));
    }
    let snapshot = bench.wait("the workload fails", |s| failure(s).is_some());
    let failure = failure(&snapshot).expect("the workload has failed");
    let expected =
        "the workload web: its clients get no reply from the service: Connection refused";
    assert!(failure.starts_with(expected), "{failure}");
}

#[test]
fn task_that_panics_is_shown_as_panicked_and_others_continue() {
    let mut scenario = Scenario::built_in("mixed").expect("built in");
    scenario.workloads.push(WorkloadSpec::new(WorkloadKind::find("panic").expect("built in"), 2));
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
fn snapshots_contain_only_the_subscribed_distributions() {
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
    let snapshot = bench.sampler.sample(&subscription);
    let distributions = |subject: DistributionKey| {
        let found = snapshot.distributions.iter().find(|(known, _)| *known == subject);
        &found.expect("subscribed").1
    };
    let one = distributions(DistributionKey::Task(beat.key));
    let all = distributions(DistributionKey::Group("heartbeat".into()));
    assert!(one.poll_times.count() > 0 && one.poll_times.count() < all.poll_times.count());
    assert!(all.delays.count() > 0 && snapshot.delays.count() >= all.delays.count());
    assert_eq!(snapshot.distributions.len(), 1 + GROUPS.len(), "one task and all groups");
}

#[test]
fn counters_of_tokio_unstable_are_unavailable_without_it() {
    let mut bench = Bench::mixed(Flavor::MultiThread);
    let snapshot = bench.wait_for_work();
    for field in [FieldId::BlockingThreads, FieldId::Steals, FieldId::LocalQueue] {
        let reason = (!cfg!(tokio_unstable)).then_some("requires a build with tokio_unstable");
        assert_eq!(snapshot.description.reason(field), reason);
    }
    let polls = |s: &Target| s.workers.iter().map(|w| w.polls).sum::<u64>();
    bench.wait("the polls of all workers are counted", |s| polls(s) > 1_000);
}

#[test]
fn services_with_threads_and_with_tasks_both_answer() {
    let registry = Registry::leak();
    let options = LabOptions {
        registry,
        ..LabOptions::new(Scenario::built_in("threads").expect("built in"))
    };
    let mut bench = Bench::start(options);
    let snapshot = bench.wait("all clients are connected and both services answer", |s| {
        done(s).iter().all(|(_, requests)| *requests > 500)
            && ["on-one-thread:conn", "on-one-thread:client", "on-101-threads:client"]
                .iter()
                .all(|group| alive(s, group) == 100)
    });
    assert_eq!(snapshot.workers.len(), 1, "one thread for all tasks");
    assert_eq!(serving_threads(), Some(101), "one per connection, and one that accepts");
    drop(bench);
    wait_until("the threads have ended", || serving_threads().is_none_or(|threads| threads == 0));
}

/// Threads of this process that serve connections; `None` where the number is unavailable.
fn serving_threads() -> Option<usize> {
    let threads = std::fs::read_dir("/proc/self/task").ok()?;
    let name = |thread: std::fs::DirEntry| std::fs::read_to_string(thread.path().join("comm"));
    let names = threads.flatten().filter_map(|thread| name(thread).ok());
    Some(names.filter(|name| ["lab-accept", "lab-conn"].contains(&name.trim())).count())
}
