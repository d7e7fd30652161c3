//! Commands that change counts, tasks and the runtime, and invalid options.

use std::time::Duration;

use asynctop_lab::{
    HogOptions, Lab, LabCommand, LabError, LabOptions, LabSampler, Scenario, WorkloadKind,
    WorkloadSpec,
};
use asynctop_probe::State;
use asynctop_snapshot::{Flavor, Target};

use crate::{
    bench::{Bench, alive, all_advanced, mixed, named},
    support::TIMEOUT,
};

#[test]
fn switching_the_flavor_starts_an_epoch_with_the_same_workloads() {
    let mut bench = Bench::start(LabOptions { workers: Some(3), ..mixed() });
    bench.lab.execute(LabCommand::AddInstance(0));
    let before = bench.wait_for_work();
    bench.lab.execute(LabCommand::ToggleHog);
    bench.wait_for_hog();

    let answer = bench.lab.execute(LabCommand::SwitchFlavor);
    let hog = "; the hog restarts after one second of baseline";
    assert_eq!(answer, format!("runtime: multi-thread with 3 workers{hog}"));
    let after = bench.wait_for_work();
    assert_eq!((after.epoch, after.workers.len()), (before.epoch + 1, 3));
    assert!(after.runtime.uptime_ns < before.runtime.uptime_ns + TIMEOUT.as_nanos() as u64);
    assert_eq!(alive(&after, "heartbeat"), 9);
    assert!(all_advanced(&before, &after), "totals only grow");
    let oldest = before.tasks.iter().map(|task| task.meta.id).max();
    assert!(
        after.tasks.iter().all(|task| Some(task.meta.id) > oldest),
        "no task of the previous runtime"
    );

    let answer = bench.lab.execute(LabCommand::SwitchFlavor);
    assert_eq!(answer, format!("runtime: current-thread{hog}"));
    assert_eq!(bench.wait_for_work().epoch, before.epoch + 2);
}

#[test]
fn running_hog_waits_for_a_baseline_on_the_next_runtime() {
    let options = LabOptions { workers: Some(2), flavor: Some(Flavor::MultiThread), ..mixed() };
    let mut bench = Bench::start(options);
    let hog = |bench: &mut Bench| bench.sample().lab.expect("a lab").hog;
    bench.lab.execute(LabCommand::SwitchFlavor);
    assert!(!hog(&mut bench).restart_pending, "it was off");
    bench.lab.execute(LabCommand::ToggleHog);
    for command in [LabCommand::SwitchFlavor, LabCommand::AddWorker, LabCommand::SwitchFlavor] {
        bench.lab.execute(command);
        let now = hog(&mut bench);
        assert_eq!((now.restart_pending, now.on_since_ns), (true, None));
    }
    assert!(bench.lab.execute(LabCommand::TurnOnHog).starts_with("hog on: spin"));
    let now = hog(&mut bench);
    assert!(!now.restart_pending && now.on_since_ns.is_some());
    bench.lab.execute(LabCommand::TurnOnHog);
    assert_eq!(hog(&mut bench).on_since_ns, now.on_since_ns, "it was already on");
    bench.lab.execute(LabCommand::SwitchFlavor);
    assert_eq!(bench.lab.execute(LabCommand::ToggleHog), "hog off");
    let now = hog(&mut bench);
    assert_eq!((now.restart_pending, now.on_since_ns), (false, None), "b keeps it off");
}

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
#[test]
fn long_polls_of_the_previous_runtime_are_not_reported() {
    use asynctop_probe::watch::{WatchOptions, Watchdog};
    let options = mixed();
    let watchdog = Watchdog::start(options.registry, WatchOptions::default()).expect("a thread");
    let mut bench = Bench::start(options);
    bench.sampler = LabSampler::new(&bench.lab).with_watchdog(watchdog.handle().clone());
    bench.lab.execute(LabCommand::ToggleHog);
    bench.wait("the hog's poll is long", |now| !now.long_polls.is_empty());
    for command in [LabCommand::SwitchFlavor, LabCommand::AddWorker] {
        bench.lab.execute(command);
        bench.lab.execute(LabCommand::TurnOnHog);
        bench.wait("the poll of the next hog is long", |now| {
            let is_listed = |key: &u64| now.tasks.iter().any(|task| task.key == *key);
            for poll in &now.long_polls {
                assert!(is_listed(&poll.task), "{poll:#?}");
                let affected = poll.impact.iter().flat_map(|impact| &impact.most_delayed);
                assert!(affected.map(|delayed| &delayed.task).all(is_listed), "{poll:#?}");
            }
            !now.long_polls.is_empty()
        });
    }
}

