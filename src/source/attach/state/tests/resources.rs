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
        program.tasks(S).iter().map(|task| (task.meta.name.to_string(), task.key)).collect();
    let resources: HashMap<String, ResourceStats> =
        program.0.resources().map(|one| (one.type_name.to_string(), one)).collect();
    let mutex = &resources["Mutex"];
    assert_eq!((&*mutex.state, mutex.holder), ("locked=true", Some(keys["holder"])));
    assert_eq!(resources["Semaphore"].parent, Some(mutex.key));
    let ops: Vec<_> = program.0.async_ops().collect();
    assert_eq!(ops.len(), 1, "the operation of the holder has ended");
    assert_eq!((ops[0].task, ops[0].resource), (Some(keys["waiter"]), Some(mutex.key)));
    assert!(ops[0].is_waiting());
}
