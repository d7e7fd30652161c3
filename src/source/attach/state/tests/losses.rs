//! What is missing, and what is too much.

use super::*;

#[test]
fn drop_counters_are_taken_once_and_added_up() {
    let mut target = Watched::new();
    for (now, dropped) in [(1, 3), (2, 0), (3, 4)] {
        let mut update = update(now * S, [], []);
        update.task_update.get_or_insert_default().dropped_events = dropped;
        update.resource_update = Some(ResourceUpdate { dropped_events: 1, ..Default::default() });
        update.async_op_update = Some(AsyncOpUpdate { dropped_events: 1, ..Default::default() });
        target.take(&update);
    }
    assert_eq!(target.0.losses().dropped_events, 13);
    assert!(target.0.losses().is_incomplete());
}

#[test]
fn tasks_that_are_only_mentioned_are_missed_until_they_come() {
    let mut target = Watched::new();
    let mut first = update(S, [], []);
    let poll = PollOp { task_id: id(9), ..PollOp::default() };
    first.resource_update = Some(ResourceUpdate { new_poll_ops: vec![poll], ..Default::default() });
    target.take(&first);
    assert_eq!(target.0.losses().unknown_tasks, 1);
    target.take(&update(2 * S, [announced(9, "late")], [(9, idle(THEN))]));
    assert_eq!(target.0.losses().unknown_tasks, 0);
}

#[test]
fn a_target_that_sends_as_much_as_it_can_take_in_is_behind() {
    let mut target = Watched::new();
    let many = |from: u64| (from..from + 127).map(|task| announced(task, "t"));
    let stats = |from: u64| (from..from + 127).map(|task| (task, idle(THEN)));
    target.take(&update(S, many(1), stats(1)));
    assert!(!target.0.losses().behind, "the first update is everything");
    target.take(&update(2 * S, many(200), stats(200)));
    assert!(target.0.losses().behind);
    target.take(&update(3 * S, [], []));
    assert!(!target.0.losses().behind);
}

/// Almost a megabyte.
fn long() -> String {
    "\u{1b}[31mä".repeat(1 << 17)
}

#[test]
fn texts_of_a_megabyte_are_cut_and_counted() {
    // Together they are less than what one element may have.
    let by_name = announced(7, &long());
    let by_place = tasks::Task {
        location: Some(Location { file: Some(long()), ..Location::default() }),
        ..announced(8, "b")
    };
    let mut by_field = announced(9, "c");
    by_field.fields.push(field("url", api::field::Value::StrVal(long())));
    let mut target = Watched::new();
    let stats = [7, 8, 9].map(|task| (task, idle(THEN)));
    target.take(&update(S, [by_name, by_place, by_field], stats));
    let tasks = target.tasks(S);
    assert_eq!(tasks.len(), 3);
    for task in tasks {
        let meta = &task.meta;
        assert!(meta.name.len() <= limits::NAME_BYTES);
        assert!(meta.location.len() <= limits::LOCATION_BYTES);
        assert!(meta.fields.len() <= limits::FIELDS_BYTES);
    }
    assert_eq!(target.0.losses().cut_texts, 3);
}

#[test]
fn a_task_of_several_megabytes_is_left_out_and_counted() {
    let mut task = announced(7, "huge");
    task.fields.extend((0..3).map(|_| field("url", api::field::Value::StrVal(long()))));
    let mut target = Watched::new();
    target.take(&update(S, [task, announced(8, "b")], [(8, idle(THEN))]));
    assert_eq!(target.names(), [("b".to_owned(), State::Idle)]);
    assert_eq!(target.0.losses().refused, 1);
}

#[test]
fn more_resources_than_the_limit_are_counted_and_not_kept() {
    let mut target = Watched::new();
    for part in 0..2u64 {
        let ids = part * 100_000 + 1..part * 100_000 + 60_001;
        let new = ids.map(|one| Resource { id: id(one), ..Resource::default() });
        let mut update = update(S + part as i64 * S, [], []);
        update.resource_update =
            Some(ResourceUpdate { new_resources: new.collect(), ..ResourceUpdate::default() });
        target.take(&update);
    }
    assert_eq!(target.0.resources().count(), limits::RESOURCES);
    assert_eq!(target.0.losses().refused, 120_000 - limits::RESOURCES as u64);
}

#[test]
fn more_tasks_than_the_limit_are_counted_and_not_kept() {
    let mut target = Watched::new();
    for part in 0..3u64 {
        let ids = part * 100_000 + 1..part * 100_000 + 100_001;
        let stats = tasks::Stats { created_at: at(THEN), ..Default::default() };
        target.take(&update(S + part as i64 * S, [], ids.map(|task| (task, stats))));
    }
    assert_eq!(target.0.tasks(NOW).count(), limits::TASKS);
    assert_eq!(target.0.losses().refused, 300_000 - limits::TASKS as u64);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// No bytes do any harm: neither noise nor a real update with some of it changed.
    #[test]
    fn no_bytes_do_any_harm(
        noise in prop::collection::vec(any::<u8>(), 0..400),
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        ours in any::<i64>(),
    ) {
        let mut target = Watched::new();
        waits::mutex(&mut target);
        let _ = target.0.apply(&noise, ours);
        let mut bytes = update(2 * S, [announced(9, "x")], [(9, polling(THEN, THEN + S))]).encode_to_vec();
        for (place, byte) in places {
            let at = place.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = target.0.apply(&bytes, ours);
        target.tasks(3 * S);
        target.0.connected();
        let _ = target.0.apply(&bytes, NOW);
        let _ = (target.0.losses(), target.0.resources().count(), target.0.async_ops().count());
    }
}
