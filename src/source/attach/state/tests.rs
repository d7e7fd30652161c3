//! One test for each way in which a target has misled somebody.

use console_api::{
    self as api, Field, Id, Location, Metadata, PollStats, RegisterMetadata,
    async_ops::{self, AsyncOp, AsyncOpUpdate},
    instrument::Update,
    register_metadata::NewMetadata,
    resources::{self, PollOp, Resource, ResourceUpdate},
    tasks::{self, TaskUpdate},
};
use proptest::prelude::*;
use prost::Message;
use prost_types::{Duration, Timestamp};

use super::*;
use crate::{
    model::{ResourceFigures, TaskFigures, TaskKind},
    probe::State,
};

const MS: i64 = 1_000_000;
const S: i64 = 1_000_000_000;
/// When the target's clock begins, far from ours.
const THEN: i64 = 5_000 * S;
const NOW: i64 = 9_000 * S;

fn at(nanos: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds: nanos / S, nanos: (nanos % S) as i32 })
}

fn id(id: u64) -> Option<Id> {
    Some(Id { id })
}

fn field(name: &str, value: api::field::Value) -> Field {
    Field { name: Some(name.into()), value: Some(value), metadata_id: None }
}

fn announced(task: u64, name: &str) -> tasks::Task {
    tasks::Task {
        id: id(task),
        fields: vec![
            field("task.name", api::field::Value::DebugVal(name.to_owned())),
            field("task.id", api::field::Value::U64Val(task + 1_000)),
            field("kind", api::field::Value::DebugVal("task".to_owned())),
        ],
        location: Some(Location {
            file: Some("src/main.rs".to_owned()),
            line: Some(7),
            ..Location::default()
        }),
        ..tasks::Task::default()
    }
}

/// Figures of a task that was spawned, polled once for 2 ms, and waits; a second after
/// the target's clock began.
fn idle(spawned: i64) -> tasks::Stats {
    tasks::Stats {
        created_at: at(spawned),
        wakes: 1,
        waker_clones: 3,
        waker_drops: 2,
        last_wake: at(spawned + MS),
        poll_stats: Some(PollStats {
            polls: 1,
            first_poll: at(spawned + 2 * MS),
            last_poll_started: at(spawned + 2 * MS),
            last_poll_ended: at(spawned + 4 * MS),
            busy_time: Some(Duration { seconds: 0, nanos: 2_000_000 }),
        }),
        scheduled_time: Some(Duration { seconds: 0, nanos: 1_000_000 }),
        ..tasks::Stats::default()
    }
}

/// In a poll that began at this moment.
fn polling(spawned: i64, since: i64) -> tasks::Stats {
    let mut stats = idle(spawned);
    let polls = stats.poll_stats.get_or_insert_default();
    (polls.polls, polls.last_poll_started) = (2, at(since));
    stats
}

fn ended(spawned: i64, when: i64) -> tasks::Stats {
    tasks::Stats { dropped_at: at(when), ..idle(spawned) }
}

fn update(
    now: i64,
    new: impl IntoIterator<Item = tasks::Task>,
    stats: impl IntoIterator<Item = (u64, tasks::Stats)>,
) -> Update {
    let task_update = TaskUpdate {
        new_tasks: new.into_iter().collect(),
        stats_update: stats.into_iter().collect(),
        dropped_events: 0,
    };
    Update { now: at(THEN + now), task_update: Some(task_update), ..Update::default() }
}

/// A target to which updates come without delay.
struct Watched(Target);

impl Watched {
    fn new() -> Self {
        Watched(Target::new("t", 0))
    }

    fn take(&mut self, update: &Update) -> &mut Self {
        let theirs = moment(update.now) - THEN;
        self.0.apply(&update.encode_to_vec(), NOW + theirs).expect("an update");
        self
    }

    /// Its tasks so many ns after the beginning.
    fn tasks(&self, after: i64) -> Vec<TaskFigures> {
        let tasks: Vec<_> = self.0.tasks(NOW + after).collect();
        for task in &tasks {
            let parts = [task.busy_ns, task.scheduled_ns, task.idle_ns];
            assert_eq!(parts.iter().sum::<u64>(), task.lifetime_ns, "{task:?}");
        }
        tasks
    }

