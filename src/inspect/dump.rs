//! All tasks of a program, once.

use std::{
    io::{self, BufWriter, Write},
    path::Path,
};

use anyhow::anyhow;
use asynctop_inspect::{
    Inspection, Options, Process,
    report::{self, TextOptions},
};

use super::json;
use crate::{
    private_file,
    report::TableFormat,
    source::{Program, ReadOptions, process},
};

/// Writes all tasks of a program: to a new file, or else to `out`. Equal tasks are one entry of a
/// text unless `all` is set.
///
/// # Errors
/// If the program cannot be read, the file exists, or it cannot be written.
pub fn dump(
    program: &Program,
    read: ReadOptions,
    all: bool,
    format: TableFormat,
    file: Option<&Path>,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let mut options = Options::default();
    options.stop_running = !read.no_stop;
    let inspection = Process::open(process::find(program)?)?.inspect(&options)?;
    let Some(path) = file else {
        write(&inspection, all, format, out)?;
        return Ok(out.flush()?);
    };
    // An error of this file, not of stdout.
    let file = private_file::create(path).map_err(|error| anyhow!("{error}"))?;
    let mut out = BufWriter::new(file);
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
