//! Compares inspections of programs with facts that the programs print about themselves.

mod support;

use std::collections::BTreeSet;

use asynctop_inspect::{
    Flavor, InspectError, OpenError, Options, Process, TaskInfo, TaskKind, TaskQueue, ps, report,
    tokio::task::StateKind,
};
use support::{ALL, Build, assert_checked, identities};

fn of_kind(tasks: &[TaskInfo], kind: TaskKind) -> Vec<&TaskInfo> {
    tasks.iter().filter(|task| task.kind == kind).collect()
}

#[test]
fn idle_tasks_and_blocking_closures_are_found() {
    for build in ALL {
        let fixture = build.start("sleepers", &["1000"]);
        let inspection = fixture.inspect();
        assert_checked(&inspection);
        let alive = fixture.truth.fact("alive");
        assert_eq!(alive, 1001, "the fixture itself");
        assert_eq!(inspection.runtimes.len(), 1, "{build:?}");
        assert_eq!(inspection.runtimes[0].alive, Some(alive));
        assert_eq!(inspection.runtimes[0].flavor, Flavor::MultiThread);

        let tasks = of_kind(&inspection.tasks, TaskKind::Task);
        assert_eq!(tasks.len() as u64, alive, "{build:?}");
        let ids: BTreeSet<u64> = tasks.iter().map(|task| task.id).collect();
        let receiver = fixture.truth.fact("receiver");
        assert_eq!(ids, (receiver..receiver + 1001).collect(), "they were spawned in a row");
        assert!(tasks.iter().all(|task| task.state == StateKind::Idle), "{build:?}");
        assert!(!tasks.iter().any(|task| task.can_never_be_woken()), "each has its timer");
        let known = identities(tasks.iter().copied());
        assert!(fixture.truth.tasks("receiver").is_subset(&known), "{build:?}");

        let closures = of_kind(&inspection.tasks, TaskKind::Blocking);
        assert_eq!(closures.len(), 2, "{build:?}: {closures:#?}");
        assert!(closures.iter().all(|task| task.state == StateKind::Running));
        assert_eq!(of_kind(&inspection.tasks, TaskKind::Worker).len(), 2, "{build:?}");
        assert_eq!(inspection.tasks.len(), 1001 + 2 + 2);

        let workers = &inspection.runtimes[0].workers;
        assert_eq!(workers.len(), 2);
        let tids: BTreeSet<u32> = workers.iter().filter_map(|worker| worker.tid).collect();
        let named: BTreeSet<u32> = inspection
            .threads
            .iter()
            .filter(|thread| thread.name == "tokio-rt-worker" && thread.task.is_none())
            .map(|thread| thread.tid)
            .collect();
        assert_eq!(tids, named, "{build:?}: the other two run the closures");
    }
}

#[test]
fn current_thread_runtime_local_set_and_completed_task_are_found() {
    for build in ALL {
        let fixture = build.start("current", &[]);
        let inspection = fixture.inspect();
        assert_checked(&inspection);
        assert_eq!(inspection.runtimes.len(), 2, "{build:?}");
        let runtime = &inspection.runtimes[0];
        assert_eq!((runtime.flavor, runtime.alive), (Flavor::CurrentThread, Some(10)));
        assert_eq!(inspection.runtimes[1].flavor, Flavor::LocalSet);

        let tasks = of_kind(&inspection.tasks, TaskKind::Task);
        let idle = tasks.iter().filter(|task| task.state == StateKind::Idle).copied();
        assert_eq!(identities(idle), fixture.truth.tasks("ticker"), "{build:?}");
        let complete: Vec<u64> = tasks
            .iter()
            .filter(|task| task.state == StateKind::Complete)
            .map(|task| task.id)
            .collect();
        assert_eq!(complete, [fixture.truth.fact("finished")], "{build:?}");

        let local = of_kind(&inspection.tasks, TaskKind::Local);
        assert_eq!(identities(local.iter().copied()), fixture.truth.tasks("local"), "{build:?}");
        assert!(local.iter().all(|task| task.can_never_be_woken()), "they wait for nothing");
        assert_eq!(inspection.tasks.len(), 13);
    }
}

