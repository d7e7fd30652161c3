//! The lab and its source: what a user can do to the runtime under test, and that the
//! dashboard's side never waits for it.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use asynctop::{
    lab::{Command, HogKind, HogOptions, Lab, LabError, LabOptions, Scenario, WorkloadKind, find},
    model::{Figure, Flavor, Interest, Snapshot, Subject, TaskFigures},
    probe::{Registry, State},
    source::{LiveSource, Sampler, Source},
};

/// Long enough for anything on any machine; tests wait for conditions, not for this.
const PATIENCE: Duration = Duration::from_secs(60);

struct Bench {
    lab: Lab,
    source: LiveSource,
}

impl Bench {
    fn start(options: LabOptions) -> Bench {
        let lab = Lab::start(options).expect("the lab starts");
        let source = LiveSource::of_lab(&lab);
        Bench { lab, source }
    }

    fn mixed(flavor: Flavor) -> Bench {
        Bench::start(LabOptions { flavor: Some(flavor), ..mixed() })
    }

    fn look(&mut self) -> Snapshot {
        let snapshot = self.source.snapshot(&Interest::default());
        check_invariants(&snapshot);
        snapshot
    }

    /// Looks until what is seen is as expected.
    fn wait(&mut self, what: &str, mut as_expected: impl FnMut(&Snapshot) -> bool) -> Snapshot {
        let begin = Instant::now();
        loop {
            let snapshot = self.look();
            if as_expected(&snapshot) {
                return snapshot;
            }
            assert!(begin.elapsed() < PATIENCE, "waited in vain until {what}: {snapshot:#?}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn wait_for_work(&mut self) -> Snapshot {
        let before = self.look();
        self.wait("all closed-loop work went on", |now| all_advanced(&before, now))
    }

    fn wait_for_hog(&mut self) -> Snapshot {
        self.wait("a hog holds a worker", |s| current_hog(s).is_some())
    }
}

fn mixed() -> LabOptions {
    LabOptions { registry: Registry::leak(), ..LabOptions::new(find("mixed").expect("built in")) }
}

fn check_invariants(snapshot: &Snapshot) {
    assert!(snapshot.tasks.windows(2).all(|pair| pair[0].key < pair[1].key), "sorted by key");
    for task in &snapshot.tasks {
        let sum = task.busy_ns + task.scheduled_ns + task.idle_ns;
        assert_eq!(task.lifetime_ns, sum, "{task:?}");
        assert!(task.since_ns <= snapshot.taken_ns, "{task:?}");
    }
    for worker in &snapshot.workers {
        let current = worker.current.as_ref();
        assert!(current.is_none_or(|poll| poll.since_ns <= snapshot.taken_ns), "{worker:?}");
        let poll_ns = worker.poll_ns.value().expect("measured");
        assert!(poll_ns <= snapshot.runtime.uptime_ns, "{worker:?}");
    }
}

fn done(snapshot: &Snapshot) -> Vec<(&'static str, u64)> {
    let lab = snapshot.lab.as_ref().expect("a lab's snapshot");
    let closed = lab.workloads.iter().filter(|workload| workload.unit.is_some());
    closed.map(|workload| (workload.name, workload.done)).collect()
}

fn all_advanced(before: &Snapshot, now: &Snapshot) -> bool {
    done(before).iter().zip(done(now)).all(|((_, then), (_, now))| now > *then)
}

fn named<'a>(snapshot: &'a Snapshot, name: &str) -> Option<&'a TaskFigures> {
    // The last one, if the name was used before.
    snapshot.tasks.iter().filter(|task| &*task.meta.name == name).max_by_key(|task| task.meta.id)
}

fn alive(snapshot: &Snapshot, group: &str) -> usize {
    let of_group = |task: &&TaskFigures| !task.state.is_done() && &*task.meta.group == group;
    snapshot.tasks.iter().filter(of_group).count()
}

/// The hog that holds a worker and how long it has done so.
fn current_hog(snapshot: &Snapshot) -> Option<(u64, u64)> {
    let is_hog = |key: u64| {
        let task = snapshot.tasks.iter().find(|task| task.key == key);
        task.is_some_and(|task| &*task.meta.group == "hog")
    };
    let polls = snapshot.workers.iter().filter_map(|worker| worker.current.as_ref());
    let of_hog = polls.filter(|poll| is_hog(poll.key)).map(|poll| (poll.key, poll.since_ns));
    of_hog.map(|(key, since)| (key, snapshot.taken_ns - since)).max_by_key(|(_, held)| *held)
}

