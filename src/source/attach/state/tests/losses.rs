//! Data loss and limits.

use super::*;

#[test]
fn dropped_events_are_added_up() {
    let mut program = TestProgram::new();
    for (now, dropped) in [(1, 3), (2, 0), (3, 4)] {
        let mut update = update(now * S, [], []);
        update.task_update.get_or_insert_default().dropped_events = dropped;
        update.resource_update = Some(ResourceUpdate { dropped_events: 1, ..Default::default() });
        update.async_op_update = Some(AsyncOpUpdate { dropped_events: 1, ..Default::default() });
        program.apply(&update);
    }
    assert_eq!(program.0.losses().dropped_events, 13);
    assert!(program.0.losses().is_incomplete());
}

#[test]
fn unknown_tasks_are_counted_until_they_are_announced() {
    let mut program = TestProgram::new();
    let mut first = update(S, [], []);
    let poll = PollOp { task_id: id(9), ..PollOp::default() };
    first.resource_update = Some(ResourceUpdate { new_poll_ops: vec![poll], ..Default::default() });
    program.apply(&first);
    assert_eq!(program.0.losses().unknown_tasks, 1);
    program.apply(&update(2 * S, [announced(9, "late")], [(9, idle(THEN))]));
    assert_eq!(program.0.losses().unknown_tasks, 0);
}

#[test]
fn program_with_full_updates_is_behind() {
    let mut program = TestProgram::new();
    let many = |from: u64| (from..from + 127).map(|task| announced(task, "t"));
    let stats = |from: u64| (from..from + 127).map(|task| (task, idle(THEN)));
    program.apply(&update(S, many(1), stats(1)));
    assert!(!program.0.losses().behind, "the first update has the complete state");
    program.apply(&update(2 * S, many(200), stats(200)));
    assert!(program.0.losses().behind);
    program.apply(&update(3 * S, [], []));
    assert!(!program.0.losses().behind);
}

/// Almost a megabyte.
fn long() -> String {
    "\u{1b}[31mä".repeat(1 << 17)
}

#[test]
fn long_texts_are_truncated_and_counted() {
    // Each element stays within its limit.
    let long_name = announced(7, &long());
    let long_location = Announcement {
        location: Some(Location { file: Some(long()), ..Location::default() }),
        ..announced(8, "b")
    };
    let mut long_field = announced(9, "c");
    long_field.fields.push(field("url", api::field::Value::StrVal(long())));
    let mut program = TestProgram::new();
    let stats = [7, 8, 9].map(|task| (task, idle(THEN)));
    program.apply(&update(S, [long_name, long_location, long_field], stats));
    let tasks = program.tasks();
    assert_eq!(tasks.len(), 3);
    for task in tasks {
        let meta = &task.meta;
        assert!(meta.name.len() <= limits::NAME_BYTES);
        assert!(meta.location.len() <= limits::LOCATION_BYTES);
        assert!(meta.fields.len() <= limits::FIELDS_BYTES);
    }
    assert_eq!(program.0.losses().truncated_texts, 3);
}

#[test]
fn task_over_the_size_limit_is_refused_and_counted() {
    let mut task = announced(7, "huge");
    task.fields.extend((0..3).map(|_| field("url", api::field::Value::StrVal(long()))));
    let mut program = TestProgram::new();
    program.apply(&update(S, [task, announced(8, "b")], [(8, idle(THEN))]));
    assert_eq!(program.names(), [("b".to_owned(), State::Idle)]);
    assert_eq!(program.0.losses().over_limit, 1);
}

#[test]
fn resources_beyond_the_limit_are_refused_and_counted() {
    let mut program = TestProgram::new();
    for part in 0..2u64 {
        let ids = part * 100_000 + 1..part * 100_000 + 60_001;
        let new = ids.map(|one| Resource { id: id(one), ..Resource::default() });
        let mut update = update(S + part as i64 * S, [], []);
        update.resource_update =
            Some(ResourceUpdate { new_resources: new.collect(), ..ResourceUpdate::default() });
        program.apply(&update);
    }
    assert_eq!(program.0.resources().count(), limits::RESOURCES);
    assert_eq!(program.0.losses().over_limit, 120_000 - limits::RESOURCES as u64);
}

#[test]
fn tasks_beyond_the_limit_are_refused_and_counted() {
    let mut program = TestProgram::new();
    for part in 0..3u64 {
        let ids = part * 100_000 + 1..part * 100_000 + 100_001;
        let stats = Stats { created_at: at(THEN), ..Default::default() };
        program.apply(&update(S + part as i64 * S, [], ids.map(|task| (task, stats))));
    }
    assert_eq!(program.0.tasks().count(), limits::TASKS);
    assert_eq!(program.0.losses().over_limit, 300_000 - limits::TASKS as u64);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Noise, and a valid update with some bytes changed.
    #[test]
    fn arbitrary_bytes_do_not_panic(
        noise in prop::collection::vec(any::<u8>(), 0..400),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        local in any::<i64>(),
    ) {
        let mut program = TestProgram::new();
        resources::mutex(&mut program);
        let _ = program.0.apply(&noise, local);
        let mut bytes = update(2 * S, [announced(9, "x")], [(9, polling(THEN, THEN + S))]).encode_to_vec();
        for (index, byte) in changes {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = program.0.apply(&bytes, local);
        program.tasks();
        program.0.connected();
        let _ = program.0.apply(&bytes, NOW);
        let _ = (program.0.losses(), program.0.resources().count(), program.0.async_ops().count());
    }
}

#[test]
fn element_that_is_not_utf8_does_not_affect_the_others() {
    let mut bytes = update(S, [announced(7, "broken"), announced(8, "fine")], [(8, idle(THEN))])
        .encode_to_vec();
    let at = bytes.windows(6).position(|part| part == b"broken").expect("the name");
    bytes[at] = 0xFF;
    let mut program = TestProgram::new();
    program.0.apply(&bytes, NOW + S).expect("the update is readable");
    assert_eq!(program.names(), [("fine".to_owned(), State::Idle)]);
    assert_eq!(program.0.losses().unreadable_updates, 1);
}
