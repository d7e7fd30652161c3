//! Updates of a watched program, decoded from the bytes of an input.

use console_api::{
    Attribute, Field, Id, Location, PollStats,
    async_ops::{self, AsyncOp, AsyncOpUpdate},
    field::Value,
    instrument::Update,
    resources::{self, PollOp, Resource, ResourceUpdate},
    tasks::{self, TaskUpdate},
};
use prost_types::Timestamp;

use super::bytes::Bytes;

/// An update with unusual values: repeated IDs, times out of order, huge counts, control characters.
pub fn update(bytes: &mut Bytes<'_>) -> Update {
    let task_update = TaskUpdate {
        new_tasks: bytes.some(|bytes| tasks::Task {
            id: bytes.id(),
            fields: bytes.some(field),
            location: bytes.maybe(location),
            ..tasks::Task::default()
        }),
        stats_update: bytes.some(|bytes| (bytes.below(20), stats(bytes))).into_iter().collect(),
        dropped_events: bytes.count(),
    };
    let resource_update = ResourceUpdate {
        new_resources: bytes.some(|bytes| Resource {
            id: bytes.id(),
            concrete_type: bytes.text(),
            parent_resource_id: bytes.id(),
            is_internal: bytes.one_in(2),
            location: bytes.maybe(location),
            ..Resource::default()
        }),
        stats_update: bytes
            .some(|bytes| (bytes.below(20), resource_stats(bytes)))
            .into_iter()
            .collect(),
        new_poll_ops: bytes.some(|bytes| PollOp {
            resource_id: bytes.id(),
            task_id: bytes.id(),
            async_op_id: bytes.id(),
            is_ready: bytes.one_in(2),
            ..PollOp::default()
        }),
        dropped_events: bytes.count(),
    };
    let async_op_update = AsyncOpUpdate {
        new_async_ops: bytes.some(|bytes| AsyncOp {
            id: bytes.id(),
            source: bytes.text(),
            resource_id: bytes.id(),
            parent_async_op_id: bytes.id(),
            ..AsyncOp::default()
        }),
        stats_update: bytes.some(|bytes| (bytes.below(20), op_stats(bytes))).into_iter().collect(),
        dropped_events: bytes.count(),
    };
    Update {
        now: bytes.timestamp(),
        task_update: bytes.maybe(|_| task_update),
        resource_update: bytes.maybe(|_| resource_update),
        async_op_update: bytes.maybe(|_| async_op_update),
        new_metadata: None,
    }
}

fn field(bytes: &mut Bytes<'_>) -> Field {
    let names = ["task.name", "task.id", "kind", "size.bytes", "fn", "locked", "x\u{1b}[2J"];
    let value = match bytes.below(5) {
        0 => Value::U64Val(bytes.count()),
        1 => Value::I64Val(bytes.word() as i64),
        2 => Value::BoolVal(bytes.one_in(2)),
        3 => Value::StrVal(bytes.text()),
        _ => Value::DebugVal(bytes.text()),
    };
    let name = names[bytes.below(names.len() as u64) as usize];
    Field { name: Some(name.into()), value: bytes.maybe(|_| value), metadata_id: None }
}

fn location(bytes: &mut Bytes<'_>) -> Location {
    Location {
        file: bytes.maybe(Bytes::text),
        line: bytes.maybe(|d| d.word() as u32),
        ..Location::default()
    }
}

fn attributes(bytes: &mut Bytes<'_>) -> Vec<Attribute> {
    bytes.some(|bytes| Attribute { field: bytes.maybe(field), unit: bytes.maybe(Bytes::text) })
}

fn resource_stats(bytes: &mut Bytes<'_>) -> resources::Stats {
    resources::Stats {
        created_at: bytes.timestamp(),
        dropped_at: bytes.timestamp().filter(|_| bytes.one_in(4)),
        attributes: attributes(bytes),
    }
}

fn op_stats(bytes: &mut Bytes<'_>) -> async_ops::Stats {
    async_ops::Stats {
        created_at: bytes.timestamp(),
        dropped_at: bytes.timestamp().filter(|_| bytes.one_in(4)),
        task_id: bytes.id(),
        poll_stats: bytes.maybe(polls),
        attributes: attributes(bytes),
    }
}

fn polls(bytes: &mut Bytes<'_>) -> PollStats {
    PollStats {
        polls: bytes.count(),
        first_poll: bytes.timestamp(),
        last_poll_started: bytes.timestamp(),
        last_poll_ended: bytes.timestamp(),
        busy_time: bytes.duration(),
    }
}

fn stats(bytes: &mut Bytes<'_>) -> tasks::Stats {
    tasks::Stats {
        created_at: bytes.timestamp(),
        dropped_at: bytes.timestamp().filter(|_| bytes.one_in(4)),
        wakes: bytes.count(),
        waker_clones: bytes.count(),
        waker_drops: bytes.count(),
        self_wakes: bytes.count(),
        last_wake: bytes.timestamp(),
        poll_stats: bytes.maybe(polls),
        scheduled_time: bytes.duration(),
    }
}

/// The values of updates.
impl Bytes<'_> {
    /// One of 20 IDs, so that they repeat.
    fn id(&mut self) -> Option<Id> {
        let id = self.below(20);
        self.maybe(|_| Id { id })
    }

    fn count(&mut self) -> u64 {
        match self.below(8) {
            0 => u64::MAX,
            1 => self.word(),
            _ => self.below(1_000),
        }
    }

    fn text(&mut self) -> String {
        const WORDS: [&str; 12] = [
            "conn",
            "-1",
            "\u{1b}[31m",
            "\u{202e}",
            "漢字",
            "\n",
            "a\u{0301}",
            "\u{9b}2J",
            "=1+1",
            "\0",
            "\u{2066}",
            "\u{2028}\r",
        ];
        let max = if self.one_in(50) { 20_000 } else { 6 };
        let count = self.below(max);
        (0..count).map(|_| WORDS[self.below(WORDS.len() as u64) as usize]).collect()
    }

    /// A time in ns since the Unix epoch.
    pub fn time(&mut self) -> i64 {
        match self.below(20) {
            0 => self.word() as i64,
            _ => 1_000_000_000_000_000_000 + self.below(100_000_000_000) as i64,
        }
    }

    fn timestamp(&mut self) -> Option<Timestamp> {
        let time = self.time();
        let is_invalid = self.one_in(30);
        let nanos = if is_invalid { self.word() as i32 } else { (time % 1_000_000_000) as i32 };
        self.maybe(|_| Timestamp { seconds: time / 1_000_000_000, nanos })
    }

    fn duration(&mut self) -> Option<prost_types::Duration> {
        let (seconds, nanos) = (self.below(3) as i64, self.word() as i32 % 1_000_000_000);
        let seconds = if self.one_in(30) { self.word() as i64 } else { seconds };
        self.maybe(|_| prost_types::Duration { seconds, nanos })
    }
}