#[test]
fn all_closed_loop_work_advances_under_both_flavors() {
    for flavor in [Flavor::CurrentThread, Flavor::MultiThread] {
        let mut bench = Bench::mixed(flavor);
        let snapshot = bench.wait_for_work();
        assert_eq!(snapshot.runtime.flavor, flavor);
        assert_eq!(done(&snapshot).len(), 3);
        for group in ["heartbeat", "accept", "conn", "client", "ping", "pong", "cruncher", "feed"] {
            assert!(alive(&snapshot, group) > 0, "no {group}");
        }
        let beat = named(&snapshot, "heartbeat-1").expect("a heartbeat");
        assert!(beat.meta.location.starts_with("src/lab/workload/heartbeats.rs:"), "{beat:?}");
        assert!(snapshot.tasks.iter().all(|task| task.stage.is_some() || task.polls == 0));
    }
}

#[test]
fn a_hog_holds_up_all_work_of_a_current_thread_runtime_until_it_is_off() {
    for kind in HogKind::ALL {
        let hog = HogOptions { kind, ..HogOptions::default() };
        let mut bench = Bench::start(LabOptions { hog, ..mixed() });
        bench.wait_for_work();

        let said = bench.lab.execute(Command::ToggleHog);
        assert!(said.contains(kind.as_str()) && said.contains("never gives way"), "{said}");
        let (hog, held) = current_hog(&bench.wait_for_hog()).expect("seen just now");
        // What the first snapshot counted may have been done just before the hog began.
        let first = bench.look();
        let second = bench.wait("the poll grows", |s| {
            current_hog(s).is_some_and(|(key, now)| key == hog && now > held + 50_000_000)
        });
        assert_eq!(done(&first), done(&second));
        assert_eq!(&*second.workers[0].thread, "asynctop-w0");
        let figures = &second.lab.as_ref().expect("a lab").hog;
        assert!(figures.on_since_ns.is_some() && figures.hold_ns.is_none());
        let waits = |task: &TaskFigures| {
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
        bench.lab.execute(Command::HoldShorter);
    }
    bench.wait_for_work();
    assert!(bench.lab.execute(Command::HoldLonger).contains("2ms"));
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
fn hogs_on_every_worker_hold_up_nothing_of_the_dashboard() {
    let hog = "spin:2".parse().expect("a hog");
    let flavor = Some(Flavor::MultiThread);
    let bench = Bench::start(LabOptions { workers: Some(2), flavor, hog, ..mixed() });
    let (sender, snapshots) = mpsc::channel();
    let source = Box::new(LiveSource::of_lab(&bench.lab));
    let deliver = move |snapshot: Arc<Snapshot>| sender.send(snapshot).is_ok();
    let _sampler = Sampler::start(source, Duration::from_millis(20), deliver).expect("a thread");
    bench.lab.execute(Command::ToggleHog);

    let hogs = |s: &Snapshot| s.workers.iter().filter(|w| w.current.is_some()).count();
    let begin = Instant::now();
    let mut held = 0;
    while held < 100_000_000 {
        assert!(begin.elapsed() < PATIENCE, "the hogs never held both workers");
        let snapshot = snapshots.recv_timeout(PATIENCE).expect("snapshots go on");
        check_invariants(&snapshot);
        let both = hogs(&snapshot) == 2 && alive(&snapshot, "hog") == 2;
        held = current_hog(&snapshot).filter(|_| both).map_or(0, |(_, held)| held);
    }
    // All of these return while no worker is free.
    for command in [
        Command::Raise(0),
        Command::Raise(1),
        Command::Lower(1),
        Command::Lower(2),
        Command::NextHogKind,
        Command::NextHogKind,
        Command::HoldShorter,
        Command::HoldLonger,
        Command::Cancel(0),
        Command::SwitchFlavor,
    ] {
        assert!(!bench.lab.execute(command).is_empty());
    }
    bench.lab.shutdown();
    bench.lab.shutdown();
    assert_eq!(bench.lab.execute(Command::ToggleHog), "the lab has ended");
}

#[test]
fn a_switch_begins_a_new_epoch_with_the_same_workloads() {
    let mut bench = Bench::start(LabOptions { workers: Some(3), ..mixed() });
    bench.lab.execute(Command::Raise(0));
    let before = bench.wait_for_work();
    bench.lab.execute(Command::ToggleHog);
    bench.wait_for_hog();

    let said = bench.lab.execute(Command::SwitchFlavor);
    assert_eq!(said, "runtime: multi-thread with 3 workers");
    let after = bench.wait_for_work();
    assert_eq!((after.epoch, after.workers.len()), (before.epoch + 1, 3));
    assert!(after.runtime.uptime_ns < before.runtime.uptime_ns + PATIENCE.as_nanos() as u64);
    assert_eq!(alive(&after, "heartbeat"), 9);
    assert_eq!(after.lab.as_ref().expect("a lab").hog.on_since_ns, None);
    assert!(all_advanced(&before, &after), "totals only grow");
    let oldest = before.tasks.iter().map(|task| task.meta.id).max();
    assert!(after.tasks.iter().all(|task| Some(task.meta.id) > oldest), "no task of the old one");

    assert_eq!(bench.lab.execute(Command::SwitchFlavor), "runtime: current-thread");
    assert_eq!(bench.wait_for_work().epoch, before.epoch + 2);
}

#[test]
fn counts_are_raised_and_lowered() {
    let mut bench = Bench::start(mixed());
    bench.wait("everybody is there", |s| alive(s, "client") == 24 && alive(s, "conn") == 24);
    for (position, groups, count) in [
        (0, vec!["heartbeat"], 8),
        (1, vec!["client", "conn"], 24),
        (2, vec!["ping", "pong"], 8),
        (3, vec!["cruncher"], 1),
    ] {
        for (command, expected) in
            [(Command::Raise(position), count + 1), (Command::Lower(position), count)]
        {
            bench.lab.execute(command);
            let snapshot = bench.wait("the tasks follow the count", |s| {
                groups.iter().all(|group| alive(s, group) == expected)
            });
            assert_eq!(snapshot.lab.expect("a lab").workloads[position].count, expected);
        }
    }
    bench.lab.execute(Command::Lower(3));
    assert_eq!(bench.lab.execute(Command::Lower(3)), "cruncher is at 0 already");
    assert_eq!(bench.lab.execute(Command::Raise(9)), "there is no such workload");
}

#[test]
fn a_count_lowered_beside_a_hog_takes_effect_after_it() {
    let mut bench = Bench::start(mixed());
    bench.wait_for_work();
    bench.lab.execute(Command::ToggleHog);
    bench.wait_for_hog();
    bench.lab.execute(Command::Lower(0));
    let snapshot = bench.look();
    assert_eq!(snapshot.lab.as_ref().expect("a lab").workloads[0].count, 7);
    assert_eq!(alive(&snapshot, "heartbeat"), 8);
    bench.lab.execute(Command::ToggleHog);
    let snapshot = bench.wait("one has ended", |s| alive(s, "heartbeat") == 7);
    assert_eq!(named(&snapshot, "heartbeat-8").expect("kept").state, State::Cancelled);
}

#[test]
fn a_cancelled_heartbeat_ends_as_cancelled() {
    let mut bench = Bench::start(mixed());
    let snapshot = bench.wait_for_work();
    let key = named(&snapshot, "heartbeat-3").expect("a heartbeat").key;
    let said = bench.lab.execute(Command::Cancel(key));
    assert_eq!(said, "cancel asked of heartbeat-3: it takes effect at its next await");
    bench.wait("it has ended", |s| {
        named(s, "heartbeat-3").is_some_and(|task| task.state == State::Cancelled)
    });
    assert_eq!(bench.lab.execute(Command::Cancel(key)), "this task has ended already");
    bench.wait_for_work();
}

#[test]
fn a_hog_that_never_awaits_cannot_be_cancelled_only_stopped() {
    let mut bench = Bench::start(mixed());
    bench.lab.execute(Command::ToggleHog);
    let (hog, held) = current_hog(&bench.wait_for_hog()).expect("seen just now");
    let said = bench.lab.execute(Command::Cancel(hog));
    assert!(said.contains("never awaits"), "{said}");
    bench.wait("it goes on in the same poll", |s| {
        current_hog(s).is_some_and(|(key, now)| key == hog && now > held + 20_000_000)
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
    let (hog, _) = current_hog(&bench.wait_for_hog()).expect("seen just now");
    bench.lab.execute(Command::Cancel(hog));
    bench.wait("the hog counts as off", |s| {
        s.lab.as_ref().is_some_and(|lab| lab.hog.on_since_ns.is_none())
    });
    assert!(bench.lab.execute(Command::ToggleHog).starts_with("hog on"));
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
}

#[test]
fn a_client_whose_service_is_gone_says_so_and_tries_again() {
    let mut bench = Bench::start(mixed());
    let snapshot = bench.wait_for_work();
    for task in ["accept", "conn-1"] {
        bench.lab.execute(Command::Cancel(named(&snapshot, task).expect("a task").key));
    }
    bench.wait("it says what went wrong", |s| {
        let refused = |task: &TaskFigures| task.stage == Some("failed: connection refused");
        s.tasks.iter().any(|task| refused(task) && !task.state.is_done())
    });
}

#[test]
fn a_task_that_panics_shows_as_panicked_and_the_others_go_on() {
    let mut scenario = find("mixed").expect("built in");
    scenario.workloads.push(asynctop::lab::WorkloadSpec::new(WorkloadKind::Panic, 2));
    let registry = Registry::leak();
    let mut bench = Bench::start(LabOptions { registry, ..LabOptions::new(scenario) });
    let snapshot = bench.wait("both have panicked", |s| {
        ["panic-1", "panic-2"]
            .iter()
            .all(|name| named(s, name).is_some_and(|task| task.state == State::Panicked))
    });
    assert_eq!(named(&snapshot, "panic-1").and_then(|task| task.stage), Some("about to panic"));
    bench.wait_for_work();
}

#[test]
fn two_labs_run_side_by_side() {
    let mut one = Bench::mixed(Flavor::CurrentThread);
    let mut two = Bench::mixed(Flavor::MultiThread);
    one.wait_for_work();
    two.wait_for_work();
    one.lab.execute(Command::ToggleHog);
    one.wait_for_hog();
    assert_eq!(alive(&two.look(), "hog"), 0);
    two.wait_for_work();
    drop(one);
    two.wait_for_work();
}

#[test]
fn distributions_come_for_what_is_of_interest_only() {
    let mut bench = Bench::start(mixed());
    let snapshot = bench.wait_for_work();
    assert!(snapshot.distributions.is_empty());
    let beat = named(&snapshot, "heartbeat-1").expect("a heartbeat");
    let interest = Interest { task: Some(beat.key), groups: true };
    let snapshot = bench.source.snapshot(&interest);
    let of = |subject: Subject| {
        let found = snapshot.distributions.iter().find(|(of, _)| *of == subject);
        &found.expect("asked for").1
    };
    let one = of(Subject::Task(beat.key));
    let all = of(Subject::Group("heartbeat".into()));
    assert!(one.poll_times.count() > 0 && one.poll_times.count() < all.poll_times.count());
    assert!(all.delays.count() > 0 && snapshot.delays.count() >= all.delays.count());
    assert_eq!(snapshot.distributions.len(), 9, "one task and eight groups");
}

#[test]
fn a_count_that_only_unstable_tokio_keeps_is_never_a_zero() {
    let mut bench = Bench::mixed(Flavor::MultiThread);
    let snapshot = bench.wait_for_work();
    let worker = &snapshot.workers[0];
    let figures = [snapshot.runtime.blocking_threads, worker.steals, worker.local_queue];
    for figure in figures {
        match cfg!(tokio_unstable) {
            true => assert!(matches!(figure, Figure::Measured(_))),
            false => assert_eq!(figure.reason(), Some("needs a build with tokio_unstable")),
        }
    }
    let polls = |s: &Snapshot| s.workers.iter().map(|w| w.polls.value().unwrap_or(0)).sum::<u64>();
    bench.wait("all workers' polls are there", |s| polls(s) > 1_000);
}

#[test]
fn what_cannot_be_started_is_said_in_one_clear_sentence() {
    let error = |change: &dyn Fn(&mut LabOptions)| {
        let mut options = mixed();
        change(&mut options);
        Lab::start(options).map(drop).expect_err("must not start").to_string()
    };
    let cases: [(&str, String); 7] = [
        ("0 workers", error(&|o| o.workers = Some(0))),
        ("513 workers are too many", error(&|o| o.workers = Some(513))),
        ("100001 of its kind", error(&|o| o.scenario.workloads[0].count = 100_001)),
        ("1000001 tasks, but 1000000", error(&|o| crowd(&mut o.scenario))),
        ("0 hogs", error(&|o| o.hog.count = 0)),
        ("after 999µs", error(&|o| o.hog.hold = Some(Duration::from_micros(999)))),
        ("did you mean `mixed`?", find("mixde").expect_err("unknown").to_string()),
    ];
    for (part, message) in cases {
        assert!(message.contains(part), "no {part:?} in {message:?}");
        assert!(!message.contains('\n') && message.contains(';'), "{message:?}");
    }
    for bad in ["", "spin:", "spin:x", "spin:0", "spin:-1", "leap", ":3", "spin:2:3"] {
        assert!(bad.parse::<HogOptions>().is_err(), "{bad:?}");
    }
    assert!(matches!(find(""), Err(LabError::UnknownScenario { nearest: None, .. })));
}

fn crowd(scenario: &mut Scenario) {
    let spec = |count| asynctop::lab::WorkloadSpec::new(WorkloadKind::Heartbeats, count);
    scenario.workloads = (0..10).map(|_| spec(100_000)).chain([spec(1)]).collect();
}
