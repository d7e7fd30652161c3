//! `asynctop attach` with simulated targets, and with a real one.

#![cfg(all(feature = "attach", unix))]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod example;
mod program;
// Tokio supports task names and reports its locks only with `tokio_unstable`.
#[cfg(tokio_unstable)]
mod real;
mod server;
mod source;
#[path = "../support/mod.rs"]
mod support;

use std::time::{SystemTime, UNIX_EPOCH};

use console_api::{
    Field, Id, PollStats, field,
    instrument::Update,
    tasks::{Stats, Task, TaskUpdate},
};
use prost_types::{Duration, Timestamp};

const S: i64 = 1_000_000_000;

fn at(nanos: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds: nanos / S, nanos: (nanos % S) as i32 })
}

/// Nanoseconds since the Unix epoch.
fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as i64
}

/// A current update with these tasks: ID, name, and the duration in ns of the current poll.
fn update<'a>(tasks: impl IntoIterator<Item = (u64, &'a str, Option<i64>)>) -> Update {
    let now = now();
    let mut task_update = TaskUpdate::default();
    for (id, name, polling_ns) in tasks {
        let text = |name: &str, value: &str| Field {
            name: Some(name.into()),
            value: Some(field::Value::DebugVal(value.to_owned())),
            metadata_id: None,
        };
        task_update.new_tasks.push(Task {
            id: Some(Id { id }),
            fields: vec![text("task.name", name), text("kind", "task")],
            ..Task::default()
        });
        // Spawned a minute ago, at different times.
        let spawned = now - 60 * S + id as i64;
        let started = now - polling_ns.unwrap_or(2 * S);
        let ended = now - S;
        task_update.stats_update.insert(
            id,
            Stats {
                created_at: at(spawned),
                waker_clones: 1,
                poll_stats: Some(PollStats {
                    polls: 3,
                    first_poll: at(spawned),
                    last_poll_started: at(started),
                    last_poll_ended: at(if polling_ns.is_some() { started - S } else { ended }),
                    busy_time: Some(Duration { seconds: 1, nanos: 0 }),
                }),
                ..Stats::default()
            },
        );
    }
    Update { now: at(now), task_update: Some(task_update), ..Update::default() }
}

/// An update without events.
fn empty_update() -> Update {
    update([])
}
