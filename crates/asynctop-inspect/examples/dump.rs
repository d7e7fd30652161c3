//! Prints all tasks of a running Tokio program: `dump PID [--all] [--json] [--no-scan] [--stop]`.

#![allow(clippy::print_stderr, reason = "an example prints its errors")]

use std::{
    io::{self, BufWriter, Write},
    process::ExitCode,
};

use asynctop_inspect::{Options, Process, report};

const USAGE: &str = "usage: dump PID [--all] [--json] [--no-scan] [--stop]";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        // The reader, for example `head`, has closed the pipe.
        Err(error)
            if error
                .downcast_ref::<io::Error>()
                .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) =>
        {
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("dump: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let mut pid = None;
    let (mut all, mut json, mut options) = (false, false, Options::default());
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--all" => all = true,
            "--json" => json = true,
            "--no-scan" => options.scan = false,
            "--stop" => options.stop_running = true,
            text => match text.parse() {
                Ok(number) if pid.is_none() => pid = Some(number),
                _ => return Err(format!("cannot understand {text:?}; {USAGE}").into()),
            },
        }
    }
    let mut process = Process::open(pid.ok_or(USAGE)?)?;
    let inspection = process.inspect(&options)?;
    let mut out = BufWriter::new(io::stdout().lock());
    if json {
        serde_json::to_writer_pretty(&mut out, &inspection)?;
        writeln!(out)?;
    } else {
        let options = if all { report::TextOptions::all() } else { report::TextOptions::default() };
        report::text(&inspection, options, &mut out)?;
    }
    Ok(out.flush()?)
}
