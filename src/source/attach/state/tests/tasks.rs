//! Names, ids and ends of tasks.

use super::*;

#[test]
fn task_has_the_fields_of_its_announcement_and_stats() {
    let mut program = TestProgram::new();
    program.apply(&update(S, [announced(7, "conn-7")], [(7, idle(THEN))]));
    let [task] = &program.tasks()[..] else { panic!() };
    assert_eq!((&*task.meta.name, &*task.meta.group, task.meta.id), ("conn-7", "conn", 1_007));
    assert_eq!((&*task.meta.location, task.meta.kind), ("src/main.rs:7", TaskKind::Spawned));
    assert_eq!((task.state, task.polls, task.wakes), (State::Idle, 1, 1));
    assert_eq!(task.busy_ns, 2_000_000);
    // Certain until then: the stats were read before the program's clock.
    assert_eq!(task.lifetime_ns, (S - 250 * MS - 20_000) as u64);
    assert_eq!(task.since_ns + task.time_in_state_ns(u64::MAX), task.known_ns);
    // Includes the delay of the first poll, which console-subscriber does not count.
    assert_eq!(task.scheduled_ns, 3_000_000);
    assert_eq!(task.live_wakers, Some(1));
    assert_eq!(task.since_ns, (NOW + 4 * MS) as u64, "on the local clock");
}

#[test]
fn repeated_announcement_is_the_same_task() {
    let mut program = TestProgram::new();
    let one = update(S, [announced(7, "a")], [(7, idle(THEN))]);
    program.apply(&one);
    let key = program.tasks()[0].key;
    program.apply(&one).apply(&update(2 * S, [announced(7, "a")], []));
    let tasks = program.tasks();
    assert_eq!((tasks.len(), tasks[0].key), (1, key));
}

#[test]
fn reused_id_is_another_task() {
    let mut program = TestProgram::new();
    program.apply(&update(S, [announced(7, "old")], [(7, idle(THEN))]));
    program.apply(&update(2 * S, [], [(7, ended(THEN, THEN + S))]));
    program.apply(&update(3 * S, [announced(7, "new")], [(7, idle(THEN + 2 * S))]));
    assert_eq!(
        program.names(),
        [("new".to_owned(), State::Idle), ("old".to_owned(), State::Ended)]
    );
    let tasks = program.tasks();
    assert!(tasks[0].key < tasks[1].key);
    assert_eq!(program.0.protocol_id(tasks[1].key), Some(7));
}

#[test]
fn reused_id_ends_the_previous_task() {
    let mut program = TestProgram::new();
    program.apply(&update(S, [announced(7, "old")], [(7, idle(THEN))]));
    program.apply(&update(3 * S, [announced(7, "new")], [(7, idle(THEN + 2 * S))]));
    assert_eq!(
        program.names(),
        [("new".to_owned(), State::Idle), ("old".to_owned(), State::Ended)]
    );
}

#[test]
fn stats_without_an_announcement_are_an_unnamed_task() {
    let mut program = TestProgram::new();
    program.apply(&update(S, [], [(7, idle(THEN))]));
    let [task] = &program.tasks()[..] else { panic!() };
    assert_eq!((task.meta.kind, task.polls), (TaskKind::Unknown, 1));
    assert!(task.live_wakers.is_none(), "the kind of the task is unknown");
    assert_eq!(program.0.losses().unnamed_tasks, 1);
    program.apply(&update(2 * S, [announced(7, "late")], []));
    assert_eq!(program.names()[0].0, "late");
    assert_eq!(program.0.losses(), Losses::default());
}

#[test]
fn task_of_the_blocking_pool_may_block() {
    let mut worker = announced(1, "");
    worker.fields[2] = field("kind", api::field::Value::DebugVal("blocking".to_owned()));
    let mut program = TestProgram::new();
    program.apply(&update(S, [worker], [(1, polling(THEN, THEN))]));
    let [task] = &program.tasks()[..] else { panic!() };
    assert!(task.meta.kind.may_block());
    assert_eq!(&*task.meta.name, "main.rs:7", "an unnamed task has its location as its name");
}

