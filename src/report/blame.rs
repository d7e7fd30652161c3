//! Who cost the others most, for people.

use std::io::{self, Write};

use crate::snapshot::PollKind;

use super::table::{self, Column};
use crate::{
    model::{Culprit, TargetModel},
    text::{UNAVAILABLE, count, duration, task_seconds},
};

/// This many culprits are listed, those that cost most.
const TOP: usize = 10;

/// Writes the ranking; nothing if there was no long poll.
pub(super) fn write(model: &TargetModel, out: &mut impl Write) -> io::Result<()> {
    let culprits = model.blame().culprits();
    if culprits.is_empty() {
        return Ok(());
    }
    let mut columns = vec![Column::left("OFFENDER")];
    columns.extend(["POLLS", "BLOCKED", "TASK-SECONDS", "TASKS"].map(Column::right));
    columns.extend(["ACCURACY", "BLOCKED AT"].map(Column::left));
    let rows: Vec<_> = culprits.iter().take(TOP).map(row).collect();
    writeln!(out)?;
    table::write(&columns, &rows, &model.target().description, out)?;
    match culprits.len().saturating_sub(TOP) {
        0 => Ok(()),
        more => writeln!(out, "  … and {} more", count(more as u64)),
    }
}

fn row(culprit: &Culprit) -> Vec<String> {
    let (cost, tasks) = culprit.cost.map_or_else(
        || (UNAVAILABLE.to_owned(), UNAVAILABLE.to_owned()),
        |cost| (task_seconds(cost.total_ns), count(cost.tasks as u64)),
    );
    // With several workers, part of the delay may have another cause.
    let accuracy = culprit.cost.map_or("", |cost| if cost.exact { "exact" } else { "upper bound" });
    let function = culprit.function.as_deref().unwrap_or(UNAVAILABLE);
    let place = culprit.place.as_deref().unwrap_or_default();
    vec![
        match culprit.kind {
            PollKind::Poll => culprit.name.to_string(),
            PollKind::Drop => format!("{} (drop)", &culprit.name),
        },
        count(culprit.polls),
        duration(culprit.held_ns),
        cost,
        tasks,
        accuracy.to_owned(),
        format!("{function} {place}").trim_end().to_owned(),
    ]
}
