//! The Tokio programs of this machine.

use std::io::{self, Write};

use anyhow::Context;
use asynctop_inspect::{
    InspectError, Inspection, TokioCopy,
    ps::{self, Listing, Program},
};
use serde::Serialize;

use super::json;
use crate::{report::TableFormat, text::sanitize};

/// Writes a table of the Tokio programs of this machine.
///
/// # Errors
/// If processes cannot be listed, or `out` fails.
pub fn list(format: TableFormat, out: &mut impl Write) -> anyhow::Result<()> {
    let listing = ps::list().context("cannot read /proc to list processes")?;
    match format {
        TableFormat::Text => write_text(&listing, out)?,
        TableFormat::Json => json::write(Document::of(&listing), out)?,
    }
    Ok(out.flush()?)
}

fn write_text(listing: &Listing, out: &mut impl Write) -> io::Result<()> {
    let row = |pid: &str, command: &str, version: &str, [runtimes, workers, tasks]: [&str; 3]| {
        format!("{pid:>8}  {command:<24} {version:<10} {runtimes:>8} {workers:>8} {tasks:>8}\n")
    };
    let head = row("PID", "COMMAND", "TOKIO", ["RUNTIMES", "WORKERS", "TASKS"]);
    out.write_all(head.as_bytes())?;
    for Program { pid, command, inspection, .. } in &listing.programs {
        let (pid, command) = (pid.to_string(), sanitize(command));
        match inspection {
            Ok(inspection) => {
                let counts = Counts::of(inspection);
                let versions: Vec<_> =
                    inspection.tokio.iter().map(|copy| version(copy).unwrap_or("–")).collect();
                let workers = counts.workers.map_or_else(|| "–".into(), |count| count.to_string());
                let (runtimes, tasks) = (counts.runtimes.to_string(), counts.tasks.to_string());
                let line = row(&pid, &command, &versions.join(","), [&runtimes, &workers, &tasks]);
                out.write_all(line.as_bytes())?;
            }
            // It has ended while others were read.
            Err(InspectError::Ended { .. }) => {}
            Err(error) => writeln!(out, "{pid:>8}  {command:<24} cannot be read: {error}")?,
        }
    }
    if listing.programs.is_empty() {
        writeln!(out, "no Tokio program was found")?;
    }
    if listing.denied > 0 {
        let why = listing.first_denied.as_deref().unwrap_or("–");
        match listing.denied {
            1 => writeln!(out, "1 more process cannot be read: {why}")?,
            more => writeln!(out, "{more} more processes cannot be read; the first one: {why}")?,
        }
    }
    Ok(())
}

fn version(copy: &TokioCopy) -> Option<&str> {
    copy.version.as_deref()
}

/// The numbers of runtimes, workers and tasks of a program.
#[derive(Serialize)]
struct Counts {
    runtimes: usize,
    /// `None` if not all are known.
    workers: Option<usize>,
    tasks: usize,
}

impl Counts {
    fn of(inspection: &Inspection) -> Counts {
        let runtimes = &inspection.runtimes;
        let are_known = runtimes.iter().all(|runtime| runtime.no_workers.is_none());
        let workers = runtimes.iter().map(|runtime| runtime.workers.len()).sum();
        Counts {
            runtimes: runtimes.len(),
            workers: are_known.then_some(workers),
            tasks: inspection.tasks.len(),
        }
    }
}

/// The JSON document.
#[derive(Serialize)]
struct Document<'a> {
    programs: Vec<Row<'a>>,
    /// Processes that could not be read, and why the first of them.
    unreadable: usize,
    unreadable_reason: Option<&'a str>,
}

#[derive(Serialize)]
struct Row<'a> {
    process_id: u32,
    command: &'a str,
    /// The version of each copy of Tokio; null where the program does not contain it.
    tokio: Vec<Option<&'a str>>,
    #[serde(flatten)]
    counts: Option<Counts>,
    /// The reason why it could not be read.
    error: Option<String>,
}

impl<'a> Document<'a> {
    fn of(listing: &'a Listing) -> Self {
        let row = |program: &'a Program| Row {
            process_id: program.pid,
            command: &program.command,
            tokio: program.inspection.iter().flat_map(|it| &it.tokio).map(version).collect(),
            counts: program.inspection.as_ref().ok().map(Counts::of),
            error: program.inspection.as_ref().err().map(ToString::to_string),
        };
        Document {
            programs: listing.programs.iter().map(row).collect(),
            unreadable: listing.denied,
            unreadable_reason: listing.first_denied.as_deref(),
        }
    }
}
