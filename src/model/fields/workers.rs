//! The fields of workers.

use super::{Emphasis, Field, FieldKind::*, Row, Value};
use crate::{
    model::{TargetModel, WorkerRow},
    snapshot::{Accuracy, FieldId, PollKind},
    text::duration,
};

type WorkerField = Field<WorkerRow>;

impl Row for WorkerRow {
    const TABLE: &'static str = "workers";

    fn fields() -> &'static [Field<Self>] {
        FIELDS
    }
}

/// The fields of a worker; those with a rank are shown by default, from left to right.
#[rustfmt::skip]
static FIELDS: &[WorkerField] = &[
    WorkerField::new("index", "W", "number of the worker in Tokio", Text, |_, r| format!("w{}", r.stats.index).into())
        .shown(1, 4, 4, 4)
        .exact(|_, r| r.stats.index.into()),
    WorkerField::new("thread", "THREAD", "name of the thread", Text, |_, r| r.stats.thread.as_deref().into())
        .of(FieldId::WorkerThread).shown(10, 8, 12, 20)
        .styled(|_, _| Emphasis::Dim),
    WorkerField::new("busy_bar", "BUSY", "share of the time inside polls or not parked", Graph, |_, r| r.shown_busy.into())
        .shown(5, 10, 10, 10),
    WorkerField::new("busy_share", "BUSY%", "share of the time inside polls or not parked", Share, |_, r| r.shown_busy.into())
        .shown(2, 5, 5, 5)
        .exact(|_, r| r.busy.into())
        .styled(|_, r| Emphasis::Share(r.shown_busy.unwrap_or(0.0))),
    WorkerField::new("polling", "POLLING", "task in the running poll", Text, polling)
        .shown(3, 14, 24, 40).screen_only()
        .styled(polling_style),
    WorkerField::new("blocked_at", "BLOCKED AT", "line that blocks the worker", Path, |t, r| blocked_at(t, r).into())
        .of(FieldId::LongPolls).shown(12, 16, 24, 60).screen_only()
        .styled(|_, _| Emphasis::Dim),
    WorkerField::new("local_queue", "QUEUE", "tasks in the local queue", Count, |_, r| r.stats.local_queue.into())
        .of(FieldId::LocalQueue).shown(4, 5, 5, 5),
    WorkerField::new("queue_history", "QUEUE", "tasks in the local queue over time", Graph, |_, _| Value::Unknown)
        .of(FieldId::LocalQueue).shown(11, 12, 13, 13),
    WorkerField::new("polls_per_second", "POLLS/S", "polls per second", Rate, |_, r| r.polls.into())
        .of(FieldId::WorkerPolls).shown(6, 7, 7, 7),
    WorkerField::new("steals_per_second", "STEALS/S", "tasks stolen from other workers, per second", Rate, |_, r| r.steals.into())
        .of(FieldId::Steals).shown(8, 8, 8, 8).screen_only(),
    WorkerField::new("parks_per_second", "PARKS/S", "parks per second", Rate, |_, r| r.parks.into())
        .of(FieldId::Parks).shown(9, 7, 7, 7).screen_only(),
    WorkerField::new("overflows", "OVERFLOWS", "tasks moved to the injection queue", Count, |_, r| r.stats.overflows.into())
        .of(FieldId::Overflows).shown(13, 9, 9, 9),
    WorkerField::new("history", "HISTORY", "busy share over time", Graph, |_, _| Value::Unknown)
        .shown(7, 16, 24, 240),
    WorkerField::new("poll_ns", "POLL TIME", "time inside polls", Duration, |_, r| r.stats.poll_ns.into())
        .of(FieldId::WorkerPollTime),
    WorkerField::new("busy_ns", "BUSY TIME", "time not parked", Duration, |_, r| r.stats.busy_ns.into())
        .of(FieldId::WorkerBusyTime),
    WorkerField::new("polls", "POLLS", "polls begun", Count, |_, r| r.stats.polls.into())
        .of(FieldId::WorkerPolls),
    WorkerField::new("parks", "PARKS", "number of times that the worker parked", Count, |_, r| r.stats.parks.into())
        .of(FieldId::Parks),
    WorkerField::new("steals", "STEALS", "tasks stolen from other workers", Count, |_, r| r.stats.steals.into())
        .of(FieldId::Steals),
];

/// The length of the running poll, if it is a long one.
fn long_ns(target: &TargetModel, row: &WorkerRow) -> Option<u64> {
    let length_ns = row.current.as_ref().map(|(_, length_ns)| *length_ns);
    length_ns.filter(|length_ns| *length_ns >= target.long_poll_ns())
}

/// The line in which the running poll blocks the worker.
fn blocked_at<'a>(target: &'a TargetModel, row: &WorkerRow) -> &'a str {
    let poll = row.stats.current.as_ref().filter(|_| long_ns(target, row).is_some());
    let entry = poll.and_then(|poll| target.impact_table().of_task(poll.key).next());
    let running = entry.filter(|entry| !entry.evidence.is_ended);
    running.and_then(|entry| entry.evidence.blocked_at()).unwrap_or_default()
}

fn polling<'a>(target: &'a TargetModel, row: &'a WorkerRow) -> Value<'a> {
    let verb = if row.current_kind() == PollKind::Drop { "dropping " } else { "" };
    match (&row.current, long_ns(target, row)) {
        (Some((name, _)), Some(long_ns)) => {
            format!("{verb}{name} for {}", duration(long_ns)).into()
        }
        (Some((name, _)), None) => (&**name).into(),
        (None, _) => match *target.target().description.accuracy(FieldId::CurrentPoll) {
            Accuracy::Exact => "nothing".into(),
            _ => Value::Unknown,
        },
    }
}

fn polling_style(target: &TargetModel, row: &WorkerRow) -> Emphasis {
    match (&row.current, long_ns(target, row)) {
        (None, _) => Emphasis::Dim,
        (Some(_), long_ns) => long_ns.map_or(Emphasis::Plain, Emphasis::Length),
    }
}
