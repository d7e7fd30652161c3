//! Resources and the tasks that wait for them.

use super::*;

#[test]
fn lock_is_held_only_if_its_state_shows_it() {
    let is_held = |type_name: &str, attributes: &[(&str, api::field::Value)]| {
        let lock = Resource { id: id(1), concrete_type: type_name.into(), ..Resource::default() };
        let attribute = |(name, value): &(&str, api::field::Value)| api::Attribute {
            field: Some(field(name, value.clone())),
            unit: None,
        };
        let attributes = attributes.iter().map(attribute).collect();
        let stats = ResourceUpdateStats { created_at: at(THEN), attributes, ..Default::default() };
        let mut update = update(S, [], []);
        update.resource_update = Some(ResourceUpdate {
            new_resources: vec![lock],
            stats_update: [(1, stats)].into(),
            ..ResourceUpdate::default()
        });
        let mut program = TestProgram::new();
        program.apply(&update);
        program.0.resources().next().is_some_and(|lock| lock.is_taken == Some(true))
    };
    use api::field::Value::{BoolVal, U64Val};
    assert!(is_held("RwLock", &[("write_locked", BoolVal(false)), ("current_readers", U64Val(2))]));
    assert!(is_held("RwLock", &[("write_locked", BoolVal(true)), ("current_readers", U64Val(0))]));
    assert!(!is_held(
        "RwLock",
        &[("write_locked", BoolVal(false)), ("current_readers", U64Val(0))]
    ));
    assert!(!is_held("RwLock", &[]), "its state is unknown");
    assert!(is_held("Semaphore", &[("permits", U64Val(0))]));
    assert!(!is_held("Semaphore", &[("permits", U64Val(10))]));
    assert!(is_held("Mutex", &[("locked", BoolVal(true))]));
    assert!(!is_held("Mutex", &[]));
}

pub(super) fn mutex(program: &mut TestProgram) {
    let kind = api::resources::resource::kind::Kind::Other("Sync".to_owned());
    let resource = |one: u64, type_name: &str, parent| Resource {
        id: id(one),
        concrete_type: type_name.to_owned(),
        kind: Some(api::resources::resource::Kind { kind: Some(kind.clone()) }),
        parent_resource_id: parent,
        is_internal: parent.is_some(),
        ..Resource::default()
    };
    let locked = api::Attribute {
        field: Some(field("locked", api::field::Value::BoolVal(true))),
        unit: None,
    };
    let made =
        |attributes| ResourceUpdateStats { created_at: at(THEN), attributes, ..Default::default() };
    let op = |op: u64, resource| AsyncOp {
        id: id(op),
        source: "Mutex::lock".to_owned(),
        resource_id: id(resource),
        ..AsyncOp::default()
    };
    let polled = |task, is_ready, op| PollOp {
        resource_id: id(21),
        task_id: id(task),
        async_op_id: id(op),
        is_ready,
        ..PollOp::default()
    };
    let mut update = update(
        S,
        [announced(7, "holder"), announced(8, "waiter")],
        [(7, idle(THEN)), (8, idle(THEN))],
    );
    update.resource_update = Some(ResourceUpdate {
        new_resources: vec![resource(20, "Mutex", None), resource(21, "Semaphore", id(20))],
        stats_update: [(20, made(vec![locked])), (21, made(Vec::new()))].into(),
        new_poll_ops: vec![polled(7, true, 30), polled(8, false, 31)],
        dropped_events: 0,
    });
    let op_stats = |task, dropped_at| async_ops::Stats {
        created_at: at(THEN),
        dropped_at,
        task_id: id(task),
        ..Default::default()
    };
    update.async_op_update = Some(AsyncOpUpdate {
        new_async_ops: vec![op(30, 20), op(31, 20)],
        stats_update: [(30, op_stats(7, at(THEN + MS))), (31, op_stats(8, None))].into(),
        dropped_events: 0,
    });
    program.apply(&update);
}

