//! Errors, each with its cause and a remedy.

use std::io;

/// The reason why a process cannot be inspected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// No process has this id.
    #[error("no process has the id {pid}")]
    NotFound {
        /// The requested process id.
        pid: u32,
    },
    /// The kernel does not let this user read the process.
    #[error("cannot read the memory of process {pid}: {reason}")]
    Denied {
        /// The requested process id.
        pid: u32,
        /// The rule that denies access, and a remedy.
        reason: String,
    },
    /// No Tokio runtime of a supported version was found in the process.
    #[error("process {pid} ({command}) is not a Tokio program that can be read: {reason}")]
    NotTokio {
        /// The requested process id.
        pid: u32,
        /// Name of its program.
        command: String,
        /// The reason.
        reason: String,
    },
    /// A kernel thread, or a process that has ended and has not been waited for (a zombie).
    #[error("process {pid} has no memory to read: {reason}")]
    NoMemory {
        /// The requested process id.
        pid: u32,
        /// The reason.
        reason: &'static str,
    },
    /// The process ended, or started another program, while it was being read.
    #[error(transparent)]
    Gone(#[from] InspectError),
    /// Processes cannot be read on this kind of processor.
    #[error(
        "cannot read process {pid}: only x86_64 is supported, and this machine is {architecture}"
    )]
    Unsupported {
        /// The requested process id.
        pid: u32,
        /// Name of this machine's processor, as in [`std::env::consts::ARCH`].
        architecture: &'static str,
    },
    /// A file in `/proc` could not be read.
    #[error("cannot read {what} of process {pid}: {source}")]
    Io {
        /// The requested process id.
        pid: u32,
        /// The file below `/proc/PID`, or `pidfd`.
        what: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// The threads of a sampler cannot be started.
    #[error("cannot start a thread to sample process {pid}: {source}; try a higher `ulimit -u`")]
    Thread {
        /// The requested process id.
        pid: u32,
        /// The system's error.
        source: io::Error,
    },
    /// The sampler has no right to a real-time priority.
    #[error("cannot sample process {pid} with real-time priority: {reason}")]
    NoRealtime {
        /// The requested process id.
        pid: u32,
        /// The reason, and a remedy.
        reason: String,
    },
}

/// The reason why an inspection has no result.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InspectError {
    /// The process has ended. A later process with the same id is not read.
    #[error("process {pid} has ended")]
    Ended {
        /// The process id.
        pid: u32,
    },
    /// The process has replaced itself with another program (`exec`).
    #[error("process {pid} has started another program; open it again")]
    Replaced {
        /// The process id.
        pid: u32,
    },
}
