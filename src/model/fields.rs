//! The fields of tasks: one entry per column of the task table, with everything about it.
//!
//! Sorting, the column titles and the cells read the table. It is part of the model because the model
//! sorts by it; it knows severities and no colors. A new column is a variant and an entry.

use super::{TargetModel, TaskRates};
use crate::{
    snapshot::{FieldId, State, TaskKind, TaskStats},
    text::{compact_count, duration, percent_number, rate},
};

/// A column of the task table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Column {
    /// The number of the task.
    Id,
    /// The state.
    State,
    /// The name.
    Name,
    /// Polls begun.
    Polls,
    /// Polls per second.
    PollRate,
    /// Share of the time spent in polls.
    BusyShare,
    /// Time in polls.
    Busy,
    /// Time from wakes to polls.
    Scheduled,
    /// Time waiting for a wake.
    Idle,
    /// The longest poll.
    MaxPoll,
    /// The longest scheduling delay.
    MaxDelay,
    /// Calls of wakers.
    Wakes,
    /// Calls of wakers inside the task's own polls.
    SelfWakes,
    /// The target.
    Target,
    /// The stage that the task reports.
    Stage,
    /// The location of the spawn.
    Location,
}

/// A column of the task table and its values.
#[derive(Clone, Copy, Debug)]
pub struct TaskField {
    /// The identity of the column.
    pub column: Column,
    /// The title above the column.
    pub title: &'static str,
    /// The field that the column displays, if a target may lack it.
    pub field: Option<FieldId>,
    /// Minimum width.
    pub width: u16,
    /// Additional width that the column can use.
    pub grow: u16,
    /// Columns with a high rank are dropped first.
    pub rank: u8,
    /// How the column is aligned and sorted at first.
    pub kind: FieldKind,
    pub(super) sort: SortKey,
    form: CellForm,
}

/// How the cells of a column are written.
#[derive(Clone, Copy, Debug)]
enum CellForm {
    /// The number that the column sorts by.
    Number(fn(u64) -> String),
    /// The text that the column sorts by.
    Text(Emphasis),
    /// Anything else.
    Other(fn(&TaskStats, &TaskRates) -> TaskCell),
}

/// How a column is aligned and sorted at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// Aligned to the right; the largest values come first.
    Statistic,
    /// Aligned to the right; the smallest values come first.
    Number,
    /// Aligned to the left.
    Text,
    /// Aligned to the left, and cut at the start.
    Path,
}

/// The value that a column sorts by. Ties are broken by the number of the task.
#[derive(Clone, Copy, Debug)]
pub(super) enum SortKey {
    Number(fn(&TaskStats, &TaskRates) -> u64),
    /// The second number decides if the first ones are equal.
    Numbers(fn(&TaskStats, &TaskRates) -> (u64, u64)),
    Text(for<'a> fn(&'a TargetModel, &'a TaskStats) -> &'a str),
}
use SortKey::{Number, Numbers, Text};

/// The text of a cell, and its emphasis.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskCell {
    /// The text; empty for a state, which has a glyph.
    pub text: String,
    /// The emphasis.
    pub emphasis: Emphasis,
}

/// The emphasis of a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Emphasis {
    /// None.
    Plain,
    /// Less important than other cells.
    Dim,
    /// New.
    New,
    /// A warning.
    Warning,
    /// That of a state.
    State(State),
    /// By a busy share.
    Share(f64),
    /// By the length of a poll, in ns.
    Length(u64),
    /// The value is unknown.
    Unknown,
}

impl TaskCell {
    fn new(text: impl Into<String>, emphasis: Emphasis) -> Self {
        TaskCell { text: text.into(), emphasis }
    }

    /// A rate, if it is known.
    fn rate(rates: &TaskRates, text: String, emphasis: Emphasis) -> Self {
        if rates.unknown { Self::new("", Emphasis::Unknown) } else { Self::new(text, emphasis) }
    }
}

impl Column {
    /// All columns, in the order of the table.
    pub fn all() -> impl Iterator<Item = Column> {
        TASK_FIELDS.iter().map(|entry| entry.column)
    }

    /// The entry of the column.
    pub fn entry(self) -> &'static TaskField {
        &TASK_FIELDS[self as usize]
    }
}

impl TaskField {
    const fn new(
        column: Column,
        title: &'static str,
        kind: FieldKind,
        [width, grow, rank]: [u16; 3],
        sort: SortKey,
        form: CellForm,
    ) -> Self {
        TaskField { column, title, field: None, width, grow, rank: rank as u8, kind, sort, form }
    }

    /// A column that displays a field, which a target may lack.
    const fn of(self, field: FieldId) -> Self {
        TaskField { field: Some(field), ..self }
    }

    /// The text of a cell, and its emphasis.
    pub fn cell(&self, target: &TargetModel, task: &TaskStats, rates: &TaskRates) -> TaskCell {
        match (self.form, self.sort) {
            (CellForm::Number(format), Number(value)) => {
                TaskCell::new(format(value(task, rates)), Emphasis::Plain)
            }
            (CellForm::Text(emphasis), Text(text)) => TaskCell::new(text(target, task), emphasis),
            (CellForm::Other(cell), _) => cell(task, rates),
            (CellForm::Number(_) | CellForm::Text(_), _) => TaskCell::new("", Emphasis::Unknown),
        }
    }
}

use CellForm::Other;
use FieldKind::{Path, Statistic};