#[test]
fn lock_has_its_holder_and_its_waiter() {
    let mut program = TestProgram::new();
    mutex(&mut program);
    let keys: HashMap<String, u64> =
        program.tasks().iter().map(|task| (task.meta.name.to_string(), task.key)).collect();
    let resources: HashMap<String, ResourceStats> =
        program.0.resources().map(|one| (one.type_name.to_string(), one)).collect();
    let mutex = &resources["Mutex"];
    assert_eq!((&*mutex.state, mutex.holder), ("locked=true", Some(keys["holder"])));
    assert_eq!(mutex.held_ns, Some(0), "since this update");
    assert_eq!(resources["Semaphore"].parent, Some(mutex.key));
    let ops: Vec<_> = program.0.async_ops().collect();
    assert_eq!(ops.len(), 1, "the operation of the holder has ended");
    assert_eq!((ops[0].task, ops[0].resource), (Some(keys["waiter"]), Some(mutex.key)));
    assert!(ops[0].is_waiting());
}

#[test]
fn lock_that_was_acquired_before_the_connection_has_its_holder() {
    let mut program = TestProgram::new();
    let number = |name: &str, value| api::Attribute {
        field: Some(field(name, api::field::Value::U64Val(value))),
        unit: None,
    };
    let tasks = [7, 8, 9].map(|task| announced(task, &format!("task-{task}")));
    let mut first = update(S, tasks, [7, 8, 9].map(|task| (task, idle(THEN))));
    let state = mutex_state(S, true);
    let mut resource_update = state.resource_update.expect("a mutex");
    resource_update.new_resources =
        vec![Resource { id: id(20), concrete_type: "Mutex".to_owned(), ..Resource::default() }];
    first.resource_update = Some(resource_update);
    let op = |op: u64| AsyncOp { id: id(op), resource_id: id(20), ..AsyncOp::default() };
    let ended = |task, when, obtained| async_ops::Stats {
        created_at: at(THEN + MS),
        dropped_at: at(THEN + when),
        task_id: id(task),
        attributes: vec![number("permits_requested", 1), number("permits_obtained", obtained)],
        ..Default::default()
    };
    first.async_op_update = Some(AsyncOpUpdate {
        new_async_ops: vec![op(30), op(31), op(32)],
        // The latest operation was cancelled.
        stats_update: [
            (30, ended(7, 200 * MS, 1)),
            (31, ended(8, 300 * MS, 1)),
            (32, ended(9, 400 * MS, 0)),
        ]
        .into(),
        dropped_events: 0,
    });
    program.apply(&first);
    let holder = |program: &TestProgram| {
        let lock = program.0.resources().next().expect("the mutex");
        let task = program.tasks().into_iter().find(|task| Some(task.key) == lock.holder);
        task.map(|task| task.meta.name.to_string())
    };
    assert_eq!(holder(&program).as_deref(), Some("task-8"));
    assert_eq!(program.0.async_ops().count(), 0);
    program.apply(&mutex_state(2 * S, false));
    program.apply(&mutex_state(3 * S, true));
    assert_eq!(holder(&program), None, "acquired by try_lock");
}

/// The lock is acquired within one update: both operations have ended, and a poll of the inner one is
/// reported.
#[test]
fn owned_guard_may_have_been_moved() {
    let is_guard_owned = |source: &str| {
        let mut update = update(S, [announced(7, "task")], [(7, idle(THEN))]);
        let resource_update =
            update.resource_update.insert(mutex_state(S, true).resource_update.expect("a mutex"));
        resource_update.new_resources =
            vec![Resource { id: id(20), concrete_type: "Mutex".to_owned(), ..Resource::default() }];
        resource_update.new_poll_ops = vec![PollOp {
            resource_id: id(20),
            task_id: id(7),
            async_op_id: id(31),
            is_ready: true,
            ..PollOp::default()
        }];
        let op = |op: u64, source: &str, parent_async_op_id| AsyncOp {
            id: id(op),
            source: source.to_owned(),
            resource_id: id(20),
            parent_async_op_id,
            ..AsyncOp::default()
        };
        let ended = || async_ops::Stats {
            created_at: at(THEN + MS),
            dropped_at: at(THEN + 2 * MS),
            task_id: id(7),
            ..Default::default()
        };
        update.async_op_update = Some(AsyncOpUpdate {
            new_async_ops: vec![op(30, source, None), op(31, "Acquire::new", id(30))],
            stats_update: [(30, ended()), (31, ended())].into(),
            dropped_events: 0,
        });
        let mut program = TestProgram::new();
        program.apply(&update);
        let lock = program.0.resources().next().expect("the mutex");
        assert!(lock.holder.is_some(), "{source}");
        lock.is_guard_owned
    };
    assert!(is_guard_owned("Mutex::lock_owned"));
    assert!(!is_guard_owned("Mutex::lock"));
}

