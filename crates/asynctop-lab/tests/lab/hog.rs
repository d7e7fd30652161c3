//! The hog: who it holds up, and that nobody of the dashboard waits for it.

use std::time::Duration;

use asynctop_lab::{Command, HogOptions, LabOptions};
use asynctop_probe::State;
use asynctop_snapshot::{Flavor, Target, TaskStats};

use crate::bench::{Bench, alive, current_hog, diseases, done, mixed, named};

#[test]
fn a_hog_holds_up_all_work_of_a_current_thread_runtime_until_it_is_off() {
    for kind in diseases() {
        let hog = HogOptions { kind, ..HogOptions::default() };
        let mut bench = Bench::start(LabOptions { hog, ..mixed() });
        bench.wait_for_work();

        let said = bench.lab.execute(Command::ToggleHog);
        assert!(said.contains(kind.as_str()) && said.contains("never yields"), "{said}");
        // In one and the same poll: a hog may have short ones before that of its disease.
        let mut first = bench.wait_for_hog();
        let second = bench.wait("a poll grows", |now| {
            let (before, hold) = (current_hog(&first), current_hog(now));
            let has_grown =
                |by| hold.as_ref().zip(before.as_ref()).is_some_and(|(a, b)| a.has_grown(b, by));
            let is_long = has_grown(50_000_000);
            if !has_grown(0) {
                first = now.clone();
            }
            is_long
        });
        assert_eq!(done(&first), done(&second));
        assert_eq!(&*second.workers[0].thread, "asynctop-w0");
        let figures = &second.lab.as_ref().expect("a lab").hog;
        assert!(figures.on_since_ns.is_some() && figures.hold_ns.is_none());
        let waits = |task: &TaskStats| {
            &*task.meta.group == "feed"
                && task.state == State::Scheduled
                && task.max_delay_ns > 20_000_000
        };
        bench.wait("who is woken waits for the worker", |s| {
            s.tasks.iter().filter(|task| waits(task)).count() == 16
        });

        assert_eq!(bench.lab.execute(Command::ToggleHog), "hog off");
        let after = bench.wait_for_work();
        assert_eq!(after.lab.expect("a lab").hog.on_since_ns, None);
        bench.wait("no hog is left", |s| alive(s, "hog") == 0);
    }
}

#[test]
fn work_goes_on_beside_a_hog_that_gives_way() {
    let hold = Some(Duration::from_millis(1));
    let mut bench =
        Bench::start(LabOptions { hog: HogOptions { hold, ..HogOptions::default() }, ..mixed() });
    bench.lab.execute(Command::ToggleHog);
    bench.wait_for_hog();
    bench.wait_for_work();
    let snapshot = bench.wait("the hog gave way again and again", |s| {
        named(s, "hog").is_some_and(|hog| hog.polls > 10)
    });
    assert_eq!(snapshot.lab.expect("a lab").hog.hold_ns, Some(1_000_000));
}

#[test]
fn a_hold_that_is_shortened_frees_the_worker_from_the_running_poll() {
    let mut bench = Bench::start(mixed());
    bench.lab.execute(Command::ToggleHog);
    bench.wait_for_hog();
    for _ in 0..13 {
        bench.lab.execute(Command::ShortenHold);
    }
    bench.wait_for_work();
    assert!(bench.lab.execute(Command::LengthenHold).contains("2ms"));
}

#[test]
fn the_second_worker_goes_on_beside_one_hog() {
    let options = LabOptions { workers: Some(2), flavor: Some(Flavor::MultiThread), ..mixed() };
    let mut bench = Bench::start(options);
    bench.lab.execute(Command::ToggleHog);
    let first = bench.wait_for_hog();
    bench.wait("some work goes on", |now| {
        current_hog(now).is_some() && done(now).iter().zip(done(&first)).any(|(a, b)| a.1 > b.1)
    });
}

#[test]
fn hogs_on_every_worker_delay_no_snapshot_and_no_command() {
    let hog = "spin:2".parse().expect("a hog");
    let flavor = Some(Flavor::MultiThread);
    let mut bench = Bench::start(LabOptions { workers: Some(2), flavor, hog, ..mixed() });
    bench.lab.execute(Command::ToggleHog);

    let hogs = |s: &Target| s.workers.iter().filter(|w| w.current.is_some()).count();
    bench.wait("both workers are blocked for 100 ms", |now| {
        let both = hogs(now) == 2 && alive(now, "hog") == 2;
        current_hog(now).is_some_and(|hold| both && hold.blocked_ns >= 100_000_000)
    });
    // All of these return while no worker is free.
    for command in [
        Command::AddInstance(0),
        Command::AddInstance(1),
        Command::RemoveInstance(1),
        Command::RemoveInstance(2),
        Command::NextHogKind,
        Command::NextHogKind,
        Command::PreviousHogKind,
        Command::ShortenHold,
        Command::LengthenHold,
        Command::Cancel(0),
        Command::Pause(1),
        Command::Restart(0),
        Command::AddWorker,
        Command::SwitchFlavor,
    ] {
        assert!(!bench.lab.execute(command).is_empty());
    }
}

#[test]
fn a_hog_that_never_awaits_cannot_be_cancelled_only_stopped() {
    let mut bench = Bench::start(mixed());
    bench.lab.execute(Command::ToggleHog);
    let first = current_hog(&bench.wait_for_hog()).expect("seen just now");
    let said = bench.lab.execute(Command::Cancel(first.key));
    assert!(said.contains("never awaits"), "{said}");
    bench.wait("it goes on in the same poll", |s| {
        current_hog(s).is_some_and(|hold| hold.has_grown(&first, 20_000_000))
    });
    bench.lab.execute(Command::ToggleHog);
    bench.wait("it has ended", |s| named(s, "hog").is_some_and(|task| task.state.is_done()));
    bench.wait_for_work();
}

#[test]
fn a_hog_that_gives_way_can_be_cancelled_and_is_off_then() {
    let hold = Some(Duration::from_millis(1));
    let mut bench =
        Bench::start(LabOptions { hog: HogOptions { hold, ..HogOptions::default() }, ..mixed() });
    bench.lab.execute(Command::ToggleHog);
    let hog = current_hog(&bench.wait_for_hog()).expect("seen just now");
    bench.lab.execute(Command::Cancel(hog.key));
    bench.wait("the hog counts as off", |s| {
        s.lab.as_ref().is_some_and(|lab| lab.hog.on_since_ns.is_none())
    });
    assert!(bench.lab.execute(Command::ToggleHog).starts_with("hog on"));
}
