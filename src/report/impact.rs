//! The impact table of the text report.

use std::io::{self, Write};

use crate::snapshot::PollKind;

use super::table::{self, Column};
use crate::{
    model::{Offender, TargetModel},
    text::{UNAVAILABLE, count, duration, task_seconds},
};

/// Maximum number of offenders that are listed, those with the largest impact.
const TOP: usize = 10;

/// Writes the table; nothing if there was no long poll.
pub(super) fn write(model: &TargetModel, out: &mut impl Write) -> io::Result<()> {
    let offenders = model.impact_table().offenders();
    if offenders.is_empty() {
        return Ok(());
    }
    let mut columns = vec![Column::left("OFFENDER")];
    columns.extend(["POLLS", "BLOCKED", "TASK-SECONDS", "TASKS"].map(Column::right));
    columns.extend(["ACCURACY", "BLOCKED AT"].map(Column::left));
    let rows: Vec<_> = offenders.iter().take(TOP).map(row).collect();
    writeln!(out)?;
    table::write(&columns, &rows, &model.target().description, out)?;
    table::write_omitted(offenders.len(), TOP, out)
}

fn row(offender: &Offender) -> Vec<String> {
    let (impact, tasks) = offender.impact.map_or_else(
        || (UNAVAILABLE.to_owned(), UNAVAILABLE.to_owned()),
        |impact| (task_seconds(impact.total_ns), count(impact.tasks as u64)),
    );
    let accuracy = offender.impact.map_or("", |impact| impact.accuracy.as_str());
    let function = offender.function.as_deref().unwrap_or(UNAVAILABLE);
    let location = offender.blocked_at.as_deref().unwrap_or_default();
    vec![
        match offender.kind {
            PollKind::Poll => offender.name.to_string(),
            PollKind::Drop => format!("{} (drop)", &offender.name),
        },
        count(offender.polls),
        duration(offender.blocked_ns),
        impact,
        tasks,
        accuracy.to_owned(),
        format!("{function} {location}").trim_end().to_owned(),
    ]
}
