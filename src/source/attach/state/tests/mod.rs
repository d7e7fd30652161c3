//! One test for each way in which the data of a program has been misleading.

mod hidden_polls;
mod losses;
mod polls;
mod processes;
mod resources;
mod tasks;

use console_api::{
    self as api, Field, Id, Location, Metadata, PollStats, RegisterMetadata,
    async_ops::{self, AsyncOp, AsyncOpUpdate},
    instrument::Update,
    register_metadata::NewMetadata,
    resources::{PollOp, Resource, ResourceUpdate, Stats as ResourceUpdateStats},
    tasks::{Stats, Task as Announcement, TaskUpdate},
};
use proptest::prelude::*;
use prost::Message;
use prost_types::{Duration, Timestamp};

use super::*;
use crate::snapshot::{ResourceStats, State, TaskKind, TaskStats};

const MS: i64 = 1_000_000;
const S: i64 = 1_000_000_000;
/// The program's clock at the start of a test, far from the local clock.
const THEN: i64 = 5_000 * S;
/// The local clock at the start of a test.
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

fn announced(task: u64, name: &str) -> Announcement {
    Announcement {
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
        ..Announcement::default()
    }
}

/// The stats of an idle task that was woken, 1 ms after it was spawned, and polled once for 2 ms.
fn idle(spawned: i64) -> Stats {
    Stats {
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
        ..Stats::default()
    }
}

/// The stats of a task whose second poll began at `since` and has not ended.
fn polling(spawned: i64, since: i64) -> Stats {
    let mut stats = idle(spawned);
    let polls = stats.poll_stats.get_or_insert_default();
    (polls.polls, polls.last_poll_started) = (2, at(since));
    stats
}

fn ended(spawned: i64, when: i64) -> Stats {
    Stats { dropped_at: at(when), ..idle(spawned) }
}

fn update(
    now: i64,
    new: impl IntoIterator<Item = Announcement>,
    stats: impl IntoIterator<Item = (u64, Stats)>,
) -> Update {
    let task_update = TaskUpdate {
        new_tasks: new.into_iter().collect(),
        stats_update: stats.into_iter().collect(),
        dropped_events: 0,
    };
    Update { now: at(THEN + now), task_update: Some(task_update), ..Update::default() }
}

/// A program whose updates arrive without delay.
struct TestProgram(Program);

impl TestProgram {
    fn new() -> Self {
        TestProgram(Program::new("t"))
    }

    fn apply(&mut self, update: &Update) -> &mut Self {
        let after = moment(update.now) - THEN;
        self.0.apply(&update.encode_to_vec(), NOW + after).expect("an update");
        self
    }

    fn tasks(&self) -> Vec<TaskStats> {
        let tasks: Vec<_> = self.0.tasks().collect();
        for task in &tasks {
            let parts = [task.busy_ns, task.scheduled_ns, task.idle_ns];
            assert_eq!(parts.iter().sum::<u64>(), task.lifetime_ns, "{task:?}");
        }
        tasks
    }

    fn names(&self) -> Vec<(String, State)> {
        let tasks = self.tasks();
        let mut names: Vec<_> =
            tasks.iter().map(|task| (task.meta.name.to_string(), task.state)).collect();
        // The tasks of an update are sent in the order of a hash map.
        names.sort_by(|(a, _), (b, _)| a.cmp(b));
        names
    }
}