    fn names(&self) -> Vec<(String, State)> {
        let tasks = self.tasks(0);
        let mut names: Vec<_> =
            tasks.iter().map(|task| (task.meta.name.to_string(), task.state)).collect();
        // The target keeps its tasks in a map: those of one update have no order.
        names.sort_by(|(a, _), (b, _)| a.cmp(b));
        names
    }
}

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
    assert_eq!(task.live_wakers.value(), Some(1));
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
fn a_stuck_task_goes_on_being_busy_without_being_sent_again() {
    let mut target = Watched::new();
    let stuck = polling(THEN, THEN + S - 10 * MS);
    target.take(&update(S, [announced(7, "hog")], [(7, stuck)]));
    // It may have ended its poll before the target had written the update.
    let busy = |target: &Watched, after| target.tasks(after)[0].busy_ns / MS as u64;
    assert_eq!(busy(&target, S + 900 * MS), 2);
    let began = target.tasks(S)[0].since_ns;
    // The next update does not have it: it is still in that poll.
    target.take(&update(2 * S, [], []));
    assert_eq!(busy(&target, 2 * S), 2 + 1_010);
    assert_eq!(busy(&target, 2 * S + 500 * MS), 2 + 1_510);
    let hog = &target.tasks(2 * S + 500 * MS)[0];
    assert_eq!((hog.state, hog.max_poll_ns), (State::Polling, 1_510 * MS as u64));
    assert_eq!((hog.since_ns, hog.lasts_ns(u64::MAX)), (began, 1_510 * MS as u64));
    // When it is over, what was certain of it stays.
    let over = tasks::Stats { wakes: 2, ..idle(THEN) };
    target.take(&update(3 * S, [], [(7, over)]));
    assert_eq!(target.tasks(3 * S)[0].max_poll_ns, 1_010 * MS as u64);
}

#[test]
fn polls_that_have_ended_are_told_once_and_those_of_before_never() {
    let mut target = Watched::new();
    let poll = |began, length, polls| tasks::Stats {
        poll_stats: Some(PollStats {
            polls,
            first_poll: at(THEN + MS),
            last_poll_started: at(THEN + began),
            last_poll_ended: at(THEN + began + length),
            busy_time: Some(Duration { seconds: 0, nanos: (length * polls as i64) as i32 }),
        }),
        ..idle(THEN)
    };
    let mut told = |at, stats| {
        target.take(&update(at, [], [(7, stats)]));
        let polls = target.0.take_long_polls();
        polls.iter().map(|poll| (poll.began_ns, poll.length_ns)).collect::<Vec<_>>()
    };
    assert_eq!(told(S, poll(200 * MS, 90 * MS, 1)), [], "it was over before anybody looked");
    let next = (NOW + 1500 * MS) as u64;
    assert_eq!(told(2 * S, poll(1500 * MS, 80 * MS, 2)), [(next, 80 * MS as u64)]);
    let wakes = tasks::Stats { wakes: 9, ..poll(1500 * MS, 80 * MS, 2) };
    assert_eq!(told(3 * S, wakes), [], "the same one");
    assert_eq!(told(4 * S, poll(3500 * MS, MS / 2, 3)), [], "no rule speaks of it");
    assert_eq!(told(5 * S, polling(THEN, THEN + 4500 * MS)), [], "it is not over");
    assert_eq!(told(6 * S, poll(4500 * MS, 900 * MS, 4)).len(), 1);
}

#[test]
fn a_poll_that_was_met_while_an_update_was_written_is_not_long() {
    let mut target = Watched::new();
    // Read 1 ms after it began; the target took 80 ms to write the rest of its update.
    let met = polling(THEN, THEN + S - 80 * MS);
    let other = tasks::Stats { last_wake: at(THEN + S - 79 * MS), ..idle(THEN) };
    target.take(&update(S, [], [(7, met), (8, other)]));
    let met = |target: &Watched| {
        let tasks = target.tasks(S + 900 * MS);
        tasks.into_iter().find(|task| task.meta.id == 7).expect("it is known")
    };
    assert_eq!((met(&target).state, met(&target).lasts_ns(u64::MAX)), (State::Polling, MS as u64));
    assert_eq!(met(&target).max_poll_ns, MS as u64);
    target.take(&update(2 * S, [], [(7, idle(THEN))]));
    assert_eq!(met(&target).max_poll_ns, 2 * MS as u64);

    // Nobody writes for 700 ms.
    let mut target = Watched::new();
    target.take(&update(S, [], [(7, polling(THEN, THEN + 300 * MS))]));
    assert!(met(&target).lasts_ns(u64::MAX) > 400 * MS as u64);
}

