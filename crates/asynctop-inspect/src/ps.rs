//! The Tokio programs of this machine.

use std::{ffi::OsStr, fs, io, os::unix::ffi::OsStrExt, path::Path};

use crate::{InspectError, Inspection, OpenError, Options, Process, process::stat::Stat};

/// The result of [`list`].
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Listing {
    /// The Tokio programs, by process id.
    pub programs: Vec<Program>,
    /// Number of processes that this user must not read.
    pub denied: usize,
    /// The reason for the first denied process.
    pub first_denied: Option<String>,
    /// Number of processes without Tokio, or with a version that is not supported.
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
    let mut listing = Listing::default();
    for pid in other_processes()? {
        match Process::open(pid) {
            Ok(mut process) => {
                let mut inspection = process.inspect(&Options::states_only());
                // Local sets that are idle, and the runtimes of older versions while they have no
                // tasks, are found only by a scan of the heap.
                if inspection.as_ref().is_ok_and(|inspection| inspection.tasks.is_empty()) {
                    let mut options = Options::states_only();
                    options.scan = true;
                    inspection = process.inspect(&options);
                }
                let command = process.command().to_owned();
                listing.programs.push(Program { pid, command, inspection });
            }
            Err(OpenError::Denied { reason, .. }) => {
                listing.denied += 1;
                listing.first_denied.get_or_insert(reason);
            }
            // A process that has ended since the directory was read, or a kernel thread.
            Err(OpenError::NotFound { .. } | OpenError::Gone(_) | OpenError::NoMemory { .. }) => {}
            Err(error @ OpenError::Unsupported { .. }) => {
                return Err(io::Error::new(io::ErrorKind::Unsupported, error));
            }
            Err(_) => listing.others += 1,
        }
    }
    Ok(listing)
}

/// The ids of the processes whose program has this name: the kernel's name for it, of at most 15
/// bytes, that of the executable file, or that of the first argument.
///
/// # Errors
///
/// If `/proc` cannot be read.
pub fn named(name: &str) -> io::Result<Vec<u32>> {
    Ok(other_processes()?.into_iter().filter(|pid| has_name(*pid, name)).collect())
}

/// The descendants of a process: its children, then the children of these, and so on.
///
/// # Errors
///
/// If `/proc` cannot be read.
pub fn descendants(pid: u32) -> io::Result<Vec<u32>> {
    // A process that has ended has no parent.
    let parent = |pid: u32| Some((pid, Stat::read(pid).ok()?.parent));
    let mut others: Vec<(u32, u32)> =
        other_processes()?.into_iter().filter(|id| *id != pid).filter_map(parent).collect();
    // Each process is taken once: ids are reused while `/proc` is read, so there may be cycles.
    let mut family = vec![pid];
    let mut next = 0;
    while let Some(&current) = family.get(next) {
        let children = others.extract_if(.., |(_, parent)| *parent == current);
        family.extend(children.map(|(child, _)| child));
        next += 1;
    }
    Ok(family.split_off(1))
}

fn has_name(pid: u32, name: &str) -> bool {
    let file = |file: &str| format!("/proc/{pid}/{file}");
    // A process that has ended, or is hidden, has no name.
    let comm = fs::read(file("comm")).unwrap_or_default();
    if comm.trim_ascii_end() == name.as_bytes() {
        return true;
    }
    let is_named = |path: &Path| path.file_name() == Some(OsStr::new(name));
    let arguments = fs::read(file("cmdline")).unwrap_or_default();
    let first = arguments.split(|byte| *byte == 0).next().unwrap_or_default();
    is_named(Path::new(OsStr::from_bytes(first)))
        || fs::read_link(file("exe")).is_ok_and(|path| is_named(&path))
}

/// The ids of all processes except this one, sorted.
fn other_processes() -> io::Result<Vec<u32>> {
    let this = std::process::id();
    let entries = fs::read_dir("/proc")?;
    let mut pids: Vec<u32> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != this)
        .collect();
    pids.sort_unstable();
    Ok(pids)
}