#[test]
fn spinning_task_is_current_on_its_thread() {
    for build in ALL {
        let fixture = build.start("two", &[]);
        let inspection = fixture.inspect();
        assert_checked(&inspection);
        assert_eq!(inspection.runtimes.len(), 2, "{build:?}");
        let by_flavor = |flavor| {
            let mut runtimes = inspection.runtimes.iter().enumerate();
            let (index, runtime) =
                runtimes.find(|(_, runtime)| runtime.flavor == flavor).expect("of each flavor one");
            let tasks = inspection.tasks.iter().filter(|task| task.runtime == Some(index));
            (runtime, tasks.collect::<Vec<_>>())
        };
        let (web, serving) = by_flavor(Flavor::MultiThread);
        assert_eq!(web.alive, Some(fixture.truth.fact("web")));
        assert_eq!(identities(serving), fixture.truth.tasks("serve"), "{build:?}");

        let (side, tasks) = by_flavor(Flavor::CurrentThread);
        assert_eq!(side.alive, Some(fixture.truth.fact("side")));
        let (running, others): (Vec<_>, Vec<_>) =
            tasks.into_iter().partition(|task| task.state == StateKind::Running);
        assert_eq!(identities(running.iter().copied()), fixture.truth.tasks("ingest"));
        assert_eq!(identities(others), fixture.truth.tasks("flush"));
        let ingest = running[0];
        let thread = inspection
            .threads
            .iter()
            .find(|thread| thread.task == Some(ingest.id))
            .unwrap_or_else(|| panic!("{build:?}: no thread polls it: {inspection:#?}"));
        assert_eq!(thread.name, "ingest");
        assert_eq!(ingest.tid, Some(thread.tid));
        assert_eq!(side.workers[0].tid, Some(thread.tid));
    }
}

#[test]
fn future_types_and_their_lines_are_named() {
    for build in [Build::Dev, Build::Release, Build::Fixed] {
        let fixture = build.start("two", &[]);
        let inspection = fixture.inspect();
        for (name, id) in ["serve", "flush", "ingest"]
            .map(|name| (name, fixture.truth.tasks(name).first().expect("announced").0))
        {
            let task = inspection.tasks.iter().find(|task| task.id == id).expect("found");
            let closure = if build == Build::Fixed { "{closure#0}" } else { "{{closure}}" };
            assert_eq!(task.names.futures, [format!("two::{name}::{closure}")], "{build:?}");
            let location = task.names.location.as_ref().expect("it has line tables");
            let source = include_str!("../fixtures/src/bin/two.rs");
            let line = source.lines().nth(location.line as usize - 1).expect("a line");
            assert!(line.contains(&format!("async fn {name}(")), "{build:?} {location}: {line}");
        }
    }
}

/// Only an `async fn` that can return has a panic location.
#[test]
fn stripped_program_has_panic_locations() {
    let fixture = Build::Small.start("sleepers", &["10"]);
    let inspection = fixture.inspect();
    let tasks = of_kind(&inspection.tasks, TaskKind::Task);
    assert!(
        tasks.iter().all(|task| task.names.futures.is_empty() && task.names.location.is_none())
    );
    let receiver = fixture.truth.fact("receiver");
    let source = include_str!("../fixtures/src/bin/sleepers.rs");
    for task in tasks {
        let own =
            task.names.contains.iter().find(|location| location.file.ends_with("sleepers.rs"));
        let own = own.unwrap_or_else(|| panic!("{task:#?}"));
        let line = source.lines().nth(own.line as usize - 1).expect("a line");
        let name = if task.id == receiver { "async fn receiver(" } else { "async fn sleeper(" };
        assert!(line.contains(name), "{own}: {line}");
    }
}

#[test]
fn spawn_locations_are_read_with_tokio_unstable() {
    let fixture = Build::Unstable.start("sleepers", &["10"]);
    let inspection = fixture.inspect();
    assert!(inspection.tokio[0].is_unstable);
    let source = include_str!("../fixtures/src/bin/sleepers.rs");
    for task in of_kind(&inspection.tasks, TaskKind::Task) {
        let spawned = task.spawned_at.as_ref().expect("it has one");
        let line = source.lines().nth(spawned.line as usize - 1).expect("a line");
        assert!(line.contains("tokio::spawn("), "{spawned}: {line}");
    }
}

