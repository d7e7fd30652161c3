//! The tasks of a program, one a row.

use std::io::{self, Write};

use asynctop_inspect::{Inspection, Options, Process, TaskKind, report};

use super::json;
use crate::{
    report::TableFormat,
    source::{Program, process},
    text::sanitize,
};

/// Writes a table of the tasks of a program.
///
/// # Errors
/// If the program cannot be read, or `out` fails.
pub fn tasks(program: &Program, format: TableFormat, out: &mut impl Write) -> anyhow::Result<()> {
    let mut options = Options::default();
    options.stacks = false;
    let inspection = Process::open(process::find(program)?)?.inspect(&options)?;
    match format {
        TableFormat::Text => write(&inspection, out)?,
        TableFormat::Json => json::write(json::Targets::of(&inspection), out)?,
    }
    Ok(out.flush()?)
}

fn write(inspection: &Inspection, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{:>10}  {:<9}  {:>7}  {:<32}  LOCATION", "ID", "STATE", "RUNTIME", "NAME")?;
    // The loops of workers are tasks only inside Tokio.
    for task in inspection.tasks.iter().filter(|task| task.kind != TaskKind::Worker) {
        let names = &task.names;
        let of_code = names.location.as_ref().or(names.contains.first());
        let location = task.spawned_at.as_deref().or(of_code);
        let location = location.map_or_else(|| "–".to_owned(), ToString::to_string);
        let runtime = task.runtime.map_or_else(|| "–".to_owned(), |index| index.to_string());
        let (id, state) = (task.id, task.state.to_string());
        let name = report::task_name(task);
        let (name, location) = (sanitize(&name), sanitize(&location));
        writeln!(out, "{id:>10}  {state:<9}  {runtime:>7}  {name:<32}  {location}")?;
    }
    Ok(())
}
