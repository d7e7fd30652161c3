//! The envelope that all JSON documents share.

use std::{
    io::{self, Write},
    time::SystemTime,
};

use asynctop_inspect::Inspection;
use serde::Serialize;

#[derive(Serialize)]
struct Envelope<T> {
    schema: &'static str,
    /// UTC, in ISO 8601.
    time: String,
    #[serde(flatten)]
    content: T,
}

/// Everything that was read of one program.
#[derive(Serialize)]
pub(super) struct Targets<'a> {
    targets: [Target<'a>; 1],
}

#[derive(Serialize)]
struct Target<'a> {
    name: String,
    process_id: u32,
    #[serde(flatten)]
    inspection: &'a Inspection,
}

impl<'a> Targets<'a> {
    pub(super) fn of(inspection: &'a Inspection) -> Self {
        let (command, process_id) = (&inspection.command, inspection.pid);
        let name = format!("{command}:{process_id}");
        Targets { targets: [Target { name, process_id, inspection }] }
    }
}

/// Writes a document in lines that people can read.
pub(super) fn write(content: impl Serialize, out: &mut impl Write) -> io::Result<()> {
    let time = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
    let document = Envelope { schema: "asynctop/2", time, content };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}