#[test]
fn holder_of_a_read_lock_is_known_if_one_task_has_acquired_it() {
    let number = |name: &str, value| api::Attribute {
        field: Some(field(name, api::field::Value::U64Val(value))),
        unit: None,
    };
    let holder = |readers: &[u64]| {
        let tasks = [7, 8].map(|task| announced(task, &format!("task-{task}")));
        let mut update = update(S, tasks, [7, 8].map(|task| (task, idle(THEN))));
        let lock =
            Resource { id: id(20), concrete_type: "RwLock".to_owned(), ..Resource::default() };
        let attributes = vec![number("current_readers", 1)];
        let made = ResourceUpdateStats { created_at: at(THEN), attributes, ..Default::default() };
        update.resource_update = Some(ResourceUpdate {
            new_resources: vec![lock],
            stats_update: [(20, made)].into(),
            ..ResourceUpdate::default()
        });
        let op = |op: u64| AsyncOp { id: id(op), resource_id: id(20), ..AsyncOp::default() };
        let acquired = |(at_ms, task): (i64, &u64)| {
            let stats = async_ops::Stats {
                created_at: at(THEN + MS),
                dropped_at: at(THEN + at_ms * MS),
                task_id: id(*task),
                attributes: vec![number("permits_requested", 1), number("permits_obtained", 1)],
                ..Default::default()
            };
            (30 + at_ms as u64, stats)
        };
        let stats: HashMap<_, _> = (2..).zip(readers).map(acquired).collect();
        update.async_op_update = Some(AsyncOpUpdate {
            new_async_ops: stats.keys().map(|one| op(*one)).collect(),
            stats_update: stats,
            dropped_events: 0,
        });
        let mut program = TestProgram::new();
        program.apply(&update);
        let lock = program.0.resources().next().expect("the lock");
        program
            .tasks()
            .into_iter()
            .find(|it| Some(it.key) == lock.holder)
            .map(|it| it.meta.name.to_string())
    };
    assert_eq!(holder(&[7, 7]).as_deref(), Some("task-7"));
    assert_eq!(holder(&[7, 8]), None);
    assert_eq!(holder(&[8, 7]), None);
}

#[test]
fn waits_for_a_timer_without_an_operation_are_not_reported() {
    use api::resources::resource::{Kind, kind};
    let known = kind::Kind::Known(kind::Known::Timer as i32);
    let timer = Resource {
        concrete_type: "Sleep".to_owned(),
        kind: Some(Kind { kind: Some(known) }),
        ..Resource::default()
    };
    let with_op = one_op(timer.clone(), Vec::new(), false);
    assert!(with_op.0.resources().next().is_some_and(|timer| timer.reports_waits));
    let mut update = update(S, [], []);
    update.resource_update = Some(ResourceUpdate {
        new_resources: vec![Resource { id: id(20), ..timer }],
        ..ResourceUpdate::default()
    });
    let mut without_op = TestProgram::new();
    without_op.apply(&update);
    assert!(without_op.0.resources().next().is_some_and(|timer| !timer.reports_waits));
}

/// An update with a mutex that has the attribute `locked`.
fn mutex_state(now: i64, is_locked: bool) -> Update {
    let attribute = api::Attribute {
        field: Some(field("locked", api::field::Value::BoolVal(is_locked))),
        unit: None,
    };
    let stats = ResourceUpdateStats {
        created_at: at(THEN),
        attributes: vec![attribute],
        ..Default::default()
    };
    let resource_update =
        ResourceUpdate { stats_update: [(20, stats)].into(), ..ResourceUpdate::default() };
    Update { resource_update: Some(resource_update), ..update(now, [], []) }
}

