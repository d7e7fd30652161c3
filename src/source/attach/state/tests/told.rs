//! What is told of tasks: names, ids, ends.

use super::*;

#[test]
fn a_task_is_what_its_announcement_and_its_figures_say() {
    let mut target = Watched::new();
    target.take(&update(S, [announced(7, "conn-7")], [(7, idle(THEN))]));
    let [task] = &target.tasks(S)[..] else { panic!() };
    assert_eq!((&*task.meta.name, &*task.meta.group, task.meta.id), ("conn-7", "conn", 1_007));
    assert_eq!((&*task.meta.location, task.meta.kind), ("src/main.rs:7", TaskKind::Spawned));
    assert_eq!((task.state, task.polls, task.wakes), (State::Idle, 1, 1));
    assert_eq!(task.busy_ns, 2_000_000);
    // It is certain that far: its figures were read before the target looked at its clock.
    assert_eq!(task.lifetime_ns, (S - 250 * MS - 20_000) as u64);
    assert_eq!(task.since_ns + task.lasts_ns(u64::MAX), task.known_ns);
    // Until its first poll it waited for a worker, which the target does not count.
    assert_eq!(task.scheduled_ns, 3_000_000);
    assert_eq!(task.live_wakers, Some(1));
    assert_eq!(task.since_ns, (NOW + 4 * MS) as u64, "on our clock");
}

#[test]
fn an_announcement_that_is_repeated_is_the_same_task() {
    let mut target = Watched::new();
    let one = update(S, [announced(7, "a")], [(7, idle(THEN))]);
    target.take(&one);
    let key = target.tasks(S)[0].key;
    target.take(&one).take(&update(2 * S, [announced(7, "a")], []));
    let tasks = target.tasks(2 * S);
    assert_eq!((tasks.len(), tasks[0].key), (1, key));
}

#[test]
fn an_id_that_is_used_again_is_another_task() {
    let mut target = Watched::new();
    target.take(&update(S, [announced(7, "old")], [(7, idle(THEN))]));
    target.take(&update(2 * S, [], [(7, ended(THEN, THEN + S))]));
    target.take(&update(3 * S, [announced(7, "new")], [(7, idle(THEN + 2 * S))]));
    assert_eq!(target.names(), [("new".to_owned(), State::Idle), ("old".to_owned(), State::Ended)]);
    let tasks = target.tasks(3 * S);
    assert!(tasks[0].key < tasks[1].key);
    assert_eq!(target.0.wire_id(tasks[1].key), Some(7));
}

#[test]
fn an_id_that_is_used_again_without_a_word_ends_its_bearer() {
    let mut target = Watched::new();
    target.take(&update(S, [announced(7, "old")], [(7, idle(THEN))]));
    target.take(&update(3 * S, [announced(7, "new")], [(7, idle(THEN + 2 * S))]));
    assert_eq!(target.names(), [("new".to_owned(), State::Idle), ("old".to_owned(), State::Ended)]);
}

#[test]
fn figures_without_an_announcement_are_a_task_without_a_name() {
    let mut target = Watched::new();
    target.take(&update(S, [], [(7, idle(THEN))]));
    let [task] = &target.tasks(S)[..] else { panic!() };
    assert_eq!((task.meta.kind, task.polls), (TaskKind::Unknown, 1));
    assert!(task.live_wakers.is_none(), "no lost waker can be told");
    assert_eq!(target.0.losses().unnamed_tasks, 1);
    target.take(&update(2 * S, [announced(7, "late")], []));
    assert_eq!(target.names()[0].0, "late");
    assert_eq!(target.0.losses(), Losses::default());
}

#[test]
fn what_runs_on_the_blocking_pool_may_block() {
    let mut worker = announced(1, "");
    worker.fields[2] = field("kind", api::field::Value::DebugVal("blocking".to_owned()));
    let mut target = Watched::new();
    target.take(&update(S, [worker], [(1, polling(THEN, THEN))]));
    let [task] = &target.tasks(S)[..] else { panic!() };
    assert!(task.meta.kind.may_block());
    assert_eq!(&*task.meta.name, "main.rs:7", "known by where it was spawned");
}

#[test]
fn ended_tasks_stay_a_while_and_then_go() {
    let mut target = Watched::new();
    target.take(&update(S, [announced(7, "a")], [(7, ended(THEN, THEN + S))]));
    target.take(&update(20 * S, [], []));
    assert_eq!(target.names(), [("a".to_owned(), State::Ended)]);
    target.take(&update(40 * S, [], []));
    assert!(target.names().is_empty());
    // Whoever connects later is told of what ended an hour ago.
    target.take(&update(4_000 * S, [announced(8, "b")], [(8, ended(THEN, THEN + S))]));
    assert!(target.names().is_empty());
}
