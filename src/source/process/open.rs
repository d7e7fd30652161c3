//! Finds programs and opens a source for each of their runtimes.

use std::{io, sync::Arc};

use asynctop_inspect::{InspectError, OpenError, Process, ps};

use super::{Program, ReadOptions, observed::Observed, source::RuntimeSource};
use crate::{launch::Launched, source::Source, text::excerpt};

/// Maximum number of process IDs in an error message.
const MAX_IDS: usize = 20;

/// The reason why a program cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The program cannot be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The program has ended.
    #[error(transparent)]
    Ended(#[from] InspectError),
    /// No process has this name.
    #[error("no process is named {0}; `asynctop ps` lists the Tokio programs of this machine")]
    NoSuchName(String),
    /// Several programs have this name.
    #[error("several programs are named {name}: {ids}; choose one by its process ID")]
    Ambiguous {
        /// The name.
        name: String,
        /// Their process IDs, separated by commas.
        ids: String,
    },
    /// A program is given twice.
    #[error("process {0} is given twice; give each target once")]
    Twice(u32),
    /// The program has no runtime.
    #[error(
        "process {pid} ({command}) contains Tokio, but no runtime was found in it; try again when \
         it has started one"
    )]
    NoRuntime {
        /// Its process ID.
        pid: u32,
        /// Name of the program.
        command: String,
    },
    /// No thread can be started.
    #[error("cannot start a thread to find the runtime: {0}; try a higher `ulimit -u`")]
    Thread(#[source] io::Error),
    /// The processes cannot be listed.
    #[error("cannot read /proc to find processes: {0}; give a process ID")]
    List(#[source] io::Error),
}

/// Starts to sample these programs. Returns a source for the first runtime of each, which discovers
/// the other runtimes.
///
/// # Errors
/// If a program cannot be watched.
pub fn open(
    programs: &[Program],
    options: ReadOptions,
) -> Result<Vec<Box<dyn Source>>, ProcessError> {
    let mut pids = Vec::new();
    for program in programs {
        let pid = find(program)?;
        if pids.contains(&pid) {
            return Err(ProcessError::Twice(pid));
        }
        pids.push(pid);
    }
    let mut sources: Vec<Box<dyn Source>> = Vec::new();
    for pid in pids {
        let observed = Arc::new(Observed::attach(pid, options)?);
        if !observed.has_runtime()? {
            return Err(ProcessError::NoRuntime { pid, command: observed.command() });
        }
        sources.push(Box::new(RuntimeSource::new(observed)));
    }
    Ok(sources)
}

/// Samples a command from its first runtime on: the command itself, or else a program that it has
/// started.
///
/// # Errors
/// If no thread can be started.
pub fn launched(
    command: Arc<Launched>,
    options: ReadOptions,
) -> Result<Box<dyn Source>, ProcessError> {
    let observed = Observed::launched(command, options).map_err(ProcessError::Thread)?;
    Ok(Box::new(RuntimeSource::new(observed)))
}

/// The process ID of a program. If several programs have the name, only those that use Tokio count.
///
/// # Errors
/// If there is none, or there are several.
pub fn find(program: &Program) -> Result<u32, ProcessError> {
    let name = match program {
        Program::Id(pid) => return Ok(*pid),
        Program::Name(name) => name,
    };
    let named = ps::named(name).map_err(ProcessError::List)?;
    match named[..] {
        [] => return Err(ProcessError::NoSuchName(excerpt(name))),
        [pid] => return Ok(pid),
        _ => {}
    }
    let readable: Vec<u32> =
        named.iter().copied().filter(|pid| Process::open(*pid).is_ok()).collect();
    match readable[..] {
        [pid] => Ok(pid),
        _ => {
            let all = if readable.is_empty() { &named } else { &readable };
            let ids: Vec<_> = all.iter().take(MAX_IDS).map(u32::to_string).collect();
            let more = if all.len() > MAX_IDS { ", …" } else { "" };
            let ids = format!("{}{more}", ids.join(", "));
            Err(ProcessError::Ambiguous { name: excerpt(name), ids })
        }
    }
}
