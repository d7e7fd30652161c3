//! The kinds of hogs: the watchdog identifies each anti-pattern, each fix does the same work without
//! delaying other tasks, and all kinds stop on request.

use std::time::Duration;

use asynctop_lab::{HogKind, HogOptions, Lab, LabCommand, LabOptions};
use asynctop_probe::State;
use asynctop_snapshot::{Flavor, Target};

use crate::bench::{Bench, alive, anti_patterns, current_hog, mixed};

/// Much longer than a delay caused by a busy machine.
const HOLD: Duration = Duration::from_millis(500);

fn options(kind: HogKind, flavor: Flavor, hold: Option<Duration>) -> LabOptions {
    let hog = HogOptions { kind, count: 1, hold };
    LabOptions { flavor: Some(flavor), workers: Some(1), hog, ..mixed() }
}

fn fixes() -> impl Iterator<Item = HogKind> {
    HogKind::ALL.iter().copied().filter(|kind| kind.info().is_fix)
}

/// A flavor on which this kind can run.
fn flavor_for(kind: HogKind) -> Flavor {
    if kind.needs_multi_thread() { Flavor::MultiThread } else { Flavor::CurrentThread }
}

/// The time that the hog has computed.
fn computed(snapshot: &Target) -> Duration {
    let hog = &snapshot.lab.as_ref().expect("a lab").hog;
    assert_eq!(hog.unit.as_deref(), Some("ms computed"));
    Duration::from_millis(hog.done)
}

/// The polls of all tasks except the hog, and the number of these tasks.
fn polls_of_others(snapshot: &Target) -> (u64, u64) {
    let others = snapshot.tasks.iter().filter(|task| &*task.meta.group != "hog");
    others.fold((0, 0), |(polls, count), task| (polls + task.polls, count + 1))
}

/// The start of the hog's poll, if all tasks were read during this poll.
fn hog_poll(snapshot: &Target) -> Option<u64> {
    let hog = snapshot.tasks.iter().find(|task| &*task.meta.group == "hog")?;
    let read_ns = snapshot.tasks.iter().map(|task| task.known_ns).min()?;
    let is_current = current_hog(snapshot)?.start_ns == hog.since_ns;
    (is_current && hog.state == State::Polling && hog.since_ns <= read_ns).then_some(hog.since_ns)
}

#[test]
fn other_tasks_are_not_polled_during_a_poll_of_spin() {
    for flavor in [Flavor::CurrentThread, Flavor::MultiThread] {
        let mut bench = Bench::start(options(HogKind::Spin, flavor, Some(HOLD)));
        bench.wait_for_work();
        bench.lab.execute(LabCommand::ToggleHog);
        let (mut first, mut pairs) = (None, 0);
        bench.wait("each of three polls of the hog was sampled twice", |s| {
            match (hog_poll(s), &first) {
                (Some(start), Some((same, polls))) if start == *same => {
                    assert_eq!(polls_of_others(s).0, *polls, "polled during the poll of the hog");
                    pairs += 1;
                }
                (start, _) => first = start.map(|start| (start, polls_of_others(s).0)),
            }
            pairs >= 3 && computed(s) >= 3 * HOLD
        });
    }
}

#[test]
fn other_tasks_are_polled_many_times_during_each_fix() {
    for kind in fixes() {
        let mut bench = Bench::start(options(kind, flavor_for(kind), Some(HOLD)));
        let mut first = bench.wait_for_work();
        assert!(bench.lab.execute(LabCommand::ToggleHog).starts_with("hog on"));
        bench.wait(&format!("{kind:?} lets other tasks run"), |s| {
            // Beside spin, each task is polled once or twice between two polls of the hog.
            let (polls, count) = polls_of_others(s);
            let many = polls >= polls_of_others(&first).0 + 10 * count;
            if alive(s, "hog") == 0 || computed(s) >= computed(&first) + HOLD {
                first = s.clone();
                return false;
            }
            many
        });
    }
}

#[test]
fn each_kind_stops_on_request() {
    for kind in HogKind::ALL.iter().copied() {
        let mut bench = Bench::start(options(kind, flavor_for(kind), None));
        bench.wait_for_work();
        bench.lab.execute(LabCommand::ToggleHog);
        bench.wait("it works", |s| {
            let hog = &s.lab.as_ref().expect("a lab").hog;
            hog.on_since_ns.is_some()
                && (hog.done > 0 || hog.unit.is_none() && current_hog(s).is_some())
        });
        assert_eq!(bench.lab.execute(LabCommand::ToggleHog), "hog off");
        bench.wait("it has ended", |s| alive(s, "hog") == 0);
        bench.wait_for_work();
    }
}