/// A plain walk loses up to half of the tasks here in 4 of 10 rounds.
#[test]
fn walks_are_complete_while_tasks_are_spawned_and_end() {
    // The second list is long enough for reading ahead.
    for (count, rounds) in [("500", 200), ("4000", 50)] {
        let fixture = Build::Release.start("churn", &[count]);
        let mut process = fixture.open();
        for round in 0..rounds {
            let inspection = process.inspect(&Options::lists_only()).expect("it runs");
            assert_checked(&inspection);
            let stays_alive = |task: &&TaskInfo| {
                task.names
                    .futures
                    .iter()
                    .any(|name| name.contains("stays") || name.contains("spawner"))
            };
            let alive = inspection.tasks.iter().filter(stays_alive).count() as u64;
            assert_eq!(alive, fixture.truth.fact("stay"), "{count}, round {round}");
        }
    }
}

#[test]
fn program_without_tokio_is_rejected() {
    let fixture = Build::Dev.start("plain", &[]);
    let error = Process::open(fixture.child.id()).expect_err("no Tokio in it");
    assert!(matches!(error, OpenError::NotTokio { .. }), "{error}");
    assert!(error.to_string().contains("is not a Tokio program"), "{error}");
}

#[test]
fn program_may_end_while_it_is_open() {
    let mut fixture = Build::Dev.start("sleepers", &["10"]);
    let mut process = fixture.open();
    process.inspect(&Options::default()).expect("it runs");
    fixture.child.kill().expect("own child");
    fixture.child.wait().expect("own child");
    let error = process.inspect(&Options::default()).expect_err("it has ended");
    assert!(matches!(error, InspectError::Ended { .. }), "{error}");
}

