//! Polls that are running, polls that have ended, and clocks.

use super::*;

#[test]
fn blocked_task_is_busy_while_no_stats_are_sent() {
    let mut program = TestProgram::new();
    let stuck = polling(THEN, THEN + S - 10 * MS);
    program.apply(&update(S, [announced(7, "hog")], [(7, stuck)]));
    // The poll may have ended before the update was written.
    let busy = |program: &TestProgram| program.tasks()[0].busy_ns / MS as u64;
    assert_eq!(busy(&program), 2);
    let began = program.tasks()[0].since_ns;
    // The task is not in the next update, so it is still in that poll.
    program.apply(&update(2 * S, [], []));
    assert_eq!(busy(&program), 2 + 1_010);
    let hog = &program.tasks()[0];
    assert_eq!((hog.state, hog.max_poll_ns), (State::Polling, 1_010 * MS as u64));
    assert_eq!((hog.since_ns, hog.time_in_state_ns(u64::MAX)), (began, 1_010 * MS as u64));
    // The lower bound of its length is kept when the poll has ended.
    let ended = Stats { wakes: 2, ..idle(THEN) };
    program.apply(&update(3 * S, [], [(7, ended)]));
    assert_eq!(program.tasks()[0].max_poll_ns, 1_010 * MS as u64);
}

#[test]
fn ended_polls_are_reported_once() {
    let mut program = TestProgram::new();
    let poll = |began, length, polls| Stats {
        poll_stats: Some(PollStats {
            polls,
            first_poll: at(THEN + MS),
            last_poll_started: at(THEN + began),
            last_poll_ended: at(THEN + began + length),
            busy_time: Some(Duration { seconds: 0, nanos: (length * polls as i64) as i32 }),
        }),
        ..idle(THEN)
    };
    let mut reported = |at, stats| {
        program.apply(&update(at, [], [(7, stats)]));
        let polls = program.0.take_long_polls();
        polls.iter().map(|poll| (poll.began_ns, poll.length_ns)).collect::<Vec<_>>()
    };
    assert_eq!(reported(S, poll(200 * MS, 90 * MS, 1)), [], "ended before the first update");
    let next = (NOW + 1500 * MS) as u64;
    assert_eq!(reported(2 * S, poll(1500 * MS, 80 * MS, 2)), [(next, 80 * MS as u64)]);
    let wakes = Stats { wakes: 9, ..poll(1500 * MS, 80 * MS, 2) };
    assert_eq!(reported(3 * S, wakes), [], "the same poll");
    assert_eq!(reported(4 * S, poll(3500 * MS, MS / 2, 3)), [], "too short");
    assert_eq!(reported(5 * S, polling(THEN, THEN + 4500 * MS)), [], "still running");
    assert_eq!(reported(6 * S, poll(4500 * MS, 900 * MS, 4)).len(), 1);
}

#[test]
fn long_poll_before_the_last_one_is_reported_with_a_lower_bound() {
    let mut program = TestProgram::new();
    program.apply(&update(S, [], [(1, idle(THEN))]));
    let request = Stats {
        poll_stats: Some(PollStats {
            polls: 3,
            first_poll: at(THEN + S + 11 * MS),
            last_poll_started: at(THEN + S + 300 * MS),
            last_poll_ended: at(THEN + S + 301 * MS),
            busy_time: Some(Duration { seconds: 0, nanos: 241 * MS as i32 }),
        }),
        ..ended(THEN + S + 10 * MS, THEN + S + 302 * MS)
    };
    program.apply(&update(2 * S, [announced(7, "request")], [(7, request)]));
    // No histogram arrives.
    for after in 3..6 {
        program.apply(&update(after * S, [], []));
    }
    let polls = program.0.take_long_polls();
    let poll = polls.iter().find(|poll| poll.is_lower_bound).expect("one of two polls");
    assert_eq!(poll.length_ns, 120 * MS as u64, "half of the sum");
    let task = program.tasks().into_iter().find(|task| task.meta.id == 1007);
    assert_eq!(task.expect("ended tasks are kept").max_poll_ns, 120 * MS as u64);
}

