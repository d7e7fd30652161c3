//! Tasks summed up by group: a million tasks become a dozen rows.

use std::sync::Arc;

/// The group that a task belongs to by its name: what is left of `heartbeat-12` without
/// its number.
///
/// ```
/// use asynctop::model::group_name;
/// assert_eq!(group_name("heartbeat-12"), "heartbeat");
/// assert_eq!(group_name("conn#7"), "conn");
/// assert_eq!(group_name("42"), "42");
/// ```
pub fn group_name(name: &str) -> &str {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let stem = stem.trim_end_matches(['-', '_', '#', '.', ' ', ':', '/']);
    if stem.is_empty() { name } else { stem }
}

/// A column of the group table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GroupColumn {
    /// The group's name.
    Name,
    /// Its living tasks.
    Tasks,
    /// Those that wait for a worker.
    Waiting,
    /// Polls for each second of the last interval.
    PollRate,
    /// Polls begun.
    Polls,
    /// Workers' worth of time in polls during the last interval.
    BusyShare,
    /// Time in polls.
    Busy,
    /// Longest poll.
    MaxPoll,
    /// 99th percentile of poll times.
    PollP99,
    /// 99th percentile of waits for a worker.
    DelayP99,
    /// Calls of wakers.
    Wakes,
    /// Where the tasks are spawned.
    Where,
}

impl GroupColumn {
    /// All columns, in the order of the table.
    pub const ALL: [GroupColumn; 12] = [
        GroupColumn::Name,
        GroupColumn::Tasks,
        GroupColumn::Waiting,
        GroupColumn::PollRate,
        GroupColumn::Polls,
        GroupColumn::BusyShare,
        GroupColumn::Busy,
        GroupColumn::MaxPoll,
        GroupColumn::PollP99,
        GroupColumn::DelayP99,
        GroupColumn::Wakes,
        GroupColumn::Where,
    ];

    /// What stands above the column.
    pub fn title(self) -> &'static str {
        match self {
            GroupColumn::Name => "GROUP",
            GroupColumn::Tasks => "TASKS",
            GroupColumn::Waiting => "WAITING",
            GroupColumn::PollRate => "POLLS/S",
            GroupColumn::Polls => "POLLS",
            GroupColumn::BusyShare => "BUSY%",
            GroupColumn::Busy => "BUSY",
            GroupColumn::MaxPoll => "MAX POLL",
            GroupColumn::PollP99 => "POLL P99",
            GroupColumn::DelayP99 => "WAIT P99",
            GroupColumn::Wakes => "WAKES",
            GroupColumn::Where => "WHERE",
        }
    }
}

/// The tasks of one group, summed up.
#[derive(Clone, Debug)]
pub struct GroupRow {
    /// The group's name.
    pub name: Arc<str>,
    /// Where its tasks are spawned; where the first of them was, if in several places.
    pub location: Arc<str>,
    /// Living tasks.
    pub tasks: usize,
    /// Ended tasks that are still kept.
    pub ended: usize,
    /// Tasks that wait for a worker.
    pub waiting: usize,
    /// Tasks that are being polled.
    pub polling: usize,
    /// Polls for each second of the last interval.
    pub poll_rate: f64,
    /// Polls begun.
    pub polls: u64,
    /// Time in polls during the last interval, as a share of one worker.
    pub busy_share: f64,
    /// Time in polls.
    pub busy_ns: u64,
    /// Time waiting for a worker.
    pub scheduled_ns: u64,
    /// Time waiting for a wake.
    pub idle_ns: u64,
    /// Longest poll.
    pub max_poll_ns: u64,
    /// Calls of wakers.
    pub wakes: u64,
    /// 99th percentile of poll times; `None` where the snapshot has no distributions.
    pub poll_p99_ns: Option<u64>,
    /// 99th percentile of waits for a worker.
    pub delay_p99_ns: Option<u64>,
}
