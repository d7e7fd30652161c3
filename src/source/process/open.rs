//! Finds programs and opens a source for each of their runtimes.

use std::{io, sync::Arc};

use asynctop_inspect::{Flavor, InspectError, OpenError, Process, RuntimeInfo, ps};

use super::{
    Program,
    observed::Observed,
    source::{Part, RuntimeSource},
};
use crate::{snapshot::TargetId, source::Source, text::excerpt};

/// How many programs of a name are listed.
const LISTED: usize = 20;

/// Why a program cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It cannot be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It has ended meanwhile.
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
    /// A program is to be watched twice.
    #[error("process {0} is given twice; give each target once")]
    Twice(u32),
    /// It has no runtime.
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
    /// The processes cannot be listed.
    #[error("cannot read /proc to find processes: {0}; give a process ID")]
    List(#[source] io::Error),
}

/// Begins to sample these programs; a source for each of their runtimes, in their order. The ids of
/// the targets count from `first`.
///
/// # Errors
/// If one of them cannot be watched.
pub fn open(programs: &[Program], first: TargetId) -> Result<Vec<Box<dyn Source>>, ProcessError> {
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
        let observed = Arc::new(Observed::attach(pid)?);
        let parts = parts(&observed.sample()?.runtimes);
        if parts.is_empty() {
            let command = observed.command().to_owned();
            return Err(ProcessError::NoRuntime { pid, command });
        }
        for part in parts {
            let id = TargetId(first.0 + sources.len() as u32);
            sources.push(Box::new(RuntimeSource::new(id, Arc::clone(&observed), part)));
        }
    }
    Ok(sources)
}

/// The process ID of a program. Of several programs with the same name, only those count that use
/// Tokio.
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
            let ids: Vec<_> = all.iter().take(LISTED).map(u32::to_string).collect();
            let more = if all.len() > LISTED { ", …" } else { "" };
            let ids = format!("{}{more}", ids.join(", "));
            Err(ProcessError::Ambiguous { name: excerpt(name), ids })
        }
    }
}

/// The runtimes of a program. A `LocalSet` is none of its own: its tasks run on the thread of a
/// runtime, which is the only one, the only current-thread one, or else the first.
fn parts(runtimes: &[RuntimeInfo]) -> Vec<Part> {
    let own: Vec<&RuntimeInfo> =
        runtimes.iter().filter(|runtime| runtime.flavor != Flavor::LocalSet).collect();
    let is_single = |runtime: &&&RuntimeInfo| runtime.flavor == Flavor::CurrentThread;
    let mut single = own.iter().filter(is_single);
    let of_local_sets = match (single.next(), single.next()) {
        (Some(only), None) => Some(only.handle),
        _ => own.first().map(|runtime| runtime.handle),
    };
    own.iter()
        .enumerate()
        .map(|(index, runtime)| Part {
            number: (own.len() > 1).then_some(index),
            handle: runtime.handle,
            has_local_sets: Some(runtime.handle) == of_local_sets,
        })
        .collect()
}