#[test]
fn poll_that_runs_while_an_update_is_written_is_not_long() {
    let mut program = TestProgram::new();
    // Read 1 ms after the poll began; writing the rest of the update took 80 ms.
    let running = polling(THEN, THEN + S - 80 * MS);
    let other = Stats { last_wake: at(THEN + S - 79 * MS), ..idle(THEN) };
    program.apply(&update(S, [], [(7, running), (8, other)]));
    let task = |program: &TestProgram| {
        let tasks = program.tasks();
        tasks.into_iter().find(|task| task.meta.id == 7).expect("task 7")
    };
    assert_eq!(
        (task(&program).state, task(&program).time_in_state_ns(u64::MAX)),
        (State::Polling, MS as u64)
    );
    assert_eq!(task(&program).max_poll_ns, 2 * MS as u64, "the previous poll");
    program.apply(&update(2 * S, [], [(7, idle(THEN))]));
    assert_eq!(task(&program).max_poll_ns, 2 * MS as u64);

    // Writing an update does not take 700 ms.
    let mut program = TestProgram::new();
    program.apply(&update(S, [], [(7, polling(THEN, THEN + 300 * MS))]));
    assert!(task(&program).time_in_state_ns(u64::MAX) > 400 * MS as u64);
}

#[test]
fn reversed_times_do_not_panic() {
    let mut program = TestProgram::new();
    program.apply(&update(10 * S, [announced(7, "a")], [(7, polling(THEN, THEN + 9 * S))]));
    program.apply(&update(2 * S, [announced(8, "b")], [(8, idle(THEN + 20 * S))]));
    program.apply(&update(11 * S, [], [(7, polling(THEN + 30 * S, THEN - S))]));
    program.tasks();
}

/// The announcement of a task of a kind, at a location in Tokio's sources.
fn of_kind(task: u64, kind: &str, file: &str) -> Announcement {
    let mut one = announced(task, kind);
    one.fields[2] = field("kind", api::field::Value::DebugVal(kind.to_owned()));
    one.location.as_mut().expect("a location").file = Some(file.to_owned());
    one
}

/// The announcement of a task that was spawned at another line.
fn announced_at(task: u64, name: &str, line: u32) -> Announcement {
    let mut one = announced(task, name);
    one.location.as_mut().expect("a location").line = Some(line);
    one
}

const WORKER: &str = "/r/tokio-1.54.1/src/runtime/scheduler/multi_thread/worker.rs";

#[test]
fn poll_that_hands_its_worker_over_is_harmless() {
    let mut program = TestProgram::new();
    let worker = |id| of_kind(id, "blocking", WORKER);
    let running = |spawned: i64| Stats {
        poll_stats: polling(spawned, spawned).poll_stats,
        ..Stats { created_at: at(spawned), ..Stats::default() }
    };
    program.apply(&update(
        S,
        [worker(1), announced(7, "in-place"), announced_at(8, "other", 9)],
        [(1, running(THEN)), (7, idle(THEN)), (8, idle(THEN))],
    ));
    // The poll of task 8 began earlier, so the hand-over was in that of task 7.
    let handed_over = THEN + 1_300 * MS;
    program.apply(&update(
        2 * S,
        [worker(2)],
        [
            (8, polling(THEN, THEN + 1_100 * MS)),
            (7, polling(THEN, THEN + 1_200 * MS)),
            (2, running(handed_over)),
        ],
    ));
    let keys = |program: &TestProgram, name: &str| {
        program.tasks().iter().find(|task| &*task.meta.name == name).expect("a task").key
    };
    let harmless = |program: &TestProgram| -> Vec<u64> {
        let all = program.0.harmless_polls().iter();
        all.filter(|poll| poll.reason.contains("uses")).map(|poll| poll.task).collect()
    };
    assert_eq!(harmless(&program), [keys(&program, "in-place")]);
    let expected =
        "long polls of tasks spawned at src/main.rs:7 are not reported: they use block_in_place";
    assert_eq!(program.0.losses().descriptions(), [expected]);
    let after = |length| Stats {
        poll_stats: Some(PollStats {
            polls: 2,
            first_poll: at(THEN + 2 * MS),
            last_poll_started: at(THEN + 1_100 * MS + length),
            last_poll_ended: at(THEN + 2_500 * MS),
            busy_time: Some(Duration { seconds: 1, nanos: 302 * MS as i32 }),
        }),
        ..idle(THEN)
    };
    program.apply(&update(3 * S, [], [(7, after(100 * MS)), (8, after(0))]));
    assert_eq!(program.0.take_long_polls(), [], "not judged yet");
    program.apply(&update(4 * S, [], []));
    let reported: Vec<_> = program.0.take_long_polls().iter().map(|poll| poll.task).collect();
    assert_eq!(reported, [keys(&program, "other")]);
}

