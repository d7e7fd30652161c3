//! Reads other processes with asynctop-inspect.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use anyhow::{Context, anyhow};
use asynctop_inspect::{
    InspectError, Inspection, Options, Process,
    ps::{self, Listing, Program},
    report::{self, TextOptions},
};

/// Writes a table of the Tokio programs of this machine.
///
/// # Errors
/// If the processes cannot be listed, or `out` cannot be written.
pub fn list(out: &mut impl Write) -> anyhow::Result<()> {
    let listing = ps::list().context("cannot read /proc to list processes")?;
    write_listing(&listing, out)?;
    Ok(out.flush()?)
}

fn write_listing(listing: &Listing, out: &mut impl Write) -> io::Result<()> {
    let row = |pid: &str, command: &str, version: &str, [runtimes, workers, tasks]: [&str; 3]| {
        format!("{pid:>8}  {command:<24} {version:<10} {runtimes:>8} {workers:>8} {tasks:>8}\n")
    };
    let head = row("PID", "COMMAND", "TOKIO", ["RUNTIMES", "WORKERS", "TASKS"]);
    out.write_all(head.as_bytes())?;
    for Program { pid, command, inspection, .. } in &listing.programs {
        let pid = pid.to_string();
        match inspection {
            Ok(inspection) => {
                let (version, counts) = (versions(inspection), counts(inspection));
                let line = row(&pid, command, &version, counts.each_ref().map(String::as_str));
                out.write_all(line.as_bytes())?;
            }
            // The process has ended in the meantime.
            Err(InspectError::Ended { .. }) => {}
            Err(error) => writeln!(out, "{pid:>8}  {command:<24} cannot be read: {error}")?,
        }
    }
    if listing.programs.is_empty() {
        writeln!(out, "no Tokio program was found")?;
    }
    if listing.denied > 0 {
        let reason = listing.first_denied.as_deref().unwrap_or("–");
        match listing.denied {
            1 => writeln!(out, "1 more process cannot be read: {reason}")?,
            more => writeln!(out, "{more} more processes cannot be read; the first one: {reason}")?,
        }
    }
    Ok(())
}

fn versions(inspection: &Inspection) -> String {
    let version = |copy: &asynctop_inspect::TokioCopy| copy.version.clone();
    let known: Vec<_> =
        inspection.tokio.iter().map(|c| version(c).unwrap_or_else(|| "–".into())).collect();
    known.join(",")
}

/// The numbers of runtimes, workers and tasks; `–` if not all workers are known.
fn counts(inspection: &Inspection) -> [String; 3] {
    let runtimes = &inspection.runtimes;
    let all_known = runtimes.iter().all(|runtime| runtime.no_workers.is_none());
    let workers: usize = runtimes.iter().map(|runtime| runtime.workers.len()).sum();
    let workers = if all_known { workers.to_string() } else { "–".to_owned() };
    [runtimes.len().to_string(), workers, inspection.tasks.len().to_string()]
}

/// Writes all tasks of a process: to a new file, or else to `out`. Equal tasks are one entry
/// unless `all` is set.
///
/// # Errors
/// If the process cannot be read, the file exists, or it cannot be written.
pub fn dump(pid: u32, all: bool, file: Option<&Path>, out: &mut impl Write) -> anyhow::Result<()> {
    let inspection = Process::open(pid)?.inspect(&Options::default())?;
    let options = if all { TextOptions::all() } else { TextOptions::default() };
    let Some(path) = file else {
        report::text(&inspection, options, out)?;
        return Ok(out.flush()?);
    };
    let mut out = BufWriter::new(create(path)?);
    let written = report::text(&inspection, options, &mut out).and_then(|()| out.flush());
    written.map_err(|error| anyhow!("cannot write {}: {error}; check the disk", path.display()))
}

/// Creates a file that only its owner can read. An existing file or link is an error.
fn create(path: &Path) -> anyhow::Result<File> {
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    created.map_err(|error| {
        let path = path.display();
        anyhow!("cannot create {path}: {error}; name a file that does not exist")
    })
}