#[test]
fn operation_that_is_announced_again_with_its_end_has_ended() {
    let mut program = TestProgram::new();
    let op = AsyncOp { id: id(30), resource_id: id(20), ..AsyncOp::default() };
    let with_op = |now, dropped_at| {
        let stats =
            async_ops::Stats { created_at: at(THEN), dropped_at, ..async_ops::Stats::default() };
        let mut update = update(now, [], []);
        update.async_op_update = Some(AsyncOpUpdate {
            new_async_ops: vec![op.clone()],
            stats_update: [(30, stats)].into(),
            dropped_events: 0,
        });
        update
    };
    program.apply(&with_op(S, None));
    assert_eq!(program.0.async_ops().count(), 1);
    // The update after the first one repeats what is new.
    program.apply(&with_op(2 * S, at(THEN + S)));
    assert_eq!(program.0.async_ops().count(), 0);
}

#[test]
fn holder_is_unknown_once_the_lock_was_free() {
    let mut program = TestProgram::new();
    mutex(&mut program);
    // The next task acquires the lock with `try_lock`, which is not reported.
    program.apply(&mutex_state(2 * S, false)).apply(&mutex_state(3 * S, true));
    let mutex = program.0.resources().find(|one| &*one.type_name == "Mutex").expect("a mutex");
    assert_eq!((mutex.is_taken, mutex.holder), (Some(true), None));
}

/// A resource with one operation, which task 7 polled `is_ready`.
fn one_op(resource: Resource, attributes: Vec<api::Attribute>, is_ready: bool) -> TestProgram {
    let mut program = TestProgram::new();
    let mut update = update(S, [announced(7, "task")], [(7, idle(THEN))]);
    let made = ResourceUpdateStats { created_at: at(THEN), attributes, ..Default::default() };
    update.resource_update = Some(ResourceUpdate {
        new_resources: vec![Resource { id: id(20), ..resource }],
        stats_update: [(20, made)].into(),
        new_poll_ops: vec![PollOp {
            resource_id: id(20),
            task_id: id(7),
            async_op_id: id(30),
            is_ready,
            ..PollOp::default()
        }],
        dropped_events: 0,
    });
    let stats = async_ops::Stats { created_at: at(THEN), task_id: id(7), ..Default::default() };
    update.async_op_update = Some(AsyncOpUpdate {
        new_async_ops: vec![AsyncOp { id: id(30), resource_id: id(20), ..AsyncOp::default() }],
        stats_update: [(30, stats)].into(),
        dropped_events: 0,
    });
    program.apply(&update);
    program
}

#[test]
fn task_waits_for_a_timer_until_its_deadline() {
    for (timeout_ms, is_waiting) in [(5_000, true), (500, false)] {
        let timer = Resource { concrete_type: "Sleep".to_owned(), ..Resource::default() };
        let duration = api::Attribute {
            field: Some(field("duration", api::field::Value::U64Val(timeout_ms))),
            unit: Some("ms".to_owned()),
        };
        // Tokio reports that the timer is ready whenever the task has budget left.
        let program = one_op(timer, vec![duration], true);
        let op = program.0.async_ops().next().expect("an operation");
        assert_eq!(op.is_waiting(), is_waiting, "{timeout_ms}");
    }
}

#[test]
fn semaphore_of_a_channel_has_no_holder() {
    let semaphore = Resource {
        concrete_type: "Semaphore".to_owned(),
        is_internal: true,
        ..Resource::default()
    };
    let permits =
        api::Attribute { field: Some(field("permits", api::field::Value::U64Val(0))), unit: None };
    let program = one_op(semaphore, vec![permits], true);
    let channel = program.0.resources().next().expect("a channel");
    assert_eq!((&*channel.type_name, channel.is_taken), ("mpsc channel", None));
    assert_eq!(channel.holder, None);
}