#[test]
fn hand_over_may_be_reported_one_update_after_its_poll() {
    let mut program = TestProgram::new();
    let running = |spawned: i64| Stats { waker_clones: 0, ..polling(spawned, spawned) };
    let worker = |id| of_kind(id, "blocking", WORKER);
    program.apply(&update(
        S,
        [worker(1), announced(7, "in-place")],
        [(1, running(THEN)), (7, idle(THEN))],
    ));
    let began = THEN + 1_100 * MS;
    let polled = Stats {
        poll_stats: Some(PollStats {
            polls: 2,
            first_poll: at(THEN + 2 * MS),
            last_poll_started: at(began),
            last_poll_ended: at(began + 800 * MS),
            busy_time: Some(Duration { seconds: 0, nanos: 802 * MS as i32 }),
        }),
        ..idle(THEN)
    };
    program.apply(&update(2 * S, [], [(7, polled)]));
    // The task is polled again before the spawn is reported.
    program.apply(&update(
        3 * S,
        [worker(2)],
        [(7, polling(THEN, THEN + 2_900 * MS)), (2, running(began + MS))],
    ));
    program.apply(&update(4 * S, [], []));
    assert_eq!(program.0.take_long_polls(), []);
}

#[test]
fn poll_of_a_local_task_is_reported_once() {
    let mut program = TestProgram::new();
    let main = || of_kind(1, "block_on", "src/main.rs");
    let local = || of_kind(7, "local", "src/main.rs");
    program.apply(&update(S, [main(), local()], [(1, idle(THEN)), (7, idle(THEN))]));
    let (outer, inner) = (THEN + 1_100 * MS, THEN + 1_101 * MS);
    program.apply(&update(2 * S, [], [(1, polling(THEN, outer)), (7, polling(THEN, inner))]));
    let harmless: Vec<_> = program.0.harmless_polls().iter().map(|poll| poll.reason).collect();
    assert_eq!(harmless, ["polling a task of its LocalSet"]);
    let after = |began, ended| Stats {
        poll_stats: Some(PollStats {
            polls: 2,
            first_poll: at(THEN + 2 * MS),
            last_poll_started: at(began),
            last_poll_ended: at(ended),
            busy_time: Some(Duration { seconds: 1, nanos: 402 * MS as i32 }),
        }),
        ..idle(THEN)
    };
    let end = THEN + 2_500 * MS;
    program.apply(&update(3 * S, [], [(1, after(outer, end)), (7, after(inner, end - MS))]));
    let polls = program.0.take_long_polls();
    let local =
        program.tasks().iter().find(|task| task.meta.kind == TaskKind::Local).map(|task| task.key);
    assert_eq!(polls.iter().map(|poll| Some(poll.task)).collect::<Vec<_>>(), [local]);
}