#[test]
fn counts_are_raised_and_lowered() {
    let mut bench = Bench::start(mixed());
    bench.wait("all clients are connected", |s| alive(s, "client") == 24 && alive(s, "conn") == 24);
    for (position, groups, count) in [
        (0, vec!["heartbeat"], 8),
        (1, vec!["client", "conn"], 24),
        (2, vec!["ping", "pong"], 8),
        (3, vec!["cruncher"], 1),
    ] {
        for (command, expected) in [
            (LabCommand::AddInstance(position), count + 1),
            (LabCommand::RemoveInstance(position), count),
        ] {
            bench.lab.execute(command);
            let snapshot = bench.wait("the tasks follow the count", |s| {
                groups.iter().all(|group| alive(s, group) == expected)
            });
            assert_eq!(snapshot.lab.expect("a lab").workloads[position].count, expected);
        }
    }
    bench.lab.execute(LabCommand::RemoveInstance(3));
    assert_eq!(bench.lab.execute(LabCommand::RemoveInstance(3)), "cruncher is already at 0");
    assert_eq!(bench.lab.execute(LabCommand::AddInstance(9)), "there is no such workload");
}

#[test]
fn paused_workload_resumes_with_the_same_count() {
    let mut bench = Bench::start(mixed());
    bench.wait_for_work();
    assert_eq!(
        bench.lab.execute(LabCommand::Pause(1)),
        "tcp paused: its tasks end, p starts 24 again"
    );
    let ended = |s: &Target| alive(s, "client") == 0 && alive(s, "conn") == 0;
    let snapshot = bench.wait("all clients have ended", ended);
    let tcp = &snapshot.lab.as_ref().expect("a lab").workloads[1];
    assert_eq!((tcp.count, tcp.paused), (0, Some(24)));
    for command in
        [LabCommand::AddInstance(1), LabCommand::RemoveInstance(1), LabCommand::Restart(1)]
    {
        let answer = bench.lab.execute(command);
        assert!(answer.starts_with("tcp is paused"), "{answer}");
    }
    // It stays paused on another runtime.
    bench.lab.execute(LabCommand::SwitchFlavor);
    bench.wait("the other workloads have started", |s| s.epoch == 2 && alive(s, "heartbeat") == 8);
    assert_eq!(alive(&bench.sample(), "client"), 0);
    assert_eq!(bench.lab.execute(LabCommand::Pause(1)), "tcp resumed: 24 start again");
    let snapshot = bench.wait("the clients have started again", |s| alive(s, "client") == 24);
    assert_eq!(snapshot.lab.expect("a lab").workloads[1].paused, None);
    bench.wait_for_work();
}

#[test]
fn restart_replaces_all_instances_including_ended_ones() {
    let mut bench = Bench::start(mixed());
    let snapshot = bench.wait_for_work();
    let cancelled = named(&snapshot, "heartbeat-3").expect("a heartbeat").key;
    bench.lab.execute(LabCommand::Cancel(cancelled));
    bench.wait("one has ended", |s| alive(s, "heartbeat") == 7);
    let youngest = snapshot.tasks.iter().map(|task| task.key).max();
    let answer = bench.lab.execute(LabCommand::Restart(0));
    assert_eq!(answer, "heartbeats restarted: its tasks end, 8 start again");
    bench.wait("all heartbeats are new", |s| {
        let beats = s.tasks.iter().filter(|t| &*t.meta.group == "heartbeat" && !t.state.is_done());
        beats.clone().count() == 8 && beats.into_iter().all(|task| Some(task.key) > youngest)
    });
    assert_eq!(bench.lab.execute(LabCommand::Restart(9)), "there is no such workload");
}

#[test]
fn changing_the_number_of_workers_starts_a_new_runtime() {
    let flavor = Some(Flavor::MultiThread);
    let mut bench = Bench::start(LabOptions { workers: Some(1), flavor, ..mixed() });
    bench.wait_for_work();
    assert_eq!(bench.lab.execute(LabCommand::RemoveWorker), "still 1 worker: the limit is reached");
    let answer = bench.lab.execute(LabCommand::AddWorker);
    assert_eq!(answer, "runtime: multi-thread with 2 workers");
    let snapshot = bench.wait_for_work();
    assert_eq!((snapshot.epoch, snapshot.workers.len()), (2, 2));
    bench.lab.execute(LabCommand::SwitchFlavor);
    let answer = bench.lab.execute(LabCommand::AddWorker);
    assert!(answer.starts_with("current-thread has one worker"), "{answer}");
    // The current-thread runtime does not change the number.
    let answer = bench.lab.execute(LabCommand::SwitchFlavor);
    assert_eq!(answer, "runtime: multi-thread with 2 workers");
    let answer = bench.lab.execute(LabCommand::RemoveWorker);
    assert_eq!(answer, "runtime: multi-thread with 1 worker");
    assert_eq!(bench.wait_for_work().epoch, 5);
}

