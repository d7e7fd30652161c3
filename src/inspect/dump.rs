//! All tasks of a program, once.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use anyhow::anyhow;
use asynctop_inspect::{
    Inspection, Options, Process,
    report::{self, TextOptions},
};

use super::json;
use crate::{
    cli::TableFormat,
    source::{Program, process},
};

/// Writes all tasks of a program: to a new file, or else to `out`. Equal tasks are one entry of a
/// text unless `all` is set.
///
/// # Errors
/// If the program cannot be read, the file exists, or it cannot be written.
pub fn dump(
    program: &Program,
    all: bool,
    format: TableFormat,
    file: Option<&Path>,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let inspection = Process::open(process::find(program)?)?.inspect(&Options::default())?;
    let Some(path) = file else {
        write(&inspection, all, format, out)?;
        return Ok(out.flush()?);
    };
    let mut out = BufWriter::new(create(path)?);
    let written = write(&inspection, all, format, &mut out).and_then(|()| out.flush());
    written.map_err(|error| anyhow!("cannot write {}: {error}; check the disk", path.display()))
}

fn write(
    inspection: &Inspection,
    all: bool,
    format: TableFormat,
    out: &mut impl Write,
) -> io::Result<()> {
    match format {
        TableFormat::Text if all => report::text(inspection, TextOptions::all(), out),
        TableFormat::Text => report::text(inspection, TextOptions::default(), out),
        TableFormat::Json => json::write(json::Targets::of(inspection), out),
    }
}

/// Creates a file that only its owner can read. An existing file or link is an error.
fn create(path: &Path) -> anyhow::Result<File> {
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    created.map_err(|error| {
        let path = path.display();
        anyhow!("cannot create {path}: {error}; name a file that does not exist")
    })
}
