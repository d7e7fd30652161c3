//! The columns of the task table: their titles and fields.

use crate::snapshot::FieldId;

/// A column of the task table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Column {
    /// Task id.
    Id,
    /// Task state.
    State,
    /// Task name.
    Name,
    /// Polls begun.
    Polls,
    /// Polls per second.
    PollRate,
    /// Share of the time in polls.
    BusyShare,
    /// Time in polls.
    Busy,
    /// Time runnable, from wake to poll.
    Scheduled,
    /// Time waiting for a wake.
    Idle,
    /// Longest poll.
    MaxPoll,
    /// Longest scheduling delay.
    MaxDelay,
    /// Wakes.
    Wakes,
    /// Wakes from inside the task's own polls.
    SelfWakes,
    /// Name of the target.
    Target,
    /// The stage that the task reports.
    Stage,
    /// Where the task was spawned.
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

    /// The title above the column.
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

    /// Whether the column holds numbers, whose largest is displayed first.
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
