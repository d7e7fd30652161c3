//! The JSON documents, in the envelope of all reports.

use std::{
    io::{self, Write},
    time::SystemTime,
};

use asynctop_inspect::Inspection;
use serde::Serialize;

use crate::report::json::Envelope;

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
    serde_json::to_writer_pretty(&mut *out, &Envelope::new(SystemTime::now(), content))?;
    writeln!(out)
}
