//! The fields of groups.

use super::{Emphasis, Field, FieldKind::*, Row, Value, per_mille};
use crate::{model::GroupRow, snapshot::FieldId};

type GroupField = Field<GroupRow>;

impl Row for GroupRow {
    const TABLE: &'static str = "groups";

    fn fields() -> &'static [Field<Self>] {
        FIELDS
    }
}

fn known<'a>(row: &GroupRow, rate: f64) -> Value<'a> {
    if row.unknown { Value::Unknown } else { Value::Number(rate) }
}

fn warning_above_zero(count: usize) -> Emphasis {
    if count > 0 { Emphasis::Warning } else { Emphasis::Plain }
}

/// The fields of a group; those with a rank are shown by default, from left to right.
#[rustfmt::skip]
static FIELDS: &[GroupField] = &[
    GroupField::new("name", "GROUP", "name of the group", Text, |_, r| r.name.as_ref().into())
        .shown(1, 12, 16, 40),
    GroupField::new("tasks", "TASKS", "tasks that have not ended", Count, |_, r| r.tasks.into())
        .shown(2, 6, 6, 6),
    GroupField::new("polling", "RUN", "tasks that are being polled", Count, |_, r| r.polling.into())
        .shown(8, 5, 5, 5),
    GroupField::new("runnable", "SCHED", "scheduled tasks: woken and not yet polled", Count, |_, r| r.runnable.into())
        .shown(4, 5, 5, 5)
        .styled(|_, r| warning_above_zero(r.runnable)),
    GroupField::new("idle", "IDLE", "tasks that wait for a wake", Count, |_, r| r.idle().into())
        .screen_only().shown(9, 5, 5, 5),
    GroupField::new("busy_share", "BUSY%", "share of the time inside polls; 100 is one worker; closures of the blocking pool come last", Share, |_, r| known(r, r.shown.busy))
        .of(FieldId::BusyShare).shown(3, 6, 6, 6)
        .exact(|_, r| known(r, r.busy_share))
        .ordered_by(|_, r| per_mille(r.worker_busy))
        .styled(|_, r| Emphasis::Share(r.shown.busy)),
    GroupField::new("busy_history", "BUSY", "busy share over time", Graph, |_, _| Value::Unknown)
        .of(FieldId::BusyShare).shown(7, 14, 16, 30),
    GroupField::new("polls_per_second", "POLLS/S", "polls per second", Rate, |_, r| known(r, r.shown.polls))
        .of(FieldId::PollRate).shown(11, 7, 7, 7)
        .exact(|_, r| known(r, r.poll_rate)),
    GroupField::new("polls", "POLLS", "polls begun", Count, |_, r| r.polls.into())
        .of(FieldId::Polls),
    GroupField::new("busy_ns", "BUSY", "time inside polls", Duration, |_, r| r.busy_ns.into())
        .of(FieldId::Busy),
    GroupField::new("scheduled_ns", "SCHEDULED", "time between wakes and polls", Duration, |_, r| r.scheduled_ns.into())
        .of(FieldId::Scheduled),
    GroupField::new("idle_ns", "IDLE TIME", "time waiting for a wake", Duration, |_, r| r.idle_ns.into())
        .of(FieldId::Idle),
    GroupField::new("max_poll_ns", "MAX POLL", "longest poll", Duration, |_, r| r.max_poll_ns.into())
        .of(FieldId::MaxPoll).shown(12, 8, 8, 8),
    GroupField::new("poll_p99_ns", "POLL P99", "99th percentile of the poll times", Quantile, |_, r| r.poll_p99_ns.into())
        .of(FieldId::GroupPollP99).shown(6, 9, 9, 9),
    GroupField::new("delay_p99_ns", "DELAY P99", "99th percentile of the scheduling delay", Quantile, |_, r| r.delay_p99_ns.into())
        .of(FieldId::GroupDelayP99).shown(5, 9, 9, 9),
    GroupField::new("delay_history", "SCHEDULING DELAY", "scheduling delay over time: the mean, or the longest running one", Graph, |_, _| Value::Unknown)
        .of(FieldId::GroupDelayP99).shown(10, 29, 30, 60),
    GroupField::new("wakes", "WAKES", "calls of wakers", Count, |_, r| r.wakes.into())
        .of(FieldId::Wakes),
    GroupField::new("ended", "ENDED", "ended tasks that are still listed", Count, |_, r| r.ended.into()),
    GroupField::new("target", "TARGET", "watched program", Text, |t, _| (&**t.name()).into())
        .shown(6, 10, 15, 25).screen_only()
        .styled(|_, _| Emphasis::Dim),
    GroupField::new("location", "LOCATION", "where the tasks are spawned", Path, |_, r| r.location.as_ref().into())
        .of(FieldId::Location)
        .shown(14, 12, 22, 62)
        .styled(|_, _| Emphasis::Dim),
];