/// All columns of the task table, in order: title, kind, [width, grow, rank], sort key, cell.
#[rustfmt::skip]
pub static TASK_FIELDS: &[TaskField] = &[
    TaskField::new(Column::Id, "ID", FieldKind::Number, [6, 0, 5],
        Number(|task, _| task.meta.id), CellForm::Number(|id| id.to_string())),
    TaskField::new(Column::State, "S", FieldKind::Text, [1, 0, 2],
        Number(|task, _| task.state as u64),
        Other(|task, _| TaskCell::new("", Emphasis::State(task.state)))),
    TaskField::new(Column::Name, "NAME", FieldKind::Text, [12, 6, 1],
        Text(|_, task| &task.meta.name),
        Other(|task, rates| {
            TaskCell::new(&*task.meta.name, if rates.new { Emphasis::New } else { Emphasis::Plain })
        })),
    TaskField::new(Column::Polls, "POLLS", Statistic, [7, 0, 4],
        Number(|task, _| task.polls), CellForm::Number(compact_count)).of(FieldId::Polls),
    TaskField::new(Column::PollRate, "POLLS/S", Statistic, [7, 0, 10],
        Number(|_, rates| rates.shown.polls.round() as u64),
        Other(|_, rates| TaskCell::rate(rates, rate(rates.shown.polls), Emphasis::Plain)))
        .of(FieldId::PollRate),
    // While a hog blocks the worker, no other task is busy: runnable tasks come next. A task of the
    // blocking pool is in a single poll all its life, which delays no other task.
    TaskField::new(Column::BusyShare, "BUSY%", Statistic, [6, 0, 3],
        Numbers(|task, rates| match task.meta.kind {
            TaskKind::Blocking => (0, 0),
            _ if task.state.is_done() => (0, 0),
            // As displayed: a difference that is not visible does not order rows.
            _ => (per_mille(rates.shown.busy), per_mille(rates.shown.scheduled) / 10),
        }),
        Other(|task, rates| match rates.shown.busy {
            _ if task.state.is_done() => TaskCell::rate(rates, percent_number(0.0), Emphasis::Plain),
            busy => TaskCell::rate(rates, percent_number(busy), Emphasis::Share(busy)),
        })).of(FieldId::BusyShare),
    TaskField::new(Column::Busy, "BUSY", Statistic, [7, 0, 8],
        Number(|task, _| task.busy_ns), CellForm::Number(duration)).of(FieldId::Busy),
    TaskField::new(Column::Scheduled, "SCHED", Statistic, [7, 0, 7],
        Number(|task, _| task.scheduled_ns),
        Other(|task, _| {
            let is_runnable = task.state == State::Scheduled;
            let emphasis = if is_runnable { Emphasis::Warning } else { Emphasis::Plain };
            TaskCell::new(duration(task.scheduled_ns), emphasis)
        })).of(FieldId::Scheduled),
    TaskField::new(Column::Idle, "IDLE", Statistic, [7, 0, 9],
        Number(|task, _| task.idle_ns), CellForm::Number(duration)).of(FieldId::Idle),
    TaskField::new(Column::MaxPoll, "MAX POLL", Statistic, [8, 0, 6],
        Number(|task, _| task.max_poll_ns),
        Other(|task, _| {
            let by_length = Emphasis::Length(task.max_poll_ns);
            let emphasis = if task.meta.kind.may_block() { Emphasis::Plain } else { by_length };
            TaskCell::new(duration(task.max_poll_ns), emphasis)
        })).of(FieldId::MaxPoll),
    TaskField::new(Column::MaxDelay, "MAX DELAY", Statistic, [9, 0, 14],
        Number(|task, _| task.max_delay_ns), CellForm::Number(duration)).of(FieldId::MaxDelay),
    TaskField::new(Column::Wakes, "WAKES", Statistic, [7, 0, 13],
        Number(|task, _| task.wakes), CellForm::Number(compact_count)).of(FieldId::Wakes),
    TaskField::new(Column::SelfWakes, "SELF-WAKES", Statistic, [10, 0, 15],
        Number(|task, _| task.self_wakes), CellForm::Number(compact_count)).of(FieldId::SelfWakes),
    TaskField::new(Column::Target, "TARGET", FieldKind::Text, [15, 10, 6],
        Text(|target, _| target.name()), CellForm::Text(Emphasis::Dim)),
    TaskField::new(Column::Stage, "STAGE", FieldKind::Text, [16, 12, 12],
        Text(|_, task| task.stage.as_deref().unwrap_or_default()),
        Other(|task, _| TaskCell::new(stage(task), Emphasis::Plain))).of(FieldId::Stage),
    TaskField::new(Column::Location, "LOCATION", Path, [15, 47, 11],
        Text(|_, task| &task.meta.location), CellForm::Text(Emphasis::Dim)),
];

fn per_mille(share: f64) -> u64 {
    (share * 1000.0).round() as u64
}

/// The stage of a task, and how it ended.
fn stage(task: &TaskStats) -> String {
    match (task.state.is_done(), task.stage.as_deref()) {
        (true, None) => task.state.as_str().to_owned(),
        (true, Some(stage)) => format!("{}: {stage}", task.state.as_str()),
        (false, Some(stage)) => stage.to_owned(),
        (false, None) => match task.meta.kind {
            TaskKind::Blocking => "on the blocking pool".to_owned(),
            TaskKind::BlockOn => "in block_on".to_owned(),
            TaskKind::Spawned | TaskKind::Local | TaskKind::Unknown => String::new(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_in_the_order_of_the_columns() {
        assert!(Column::all().all(|column| column.entry().column == column));
    }

    #[test]
    fn cells_have_the_form_of_their_sort_keys() {
        for entry in TASK_FIELDS {
            let fits = match entry.form {
                CellForm::Number(_) => matches!(entry.sort, Number(_)),
                CellForm::Text(_) => matches!(entry.sort, Text(_)),
                Other(_) => true,
            };
            assert!(fits, "{}", entry.title);
        }
    }
}