/// No poll of a local task takes half of it.
#[test]
fn poll_of_a_block_on_that_consists_of_several_polls_is_not_reported() {
    let mut program = TestProgram::new();
    let kinds = ["block_on", "local", "local", "local", "local"];
    let tasks = || (1..).zip(kinds).map(|(id, kind)| of_kind(id, kind, "src/main.rs"));
    program.apply(&update(S, tasks(), (1..=5).map(|id| (id, idle(THEN)))));
    let polled = |from_ms: i64, to_ms: i64| Stats {
        poll_stats: Some(PollStats {
            polls: 1,
            first_poll: at(THEN + from_ms * MS),
            last_poll_started: at(THEN + from_ms * MS),
            last_poll_ended: at(THEN + to_ms * MS),
            busy_time: Some(Duration { seconds: 0, nanos: ((to_ms - from_ms) * MS) as i32 }),
        }),
        ..idle(THEN)
    };
    let local = (2..).zip([1_001, 1_101, 1_201, 1_301]).map(|(id, ms)| (id, polled(ms, ms + 90)));
    let all = std::iter::once((1, polled(1_000, 1_400))).chain(local);
    program.apply(&update(2 * S, [], all.collect::<Vec<_>>()));
    let polls = program.0.take_long_polls();
    let kind = |key| program.tasks().iter().find(|task| task.key == key).map(|it| it.meta.kind);
    let kinds: Vec<_> = polls.iter().filter_map(|poll| kind(poll.task)).collect();
    assert_eq!(kinds, [TaskKind::Local; 4]);
}

/// The reason for which the running poll of a `block_on` that was called at `created` is harmless. `closure`
/// has been running since `THEN + 100 ms`.
fn harmless_block_on(closure: Option<Announcement>, created: i64) -> Option<&'static str> {
    let mut program = TestProgram::new();
    let stats = closure.as_ref().map(|_| (1, polling(THEN, THEN + 100 * MS)));
    program.apply(&update(S, closure, stats));
    let block_on = of_kind(9, "block_on", "src/main.rs");
    program.apply(&update(2 * S, [block_on], [(9, polling(created, THEN + 1_100 * MS))]));
    program.apply(&update(3 * S, [], []));
    let tasks = program.tasks();
    let block_on = tasks.iter().find(|task| task.meta.kind == TaskKind::BlockOn).expect("a task");
    let mut harmless = program.0.harmless_polls().iter();
    harmless.find(|poll| poll.task == block_on.key).map(|poll| poll.reason)
}

#[test]
fn block_on_that_polls_no_other_task_is_not_reported() {
    let alone = Some("a block_on on a thread that runs no other task");
    let closure = || Some(of_kind(1, "blocking", "src/main.rs"));
    assert_eq!(harmless_block_on(None, THEN), None, "it runs the tasks");
    assert_eq!(
        harmless_block_on(Some(of_kind(1, "blocking", WORKER)), THEN),
        alone,
        "workers run the tasks"
    );
    assert_eq!(harmless_block_on(closure(), THEN), None, "called before the closure began");
    assert_eq!(harmless_block_on(closure(), THEN + 200 * MS), alone, "called in the closure");
}

#[test]
fn closure_of_the_blocking_pool_has_no_long_polls_and_no_scheduling_delay() {
    let mut program = TestProgram::new();
    let closure = of_kind(7, "blocking", "src/main.rs");
    program.apply(&update(S, [closure], [(7, idle(THEN))]));
    let slow = Stats {
        poll_stats: Some(PollStats {
            polls: 2,
            first_poll: at(THEN + 2 * MS),
            last_poll_started: at(THEN + 1_500 * MS),
            last_poll_ended: at(THEN + 1_900 * MS),
            busy_time: Some(Duration { seconds: 0, nanos: 402 * MS as i32 }),
        }),
        scheduled_time: Some(Duration { seconds: 1, nanos: 0 }),
        ..idle(THEN)
    };
    program.apply(&update(2 * S, [], [(7, slow)]));
    assert_eq!(program.0.take_long_polls(), []);
    assert_eq!(program.0.delays().count(), 0);
}