#[test]
fn tokio_version_is_found_in_stripped_programs() {
    let lock = include_str!("../fixtures/Cargo.lock");
    let version = lock
        .split("name = \"tokio\"\nversion = \"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .expect("locked");
    for build in [Build::Release, Build::Small] {
        let inspection = build.start("current", &[]).inspect();
        assert_eq!(inspection.tokio.len(), 1);
        assert_eq!(inspection.tokio[0].version.as_deref(), Some(version), "{build:?}");
        assert_eq!(inspection.tokio[0].has_symbols, build == Build::Release);
    }
}

/// No thread is left to drive timers and sockets, and each stack names the reason.
#[test]
fn blocked_workers_have_stacks_and_system_calls() {
    for build in [Build::Dev, Build::Release] {
        let fixture = build.start("stuck", &[]);
        let inspection = fixture.inspect();
        assert_checked(&inspection);
        let tasks = of_kind(&inspection.tasks, TaskKind::Task);
        assert_eq!(tasks.len() as u64, fixture.truth.fact("alive"));
        let in_state = |state| tasks.iter().filter(move |task| task.state == state).copied();
        let announced = &fixture.truth.tasks("reader") | &fixture.truth.tasks("locker");
        assert_eq!(identities(in_state(StateKind::Running)), announced, "{build:?}");
        assert_eq!(in_state(StateKind::Scheduled).count(), 2, "{build:?}");

        for (name, syscalls, function) in [
            ("reader", &["recvfrom", "read"][..], "read_forever"),
            ("locker", &["futex"], "stuck.rs"),
        ] {
            let id = fixture.truth.tasks(name).first().expect("announced").0;
            let mut threads = inspection.threads.iter();
            let thread = threads.find(|thread| thread.task == Some(id)).expect("it polls");
            let syscall = thread.syscall.as_deref().expect("it is blocked");
            assert!(syscalls.contains(&syscall), "{build:?}: {syscall}");
            assert_eq!(thread.no_stack, None, "{build:?}: {thread:#?}");
            assert!(thread.worker.is_some());
            let is_own = |frame: &asynctop_inspect::Frame| {
                let file = frame.location.as_ref().map_or("", |location| &location.file);
                frame.function.contains(function) || file.ends_with(function)
            };
            assert!(thread.stack.iter().any(is_own), "{build:?}: {thread:#?}");
        }
        assert_eq!(of_kind(&inspection.tasks, TaskKind::Blocking).len(), 0, "{build:?}");
        assert_eq!(of_kind(&inspection.tasks, TaskKind::Worker).len(), 2, "{build:?}");
    }
}

#[test]
fn exhausted_blocking_pool_and_lost_wakers_are_found() {
    for build in ALL {
        let fixture = build.start("waiting", &[]);
        let inspection = fixture.inspect();
        assert_checked(&inspection);
        let tasks = of_kind(&inspection.tasks, TaskKind::Task);
        assert_eq!(tasks.len() as u64, fixture.truth.fact("alive"));
        let lost = tasks.iter().filter(|task| task.can_never_be_woken()).copied();
        assert_eq!(identities(lost), fixture.truth.tasks("lost"), "{build:?}");
        let kept = tasks.iter().filter(|task| task.wakers == 1).copied();
        assert_eq!(identities(kept), fixture.truth.tasks("kept"), "{build:?}");

        let pool = inspection.runtimes[0].pool.expect("known");
        assert_eq!((pool.limit, pool.threads, pool.idle, pool.queued), (2, 2, 0, 10), "{build:?}");
        let closures = of_kind(&inspection.tasks, TaskKind::Blocking);
        let running = closures.iter().filter(|task| task.state == StateKind::Running).count();
        assert_eq!((closures.len(), running), (12, 2), "{build:?}");
    }
}

/// The stack of each blocked thread ends with the function that the C library starts.
#[test]
fn stacks_are_complete() {
    for build in ALL {
        let inspection = build.start("sleepers", &["10"]).inspect();
        for thread in &inspection.threads {
            assert_eq!(thread.no_stack, None, "{build:?}: {thread:#?}");
            assert!(thread.stack.len() > 5, "{build:?}: {thread:#?}");
        }
    }
}

/// The frame pointer of a blocked thread is found from the code, not from the first plausible word.
#[test]
fn frames_of_returned_calls_are_not_on_a_stack() {
    for build in [Build::Dev, Build::Release, Build::Fixed] {
        let fixture = build.start("frames", &[]);
        let inspection = fixture.inspect();
        let sleeper = fixture.truth.tasks("sleeper").first().expect("announced").0;
        let threads = inspection.threads.iter();
        let sleeping =
            threads.filter(|thread| thread.name == "sleeping" || thread.task == Some(sleeper));
        let sleeping: Vec<_> = sleeping.collect();
        assert_eq!(sleeping.len(), 2, "{build:?}: {inspection:#?}");
        for thread in sleeping {
            assert_eq!(thread.no_stack, None, "{build:?}: {thread:#?}");
            let index = |name: &str| {
                let mut frames = thread.stack.iter();
                frames.position(|frame| frame.function.ends_with(name))
            };
            let large = index("::sleep_in_a_large_frame").expect("it has called the C library");
            assert_eq!(index("::sleep_forever"), Some(large + 1), "{build:?}: {thread:#?}");
            assert_eq!(index("::leave_frames"), None, "{build:?}: {thread:#?}");
        }
    }
}

#[test]
fn boxed_futures_are_named() {
    for build in [Build::Dev, Build::Release] {
        let fixture = build.start("boxed", &[]);
        let inspection = fixture.inspect();
        assert_eq!(inspection.runtimes[0].alive, Some(4));
        let source = include_str!("../fixtures/src/bin/boxed.rs");
        for name in ["upload", "download"] {
            assert_eq!(fixture.truth.tasks(name).len(), 2);
            for (id, _) in fixture.truth.tasks(name) {
                let task = inspection.tasks.iter().find(|task| task.id == id).expect("found");
                assert_eq!(
                    task.names.futures,
                    [format!("boxed::{name}::{{{{closure}}}}")],
                    "{build:?}"
                );
                let location = task.names.location.as_ref().expect("it has line tables");
                let line = source.lines().nth(location.line as usize - 1).expect("a line");
                assert!(line.contains(&format!("async fn {name}(")), "{build:?}: {line}");
            }
        }
    }
}

#[test]
fn report_merges_equal_tasks_unless_all_are_requested() {
    let fixture = Build::Release.start("waiting", &[]);
    let inspection = fixture.inspect();
    let dump = |options| {
        let mut text = Vec::new();
        report::text(&inspection, options, &mut text).expect("a Vec takes everything");
        String::from_utf8(text).expect("text")
    };
    let first = |name: &str| fixture.truth.tasks(name).first().expect("announced").0;
    let merged = dump(report::TextOptions::default());
    let lost = format!("task {} [idle]: waiting::peer", first("lost"));
    let group = merged.lines().find(|line| line.starts_with(&lost)).expect("one line");
    assert!(group.contains("no waker exists, and 2 more like it"), "{group}");
    assert!(merged.contains("likely problem: 3 tasks are idle and can never be woken"), "{merged}");
    assert!(merged.contains("blocking pool: 12 closures"), "{merged}");

    let all = dump(report::TextOptions::all());
    for name in ["lost", "kept"] {
        for (id, _) in fixture.truth.tasks(name) {
            let line = format!("\ntask {id} [idle]: waiting::peer fixtures/src/bin/waiting.rs:");
            assert!(all.contains(&line), "{line} in {all}");
        }
    }
}

#[test]
fn list_of_programs_counts_tasks_that_are_only_in_a_local_set() {
    let fixture = Build::Release.start("local", &[]);
    let listing = ps::list().expect("/proc can be read");
    let pid = fixture.child.id();
    let program = listing.programs.iter().find(|program| program.pid == pid).expect("listed");
    let inspection = program.inspection.as_ref().expect("it runs");
    assert_eq!(identities(&inspection.tasks), fixture.truth.tasks("local"));
}

#[cfg(feature = "serde")]
#[test]
fn inspection_is_serialized() {
    let fixture = Build::Release.start("current", &[]);
    let inspection = fixture.inspect();
    let json = serde_json::to_value(&inspection).expect("it can be written");
    assert_eq!(json["pid"], fixture.child.id());
    assert_eq!(json["tasks"].as_array().map(Vec::len), Some(13));
    assert_eq!(json["runtimes"][0]["flavor"], "current_thread");
    assert_eq!(json["runtimes"][0]["alive"], 10);
    assert!(json["took_ns"].is_u64());
}

/// Asserts that the tasks behind a blocked worker are in these queues, and that their lengths are
/// right.
fn assert_queues(build: Build, flavor: &str, local: usize, lifo: TaskQueue) {
    let fixture = build.start("queues", &[flavor]);
    let inspection = fixture.inspect();
    assert_checked(&inspection);
    let runtime = &inspection.runtimes[0];
    let lengths = runtime.queues.as_ref().unwrap_or_else(|| panic!("{build:?}: {runtime:#?}"));
    assert_eq!((lengths.local.as_slice(), lengths.injection), (&[local][..], Some(2)), "{build:?}");
    for (name, queue) in [
        ("first", TaskQueue::Local { worker: 0 }),
        ("second", TaskQueue::Local { worker: 0 }),
        ("third", TaskQueue::Local { worker: 0 }),
        ("lifo", lifo),
        ("injected", TaskQueue::Injection),
        ("last", TaskQueue::Injection),
    ] {
        let id = fixture.truth.fact(name);
        let task = inspection.tasks.iter().find(|task| task.id == id).expect("found");
        assert_eq!((task.state, task.queue), (StateKind::Scheduled, Some(queue)), "{build:?}");
    }
    let (blocker, _) = *fixture.truth.tasks("blocker").first().expect("announced");
    let blocker = inspection.tasks.iter().find(|task| task.id == blocker).expect("found");
    assert_eq!((blocker.state, blocker.queue), (StateKind::Running, None), "{build:?}");
}

#[test]
fn scheduled_tasks_are_in_their_queues() {
    for build in ALL {
        assert_queues(build, "multi-thread", 3, TaskQueue::Lifo { worker: 0 });
        assert_queues(build, "current-thread", 4, TaskQueue::Local { worker: 0 });
    }
}

/// Nothing is scheduled, so nothing is in a queue.
#[test]
fn queues_are_empty_or_the_reason_is_given() {
    for fixture in ["two", "current"] {
        let inspection = Build::Release.start(fixture, &[]).inspect();
        for runtime in &inspection.runtimes {
            let lengths = runtime.queues.as_ref();
            match runtime.flavor {
                Flavor::LocalSet => assert!(lengths.is_none() && runtime.no_queues.is_some()),
                _ => {
                    let lengths = lengths.unwrap_or_else(|| panic!("{runtime:#?}"));
                    assert!(lengths.local.iter().all(|length| *length == 0));
                    assert_eq!(lengths.injection, Some(0));
                }
            }
        }
    }
    let fixture = Build::Release.start("sleepers", &["10"]);
    let runtime = &fixture.inspect().runtimes[0];
    let lengths = runtime.queues.as_ref().expect("known");
    assert_eq!((lengths.local.as_slice(), lengths.injection), (&[0, 0][..], Some(0)));
    let pool = runtime.pool.expect("known");
    assert_eq!((pool.limit, pool.threads, pool.idle, pool.queued), (512, 2, 0, 0));
    let fixture = Build::Release.start("current", &[]);
    let pool = fixture.inspect().runtimes[0].pool.expect("known");
    assert_eq!((pool.limit, pool.threads, pool.idle, pool.queued), (512, 0, 0, 0));
}
