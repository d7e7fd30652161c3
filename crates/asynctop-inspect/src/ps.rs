//! The Tokio programs of this machine.

use std::{fs, io};

use crate::{InspectError, Inspection, OpenError, Options, Process};

/// The result of [`list`].
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Listing {
    /// The Tokio programs, by process id.
    pub programs: Vec<Program>,
    /// Processes that this user must not read.
    pub denied: usize,
    /// Why the first of them is denied.
    pub first_denied: Option<String>,
    /// Processes without Tokio, or with a version that is not supported.
    pub others: usize,
}

/// A Tokio program.
#[derive(Debug)]
#[non_exhaustive]
pub struct Program {
    /// Process id.
    pub pid: u32,
    /// Name of the program.
    pub command: String,
    /// Its runtimes and tasks, or the reason why they could not be read.
    pub inspection: Result<Inspection, InspectError>,
}

/// Examines all processes of this machine except this one.
///
/// # Errors
///
/// If `/proc` cannot be read, or this machine's processor is not supported.
pub fn list() -> io::Result<Listing> {
    let own = std::process::id();
    let mut pids: Vec<u32> = fs::read_dir("/proc")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != own)
        .collect();
    pids.sort_unstable();
    let mut listing = Listing::default();
    for pid in pids {
        match Process::open(pid) {
            Ok(mut process) => {
                let inspection = process.inspect(&Options::states_only());
                let command = process.command().to_owned();
                listing.programs.push(Program { pid, command, inspection });
            }
            Err(OpenError::Denied { reason, .. }) => {
                listing.denied += 1;
                listing.first_denied.get_or_insert(reason);
            }
            // It has ended since the directory was read, or it has no memory to read, as a kernel
            // thread.
            Err(OpenError::NotFound { .. } | OpenError::Gone(_) | OpenError::NoMemory { .. }) => {}
            Err(error @ OpenError::Unsupported { .. }) => {
                return Err(io::Error::new(io::ErrorKind::Unsupported, error));
            }
            Err(_) => listing.others += 1,
        }
    }
    Ok(listing)
}
