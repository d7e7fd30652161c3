//! The hog: which tasks it delays, and that snapshots and commands never wait for it.

use std::time::Duration;

use asynctop_lab::{HogOptions, LabCommand, LabOptions};
use asynctop_probe::State;
use asynctop_snapshot::{Flavor, Target, TaskStats};

use crate::bench::{Bench, alive, anti_patterns, current_hog, done, mixed, named};

#[test]
fn hog_stops_all_work_of_a_current_thread_runtime_until_it_is_off() {
    for kind in anti_patterns() {
        let hog = HogOptions { kind, ..HogOptions::default() };
        let mut bench = Bench::start(LabOptions { hog, ..mixed() });
        bench.wait_for_work();

        let answer = bench.lab.execute(LabCommand::ToggleHog);
        assert!(answer.contains(kind.as_str()) && answer.contains("never yields"), "{answer}");
        // In the same poll: a hog may have short polls before the one that blocks.
        let mut first = bench.wait_for_hog();
        let second = bench.wait("a poll grows", |now| {
            let (before, poll) = (current_hog(&first), current_hog(now));
            let has_grown =
                |ns| poll.as_ref().zip(before.as_ref()).is_some_and(|(a, b)| a.has_grown(b, ns));
            let is_long = has_grown(50_000_000);
            if !has_grown(0) {
                first = now.clone();
            }
            is_long
        });
        assert_eq!(done(&first), done(&second));
        assert_eq!(second.workers[0].thread.as_deref(), Some("asynctop-w0"));
        let hog = &second.lab.as_ref().expect("a lab").hog;
        assert!(hog.on_since_ns.is_some() && hog.hold_ns.is_none());
        let is_delayed = |task: &TaskStats| {
            &*task.meta.group == "feed"
                && task.state == State::Scheduled
                && task.max_delay_ns > 20_000_000
        };
        bench.wait("all woken tasks are delayed", |s| {
            s.tasks.iter().filter(|task| is_delayed(task)).count() == 16
        });

        assert_eq!(bench.lab.execute(LabCommand::ToggleHog), "hog off");
        let after = bench.wait_for_work();
        assert_eq!(after.lab.expect("a lab").hog.on_since_ns, None);
        bench.wait("no hog is left", |s| alive(s, "hog") == 0);
    }
}

#[test]
fn work_continues_beside_a_hog_that_yields() {
    let hold = Some(Duration::from_millis(1));
    let mut bench =
        Bench::start(LabOptions { hog: HogOptions { hold, ..HogOptions::default() }, ..mixed() });
    bench.lab.execute(LabCommand::ToggleHog);
    bench.wait_for_hog();
    bench.wait_for_work();
    let snapshot = bench.wait("the hog has yielded ten times", |s| {
        named(s, "hog").is_some_and(|hog| hog.polls > 10)
    });
    assert_eq!(snapshot.lab.expect("a lab").hog.hold_ns, Some(1_000_000));
}

#[test]
fn shortening_the_hold_time_ends_the_current_poll() {
    let mut bench = Bench::start(mixed());
    bench.lab.execute(LabCommand::ToggleHog);
    bench.wait_for_hog();
    for _ in 0..13 {
        bench.lab.execute(LabCommand::ShortenHold);
    }
    bench.wait_for_work();
    assert!(bench.lab.execute(LabCommand::LengthenHold).contains("2ms"));
}

#[test]
fn second_worker_continues_beside_one_hog() {
    let options = LabOptions { workers: Some(2), flavor: Some(Flavor::MultiThread), ..mixed() };
    let mut bench = Bench::start(options);
    bench.lab.execute(LabCommand::ToggleHog);
    let first = bench.wait_for_hog();
    bench.wait("some work advances", |now| {
        current_hog(now).is_some() && done(now).iter().zip(done(&first)).any(|(a, b)| a.1 > b.1)
    });
}

#[test]
fn snapshots_and_commands_return_while_every_worker_is_blocked() {
    let hog = "spin:2".parse().expect("a hog");
    let flavor = Some(Flavor::MultiThread);
    let mut bench = Bench::start(LabOptions { workers: Some(2), flavor, hog, ..mixed() });
    bench.lab.execute(LabCommand::ToggleHog);

    let hogs = |s: &Target| s.workers.iter().filter(|w| w.current.is_some()).count();
    bench.wait("both workers are blocked for 100 ms", |now| {
        let both = hogs(now) == 2 && alive(now, "hog") == 2;
        current_hog(now).is_some_and(|poll| both && poll.blocked_ns >= 100_000_000)
    });
    // All commands return although no worker is free.
    for command in [
        LabCommand::AddInstance(0),
        LabCommand::AddInstance(1),
        LabCommand::RemoveInstance(1),
        LabCommand::RemoveInstance(2),
        LabCommand::SelectHogKind(1),
        LabCommand::SelectHogKind(2),
        LabCommand::SelectHogKind(0),
        LabCommand::ShortenHold,
        LabCommand::LengthenHold,
        LabCommand::Cancel(0),
        LabCommand::Pause(1),
        LabCommand::Restart(0),
        LabCommand::AddWorker,
        LabCommand::SwitchFlavor,
    ] {
        assert!(!bench.lab.execute(command).is_empty());
    }
}

#[test]
fn hog_that_never_yields_can_be_stopped_but_not_cancelled() {
    let mut bench = Bench::start(mixed());
    bench.lab.execute(LabCommand::ToggleHog);
    let first = current_hog(&bench.wait_for_hog()).expect("seen just now");
    let answer = bench.lab.execute(LabCommand::Cancel(first.key));
    assert!(answer.contains("never awaits"), "{answer}");
    bench.wait("the same poll continues", |s| {
        current_hog(s).is_some_and(|poll| poll.has_grown(&first, 20_000_000))
    });
    bench.lab.execute(LabCommand::ToggleHog);
    bench.wait("it has ended", |s| named(s, "hog").is_some_and(|task| task.state.is_done()));
    bench.wait_for_work();
}

#[test]
fn hog_that_yields_can_be_cancelled_and_is_then_off() {
    let hold = Some(Duration::from_millis(1));
    let mut bench =
        Bench::start(LabOptions { hog: HogOptions { hold, ..HogOptions::default() }, ..mixed() });
    bench.lab.execute(LabCommand::ToggleHog);
    let hog = current_hog(&bench.wait_for_hog()).expect("seen just now");
    bench.lab.execute(LabCommand::Cancel(hog.key));
    bench.wait("the hog counts as off", |s| {
        s.lab.as_ref().is_some_and(|lab| lab.hog.on_since_ns.is_none())
    });
    assert!(bench.lab.execute(LabCommand::ToggleHog).starts_with("hog on"));
}