#[test]
fn count_lowered_during_a_hog_takes_effect_after_it() {
    let mut bench = Bench::start(mixed());
    bench.wait_for_work();
    bench.lab.execute(LabCommand::ToggleHog);
    bench.wait_for_hog();
    bench.lab.execute(LabCommand::RemoveInstance(0));
    let snapshot = bench.sample();
    assert_eq!(snapshot.lab.as_ref().expect("a lab").workloads[0].count, 7);
    assert_eq!(alive(&snapshot, "heartbeat"), 8);
    bench.lab.execute(LabCommand::ToggleHog);
    let snapshot = bench.wait("one has ended", |s| alive(s, "heartbeat") == 7);
    assert_eq!(named(&snapshot, "heartbeat-8").expect("kept").state, State::Cancelled);
}

#[test]
fn cancelled_task_ends_as_cancelled() {
    let mut bench = Bench::start(mixed());
    let snapshot = bench.wait_for_work();
    let key = named(&snapshot, "heartbeat-3").expect("a heartbeat").key;
    let answer = bench.lab.execute(LabCommand::Cancel(key));
    assert_eq!(answer, "cancel requested for heartbeat-3: it takes effect at its next await");
    bench.wait("it has ended", |s| {
        named(s, "heartbeat-3").is_some_and(|task| task.state == State::Cancelled)
    });
    assert_eq!(bench.lab.execute(LabCommand::Cancel(key)), "the task has already ended");
    bench.wait_for_work();
}

#[test]
fn two_labs_run_side_by_side() {
    let mut one = Bench::mixed(Flavor::CurrentThread);
    let mut two = Bench::mixed(Flavor::MultiThread);
    one.wait_for_work();
    two.wait_for_work();
    one.lab.execute(LabCommand::ToggleHog);
    one.wait_for_hog();
    assert_eq!(alive(&two.sample(), "hog"), 0);
    two.wait_for_work();
    drop(one);
    two.wait_for_work();
}

#[test]
fn invalid_options_are_reported_in_one_sentence() {
    let error = |change: &dyn Fn(&mut LabOptions)| {
        let mut options = mixed();
        change(&mut options);
        Lab::start(options).map(drop).expect_err("must not start").to_string()
    };
    let cases: [(&str, String); 7] = [
        ("0 workers", error(&|o| o.workers = Some(0))),
        ("513 workers are too many", error(&|o| o.workers = Some(513))),
        ("100001 instances", error(&|o| o.scenario.workloads[0].count = 100_001)),
        ("1000001 tasks, but 1000000", error(&|o| too_many_tasks(&mut o.scenario))),
        ("0 hogs", error(&|o| o.hog.count = 0)),
        ("a hold time of 999µs", error(&|o| o.hog.hold = Some(Duration::from_micros(999)))),
        ("did you mean `mixed`?", Scenario::built_in("mixde").expect_err("unknown").to_string()),
    ];
    for (part, message) in cases {
        assert!(message.contains(part), "no {part:?} in {message:?}");
        assert!(!message.contains('\n') && message.contains(';'), "{message:?}");
    }
    for bad in ["", "spin:", "spin:x", "spin:0", "spin:-1", "leap", ":3", "spin:2:3"] {
        assert!(bad.parse::<HogOptions>().is_err(), "{bad:?}");
    }
    assert!(matches!(
        Scenario::built_in(""),
        Err(LabError::UnknownScenario { closest_match: None, .. })
    ));
}

fn too_many_tasks(scenario: &mut Scenario) {
    let spec =
        |count| WorkloadSpec::new(WorkloadKind::find("heartbeats").expect("built in"), count);
    scenario.workloads = (0..10).map(|_| spec(100_000)).chain([spec(1)]).collect();
}

#[test]
fn shutdown_ends_every_task_including_hogs() {
    for flavor in [Flavor::CurrentThread, Flavor::MultiThread] {
        let hog = "block:3".parse().expect("a hog");
        let options = LabOptions { flavor: Some(flavor), hog, ..mixed() };
        let registry = options.registry;
        let mut bench = Bench::start(options);
        bench.wait_for_work();
        bench.lab.execute(LabCommand::ToggleHog);
        bench.wait_for_hog();
        bench.lab.shutdown();
        bench.wait("every task has ended", |_| registry.live() == 0);
        bench.lab.shutdown();
        assert_eq!(bench.lab.execute(LabCommand::ToggleHog), "the lab has ended");
    }
}
