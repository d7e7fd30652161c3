//! The columns of the task table: their titles and fields.

use crate::snapshot::FieldId;

/// A column of the task table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Column {
    /// The task's number.
    Id,
    /// Its state.
    State,
    /// Its name.
    Name,
    /// Polls begun.
    Polls,
    /// Polls for each second of the last interval.
    PollRate,
    /// Share of the last interval spent in polls.
    BusyShare,
    /// Time in polls.
    Busy,
    /// Time waiting for a worker.
    Scheduled,
    /// Time waiting for a wake.
    Idle,
    /// Longest poll.
    MaxPoll,
    /// Longest wait for a worker.
    MaxDelay,
    /// Calls of its wakers.
    Wakes,
    /// Those from inside its own polls.
    SelfWakes,
    /// The program that it belongs to.
    Target,
    /// What it says that it is doing.
    Stage,
    /// Where it was spawned.
    Location,
}

impl Column {
    /// All columns, in the order of the table.
    pub const ALL: [Column; 16] = [
        Column::Id,
        Column::State,
        Column::Name,
        Column::Polls,
        Column::PollRate,
        Column::BusyShare,
        Column::Busy,
        Column::Scheduled,
        Column::Idle,
        Column::MaxPoll,
        Column::MaxDelay,
        Column::Wakes,
        Column::SelfWakes,
        Column::Target,
        Column::Stage,
        Column::Location,
    ];

    /// The field that the column displays, if a target may lack it.
    pub fn field(self) -> Option<FieldId> {
        Some(match self {
            Column::Polls => FieldId::Polls,
            Column::PollRate => FieldId::PollRate,
            Column::BusyShare => FieldId::BusyShare,
            Column::Busy => FieldId::Busy,
            Column::Scheduled => FieldId::Scheduled,
            Column::Idle => FieldId::Idle,
            Column::MaxPoll => FieldId::MaxPoll,
            Column::MaxDelay => FieldId::MaxDelay,
            Column::Wakes => FieldId::Wakes,
            Column::SelfWakes => FieldId::SelfWakes,
            Column::Stage => FieldId::Stage,
            Column::Id | Column::State | Column::Name | Column::Target | Column::Location => {
                return None;
            }
        })
    }

    /// What stands above the column.
    pub fn title(self) -> &'static str {
        match self {
            Column::Id => "ID",
            Column::State => "S",
            Column::Name => "NAME",
            Column::Polls => "POLLS",
            Column::PollRate => "POLLS/S",
            Column::BusyShare => "BUSY%",
            Column::Busy => "BUSY",
            Column::Scheduled => "SCHED",
            Column::Idle => "IDLE",
            Column::MaxPoll => "MAX POLL",
            Column::MaxDelay => "MAX DELAY",
            Column::Wakes => "WAKES",
            Column::SelfWakes => "SELF-WAKES",
            Column::Target => "TARGET",
            Column::Stage => "STAGE",
            Column::Location => "LOCATION",
        }
    }

    /// Whether the greatest value is the one to see first.
    pub fn is_numeric(self) -> bool {
        !matches!(
            self,
            Column::Id
                | Column::State
                | Column::Name
                | Column::Target
                | Column::Stage
                | Column::Location
        )
    }
}