#[test]
fn fix_is_cancelled_at_its_next_await() {
    for kind in fixes().filter(|kind| !kind.needs_multi_thread()) {
        let mut bench = Bench::start(options(kind, Flavor::CurrentThread, None));
        bench.lab.execute(LabCommand::ToggleHog);
        let hog_key = |s: &Target| s.tasks.iter().find(|t| &*t.meta.name == "hog").map(|t| t.key);
        let seen = bench.wait("the hog has started", |s| hog_key(s).is_some());
        let answer = bench.lab.execute(LabCommand::Cancel(hog_key(&seen).expect("seen")));
        assert!(answer.contains("next await"), "{kind:?}: {answer}");
        bench.wait("the hog counts as off", |s| {
            alive(s, "hog") == 0 && s.lab.as_ref().expect("a lab").hog.on_since_ns.is_none()
        });
    }
}

#[test]
fn all_kinds_can_be_selected_while_the_hog_is_on() {
    let mut bench = Bench::start(options(HogKind::Spin, Flavor::MultiThread, None));
    bench.lab.execute(LabCommand::ToggleHog);
    for (at, kind) in HogKind::ALL.iter().enumerate().rev() {
        let answer = bench.lab.execute(LabCommand::SelectHogKind(at));
        assert!(answer.starts_with(&format!("hog: {}, ", kind.as_str())), "{answer}");
        let hog = bench.wait("it is on", |s| alive(s, "hog") > 0).lab.expect("a lab").hog;
        assert_eq!((&*hog.kind, hog.is_fix), (kind.as_str(), kind.info().is_fix));
        assert!(hog.on_since_ns.is_some());
    }
}

#[test]
fn block_in_place_is_refused_on_current_thread() {
    let kind = HogKind::BlockInPlace;
    let refused = Lab::start(options(kind, Flavor::CurrentThread, None)).map(drop);
    let sentence = refused.expect_err("must not start").to_string();
    assert!(sentence.contains("needs the multi-thread runtime"), "{sentence}");
    assert!(sentence.contains("--flavor multi-thread"), "{sentence}");
}

#[test]
fn kind_that_cannot_run_is_refused_and_the_hog_stays_on() {
    let hog = |bench: &mut Bench| bench.sample().lab.expect("a lab").hog;
    let hold = Some(Duration::from_millis(1));
    let mut bench = Bench::start(options(HogKind::BlockInPlace, Flavor::MultiThread, hold));
    bench.lab.execute(LabCommand::ToggleHog);
    // It restarts on the next runtime, as a kind that can run there.
    let answer = bench.lab.execute(LabCommand::SwitchFlavor);
    assert_eq!(
        answer,
        "runtime: current-thread; the hog is now own-thread: block-in-place needs the \
         multi-thread runtime; the hog restarts after one second of baseline"
    );
    let now = hog(&mut bench);
    assert_eq!((&*now.kind, now.restart_pending, now.on_since_ns), ("own-thread", true, None));
    let answer = bench.lab.execute(LabCommand::TurnOnHog);
    assert!(answer.starts_with("hog on: own-thread"), "{answer}");
    let since = hog(&mut bench).on_since_ns;
    assert!(since.is_some());
    let refused = now.kinds.iter().position(|kind| kind.unavailable.is_some()).expect("one kind");
    assert_eq!(&*now.kinds[refused].name, "block-in-place");
    let answer = bench.lab.execute(LabCommand::SelectHogKind(refused));
    assert_eq!(answer, "hog: still own-thread; block-in-place needs the multi-thread runtime");
    let now = hog(&mut bench);
    assert_eq!((&*now.kind, now.on_since_ns), ("own-thread", since), "it stays on");
    bench.wait_for_work();
}

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
#[test]
fn watchdog_names_the_blocking_function_of_each_anti_pattern() {
    use asynctop_lab::LabSampler;
    use asynctop_probe::watch::{LongPoll, WatchOptions, Watchdog};
    for kind in anti_patterns() {
        let options = options(kind, Flavor::CurrentThread, None);
        let watchdog = Watchdog::start(options.registry, WatchOptions::default()).expect("stacks");
        let mut bench = Bench::start(options);
        bench.sampler = LabSampler::new(&bench.lab).with_watchdog(watchdog.handle().clone());
        bench.lab.execute(LabCommand::ToggleHog);
        let (function, causes): (&str, &[&str]) = match kind {
            HogKind::Block => ("hog::block", &["sleeping in clock_nanosleep"]),
            HogKind::Lock => ("hog::wait_for_lock", &["waiting for a lock (futex)"]),
            // The cause of a slow write depends on the disk.
            HogKind::Io => ("hog::write_and_sync", &[""]),
            // In the query or a function that it calls. On a busy machine it may wait for a CPU.
            #[cfg(feature = "web")]
            HogKind::Db => ("", &["computing", "waiting for a CPU"]),
            _ => ("hog::spin", &[""]),
        };
        let is_expected = |evidence: &LongPoll| {
            let is_named = evidence.function().is_some_and(|name| name.ends_with(function));
            let cause = evidence.cause.to_string();
            is_named && causes.iter().any(|known| cause.contains(known))
        };
        bench.wait(function, |s| s.long_polls.iter().any(|evidence| is_expected(evidence)));
    }
}