#[test]
fn ended_tasks_are_kept_for_a_while() {
    let mut program = TestProgram::new();
    program.apply(&update(S, [announced(7, "a")], [(7, ended(THEN, THEN + S))]));
    program.apply(&update(20 * S, [], []));
    assert_eq!(program.names(), [("a".to_owned(), State::Ended)]);
    program.apply(&update(40 * S, [], []));
    assert!(program.names().is_empty());
    // A new connection also receives tasks that ended long ago.
    program.apply(&update(4_000 * S, [announced(8, "b")], [(8, ended(THEN, THEN + S))]));
    assert!(program.names().is_empty());
}

#[test]
fn completed_task_has_ended_although_its_span_is_open() {
    // Polled to its end and entered once more to drop its future; all wakers are dropped.
    let completed = |spawned| {
        let mut stats = Stats { waker_drops: 3, ..idle(spawned) };
        let polls = stats.poll_stats.get_or_insert_default();
        polls.polls = stats.wakes + 2;
        stats
    };
    let mut program = TestProgram::new();
    program.apply(&update(S, [announced(7, "a")], [(7, completed(THEN))]));
    assert_eq!(program.names(), [("a".to_owned(), State::Ended)]);
    // The last span inside it is closed long after the task was removed.
    program.apply(&update(40 * S, [], []));
    program.apply(&update(
        41 * S,
        [],
        [(7, Stats { dropped_at: at(THEN + 41 * S), ..completed(THEN) })],
    ));
    assert!(program.names().is_empty());

    // A dropped event may be a wake.
    let mut program = TestProgram::new();
    let mut lossy = update(S, [announced(7, "a")], [(7, completed(THEN))]);
    lossy.task_update.as_mut().expect("tasks").dropped_events = 1;
    program.apply(&lossy).apply(&update(2 * S, [], [(7, completed(THEN))]));
    assert_eq!(program.names(), [("a".to_owned(), State::Idle)]);
}

#[test]
fn block_on_is_idle_between_its_polls() {
    let mut main = announced(1, "");
    main.fields[2] = field("kind", api::field::Value::DebugVal("block_on".to_owned()));
    let counted = Stats { scheduled_time: Some(Duration { seconds: 7, nanos: 0 }), ..idle(THEN) };
    let mut program = TestProgram::new();
    program.apply(&update(S, [main], [(1, idle(THEN))]));
    program.apply(&update(9 * S, [], [(1, counted)]));
    let task = &program.tasks()[0];
    assert_eq!((task.state, task.scheduled_ns, task.max_delay_ns), (State::Idle, 0, 0));
    assert_eq!(program.0.delays().count(), 0);
}

#[test]
fn size_of_a_boxed_future_is_that_before_boxing() {
    let mut boxed = announced(7, "large");
    boxed.fields.push(field("original_size.bytes", api::field::Value::U64Val(40_000)));
    boxed.fields.push(field("size.bytes", api::field::Value::U64Val(16)));
    let mut program = TestProgram::new();
    program.apply(&update(S, [boxed], [(7, idle(THEN))]));
    assert_eq!(program.tasks()[0].meta.future_size, 40_000);
}

#[test]
fn uptime_does_not_decrease_when_the_oldest_task_ends() {
    let mut program = TestProgram::new();
    assert!(!program.0.has_no_tasks(), "no update yet");
    program.apply(&update(0, [], []));
    assert!(program.0.has_no_tasks());
    program.apply(&update(S, [announced(7, "a")], [(7, idle(THEN))]));
    program.apply(&update(5 * S, [], [(7, ended(THEN, THEN + 2 * S))]));
    assert_eq!(program.0.uptime_ns(), 5 * S as u64);
    assert!(!program.0.has_no_tasks());
}

#[test]
fn task_that_ended_long_before_the_connection_is_reported_and_not_listed() {
    let mut program = TestProgram::new();
    program.apply(&update(100 * S, [announced(7, "a")], [(7, ended(THEN, THEN + 2 * S))]));
    assert_eq!(program.0.uptime_ns(), 100 * S as u64);
    assert!(!program.0.has_no_tasks() && program.0.tasks().next().is_none());
}
