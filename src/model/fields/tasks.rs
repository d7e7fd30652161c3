//! The fields of tasks.

use super::{Emphasis, Field, FieldKind::*, Row, Value, per_mille};
use crate::{
    model::{TargetModel, TaskRates, TaskRow},
    snapshot::{FieldId, State, TaskKind, TaskStats},
};

type TaskField = Field<TaskRow>;

impl Row for TaskRow {
    const TABLE: &'static str = "tasks";

    fn fields() -> &'static [Field<Self>] {
        FIELDS
    }
}

fn task<'a>(target: &'a TargetModel, row: &TaskRow) -> &'a TaskStats {
    &target.target().tasks[row.task as usize]
}

fn rates<'a>(target: &'a TargetModel, row: &TaskRow) -> &'a TaskRates {
    &target.all_rates()[row.task as usize]
}

/// A rate, if it is known.
fn known<'a>(rates: &TaskRates, rate: f64) -> Value<'a> {
    if rates.unknown { Value::Unknown } else { Value::Number(rate) }
}

/// Closures of the blocking pool are in a single poll all their life, which delays no other task.
fn is_counted(task: &TaskStats) -> bool {
    task.meta.kind != TaskKind::Blocking && !task.state.is_done()
}

/// The fields of a task; those with a rank are shown by default, from left to right.
#[rustfmt::skip]
static FIELDS: &[TaskField] = &[
    TaskField::new("id", "ID", "number of the task", Id, |t, r| task(t, r).meta.id.into())
        .shown(6, 6, 6, 6),
    TaskField::new("key", "KEY", "number that identifies the task in JSON documents", Id, |t, r| task(t, r).key.into()),
    TaskField::new("state", "STATE", "polling, scheduled, idle or ended", Text, |t, r| task(t, r).state.as_str().into())
        .shown(2, 1, 1, 1)
        .ordered_by(|t, r| task(t, r).state as u64)
        .styled(|t, r| Emphasis::State(task(t, r).state)),
    TaskField::new("name", "NAME", "name of the task", Text, |t, r| (&*task(t, r).meta.name).into())
        .shown(1, 10, 14, 30)
        .styled(|t, r| if rates(t, r).new { Emphasis::New } else { Emphasis::Plain }),
    TaskField::new("group", "GROUP", "name without the number at its end", Text, |t, r| (&*task(t, r).meta.group).into()),
    // While a hog blocks the worker, no other task is busy: runnable tasks come next.
    TaskField::new("busy_share", "BUSY%", "share of the time inside polls, of one worker; closures of the blocking pool come last", Share, |t, r| {
            let busy = if task(t, r).state.is_done() { 0.0 } else { rates(t, r).shown.busy };
            known(rates(t, r), busy)
        })
        .of(FieldId::BusyShare).shown(3, 6, 6, 6)
        .exact(|t, r| known(rates(t, r), rates(t, r).busy))
        .ordered_by(|t, r| match is_counted(task(t, r)) {
            true => (per_mille(rates(t, r).shown.busy) << 32) + per_mille(rates(t, r).shown.scheduled) / 10 + 1,
            false => 0,
        })
        .styled(|t, r| match task(t, r).state.is_done() {
            true => Emphasis::Plain,
            false => Emphasis::Share(rates(t, r).shown.busy),
        }),
    TaskField::new("history", "20 s", "busy share over the last 20 s", Graph, |_, _| Value::Unknown)
        .of(FieldId::BusyShare).shown(7, 8, 12, 16),
    TaskField::new("polls_per_second", "POLLS/S", "polls per second", Rate, |t, r| known(rates(t, r), rates(t, r).shown.polls))
        .of(FieldId::PollRate).shown(8, 7, 7, 7)
        .exact(|t, r| known(rates(t, r), rates(t, r).polls)),
    TaskField::new("polls", "POLLS", "polls begun", Count, |t, r| task(t, r).polls.into())
        .of(FieldId::Polls).shown(15, 7, 7, 7),
    TaskField::new("busy_ns", "BUSY", "time inside polls", Duration, |t, r| task(t, r).busy_ns.into())
        .of(FieldId::Busy).shown(13, 7, 7, 7),
    TaskField::new("scheduled_ns", "SCHED", "time between wakes and polls", Duration, |t, r| task(t, r).scheduled_ns.into())
        .of(FieldId::Scheduled).shown(12, 7, 7, 7)
        .styled(|t, r| match task(t, r).state {
            State::Scheduled => Emphasis::Warning,
            _ => Emphasis::Plain,
        }),
    TaskField::new("idle_ns", "IDLE", "time waiting for a wake", Duration, |t, r| task(t, r).idle_ns.into())
        .of(FieldId::Idle).shown(16, 7, 7, 7),
    TaskField::new("max_poll_ns", "MAX POLL", "longest poll", Duration, |t, r| task(t, r).max_poll_ns.into())
        .of(FieldId::MaxPoll).shown(5, 8, 8, 8)
        .styled(|t, r| match task(t, r) {
            task if task.meta.kind.may_block() => Emphasis::Plain,
            task => Emphasis::Length(task.max_poll_ns),
        }),
    TaskField::new("max_delay_ns", "MAX DELAY", "longest time from a wake to the poll", Duration, |t, r| task(t, r).max_delay_ns.into())
        .of(FieldId::MaxDelay).shown(9, 9, 9, 9),
    TaskField::new("wakes", "WAKES", "calls of wakers", Count, |t, r| task(t, r).wakes.into())
        .of(FieldId::Wakes).shown(17, 7, 7, 7),
    TaskField::new("self_wakes", "SELF-WAKES", "wakes from inside the task's own polls", Count, |t, r| task(t, r).self_wakes.into())
        .of(FieldId::SelfWakes).shown(18, 10, 10, 10),
    TaskField::new("live_wakers", "WAKERS", "wakers that exist", Count, |t, r| task(t, r).live_wakers.into())
        .of(FieldId::LiveWakers),
    TaskField::new("target", "TARGET", "watched program", Text, |t, _| (&**t.name()).into())
        .shown(5, 10, 15, 25).screen_only()
        .styled(|_, _| Emphasis::Dim),
    TaskField::new("stage", "STAGE", "stage that the task reports", Text, stage)
        .of(FieldId::Stage).shown(4, 12, 22, 50)
        .exact(|t, r| task(t, r).stage.as_deref().into()),
    TaskField::new("location", "LOCATION", "where the task was spawned", Path, |t, r| (&*task(t, r).meta.location).into())
        .of(FieldId::Location)
        .shown(10, 12, 26, 62)
        .styled(|_, _| Emphasis::Dim),
    TaskField::new("state_ns", "IN STATE", "time in the state", Duration, |t, r| task(t, r).time_in_state_ns(t.target().taken_ns).into())
        .of(FieldId::StateTime),
    TaskField::new("lifetime_ns", "LIFETIME", "time since the spawn", Duration, |t, r| task(t, r).lifetime_ns.into())
        .of(FieldId::Lifetime),
    TaskField::new("future_bytes", "SIZE", "size of the future", Bytes, |t, r| Some(task(t, r).meta.future_size).filter(|size| *size > 0).into()),
    TaskField::new("kind", "KIND", "task, local (on a LocalSet), block_on, or blocking (on the blocking pool)", Text, |t, r| task(t, r).meta.kind.as_str().into())
        .shown(4, 8, 8, 8),
];

/// The stage of a task, and how it ended.
fn stage<'a>(target: &'a TargetModel, row: &'a TaskRow) -> Value<'a> {
    let task = task(target, row);
    match (task.state.is_done(), task.stage.as_deref()) {
        (true, None) => task.state.as_str().into(),
        (true, Some(stage)) => format!("{}: {stage}", task.state.as_str()).into(),
        (false, Some(stage)) => stage.into(),
        (false, None) => match task.meta.kind {
            TaskKind::Blocking => "on the blocking pool".into(),
            TaskKind::BlockOn => "in block_on".into(),
            TaskKind::Spawned | TaskKind::Local | TaskKind::Unknown => "".into(),
        },
    }
}