#[test]
fn times_that_run_backwards_break_nothing() {
    let mut target = Watched::new();
    target.take(&update(10 * S, [announced(7, "a")], [(7, polling(THEN, THEN + 9 * S))]));
    target.take(&update(2 * S, [announced(8, "b")], [(8, idle(THEN + 20 * S))]));
    target.take(&update(11 * S, [], [(7, polling(THEN + 30 * S, THEN - S))]));
    for after in [0, S, 12 * S, 100 * S] {
        target.tasks(after);
    }
}

#[test]
fn another_process_does_not_mix_with_the_one_before() {
    let mut target = Watched::new();
    target.take(&update(S, [announced(7, "old")], [(7, idle(THEN))]));
    let (key, first) = (target.tasks(S)[0].key, target.0.process());
    target.0.connected();
    target.take(&update(60 * S, [announced(7, "new")], [(7, idle(THEN + 50 * S))]));
    let tasks = target.tasks(60 * S);
    assert_eq!((tasks.len(), &*tasks[0].meta.name), (1, "new"));
    assert!(tasks[0].key > key && target.0.process() == first + 1);
}

#[test]
fn a_process_that_has_only_just_begun_is_another_one() {
    let mut target = Watched::new();
    target.take(&update(S, [announced(7, "old")], [(7, idle(THEN))]));
    target.0.connected();
    target.take(&update(60 * S, [], []));
    assert_eq!((target.tasks(60 * S).len(), target.0.process()), (0, 2));
}

#[test]
fn the_same_process_goes_on_after_a_lost_connection() {
    let metadata = || {
        let metadata = Metadata { field_names: vec!["a".to_owned()], ..Metadata::default() };
        let id = Some(api::MetaId { id: 1 });
        Some(RegisterMetadata { metadata: vec![NewMetadata { id, metadata: Some(metadata) }] })
    };
    let both = [(7, idle(THEN)), (8, idle(THEN))];
    let mut first = update(S, [announced(7, "a"), announced(8, "b")], both);
    first.new_metadata = metadata();
    let mut target = Watched::new();
    target.take(&first);
    target.0.connected();
    // Everything again, but for one that has ended meanwhile.
    let mut second = update(5 * S, [announced(7, "a")], [(7, idle(THEN))]);
    second.new_metadata = metadata();
    target.take(&second);
    assert_eq!(target.0.process(), 1);
    assert_eq!(target.names(), [("a".to_owned(), State::Idle), ("b".to_owned(), State::Ended)]);
}

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
    assert_eq!(target.0.gaps().dropped_events, 13);
    assert!(target.0.gaps().is_incomplete());
}

#[test]
fn figures_without_an_announcement_are_a_task_without_a_name() {
    let mut target = Watched::new();
    target.take(&update(S, [], [(7, idle(THEN))]));
    let [task] = &target.tasks(S)[..] else { panic!() };
    assert_eq!((task.meta.kind, task.polls), (TaskKind::Unknown, 1));
    assert!(task.live_wakers.reason().is_some(), "no lost waker can be told");
    assert_eq!(target.0.gaps().unnamed_tasks, 1);
    target.take(&update(2 * S, [announced(7, "late")], []));
    assert_eq!(target.names()[0].0, "late");
    assert_eq!(target.0.gaps(), Gaps::default());
}

#[test]
fn tasks_that_are_only_mentioned_are_missed_until_they_come() {
    let mut target = Watched::new();
    let mut first = update(S, [], []);
    let poll = PollOp { task_id: id(9), ..PollOp::default() };
    first.resource_update = Some(ResourceUpdate { new_poll_ops: vec![poll], ..Default::default() });
    target.take(&first);
    assert_eq!(target.0.gaps().unknown_tasks, 1);
    target.take(&update(2 * S, [announced(9, "late")], [(9, idle(THEN))]));
    assert_eq!(target.0.gaps().unknown_tasks, 0);
}

#[test]
fn a_target_that_sends_as_much_as_it_can_take_in_is_behind() {
    let mut target = Watched::new();
    let many = |from: u64| (from..from + 127).map(|task| announced(task, "t"));
    let stats = |from: u64| (from..from + 127).map(|task| (task, idle(THEN)));
    target.take(&update(S, many(1), stats(1)));
    assert!(!target.0.gaps().behind, "the first update is everything");
    target.take(&update(2 * S, many(200), stats(200)));
    assert!(target.0.gaps().behind);
    target.take(&update(3 * S, [], []));
    assert!(!target.0.gaps().behind);
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
    assert_eq!(target.0.gaps().cut_texts, 3);
}

#[test]
fn a_task_of_several_megabytes_is_left_out_and_counted() {
    let mut task = announced(7, "huge");
    task.fields.extend((0..3).map(|_| field("url", api::field::Value::StrVal(long()))));
    let mut target = Watched::new();
    target.take(&update(S, [task, announced(8, "b")], [(8, idle(THEN))]));
    assert_eq!(target.names(), [("b".to_owned(), State::Idle)]);
    assert_eq!(target.0.gaps().refused, 1);
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
    assert_eq!(target.0.gaps().refused, 120_000 - limits::RESOURCES as u64);
}

#[test]
fn a_lock_is_held_only_if_its_state_says_so() {
    let of = |type_name: &str, attributes: &[(&str, api::field::Value)]| {
        let lock = Resource { id: id(1), concrete_type: type_name.into(), ..Resource::default() };
        let attribute = |(name, value): &(&str, api::field::Value)| api::Attribute {
            field: Some(field(name, value.clone())),
            unit: None,
        };
        let attributes = attributes.iter().map(attribute).collect();
        let stats = resources::Stats { created_at: at(THEN), attributes, ..Default::default() };
        let mut update = update(S, [], []);
        update.resource_update = Some(ResourceUpdate {
            new_resources: vec![lock],
            stats_update: [(1, stats)].into(),
            ..ResourceUpdate::default()
        });
        let mut target = Watched::new();
        target.take(&update);
        target.0.resources().next().is_some_and(|lock| lock.is_taken)
    };
    use api::field::Value::{BoolVal, U64Val};
    assert!(of("RwLock", &[("write_locked", BoolVal(false)), ("current_readers", U64Val(2))]));
    assert!(of("RwLock", &[("write_locked", BoolVal(true)), ("current_readers", U64Val(0))]));
    assert!(!of("RwLock", &[("write_locked", BoolVal(false)), ("current_readers", U64Val(0))]));
    assert!(!of("RwLock", &[]), "nothing is known of it");
    assert!(of("Semaphore", &[("permits", U64Val(0))]));
    assert!(!of("Semaphore", &[("permits", U64Val(10))]));
    assert!(of("Mutex", &[("locked", BoolVal(true))]));
    assert!(!of("Mutex", &[]));
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
    assert_eq!(target.0.gaps().refused, 300_000 - limits::TASKS as u64);
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

fn mutex(target: &mut Watched) {
    let kind = resources::resource::kind::Kind::Other("Sync".to_owned());
    let resource = |one: u64, type_name: &str, parent| Resource {
        id: id(one),
        concrete_type: type_name.to_owned(),
        kind: Some(resources::resource::Kind { kind: Some(kind.clone()) }),
        parent_resource_id: parent,
        is_internal: parent.is_some(),
        ..Resource::default()
    };
    let locked = api::Attribute {
        field: Some(field("locked", api::field::Value::BoolVal(true))),
        unit: None,
    };
    let made =
        |attributes| resources::Stats { created_at: at(THEN), attributes, ..Default::default() };
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
    target.take(&update);
}

#[test]
fn who_holds_a_lock_and_who_waits_for_it_is_known() {
    let mut target = Watched::new();
    mutex(&mut target);
    let keys: HashMap<String, u64> =
        target.tasks(S).iter().map(|task| (task.meta.name.to_string(), task.key)).collect();
    let resources: HashMap<String, ResourceFigures> =
        target.0.resources().map(|one| (one.type_name.to_string(), one)).collect();
    let mutex = &resources["Mutex"];
    assert_eq!((&*mutex.state, mutex.holder), ("locked=true", Some(keys["holder"])));
    assert_eq!(resources["Semaphore"].parent, Some(mutex.key));
    let ops: Vec<_> = target.0.async_ops().collect();
    assert_eq!(ops.len(), 1, "the holder's is over");
    assert_eq!((ops[0].task, ops[0].resource), (Some(keys["waiter"]), Some(mutex.key)));
    assert!(ops[0].is_waiting());
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
        mutex(&mut target);
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
        let _ = (target.0.gaps(), target.0.resources().count(), target.0.async_ops().count());
    }
}
