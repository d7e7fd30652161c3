//! Raises the limits of the system that the benchmark needs.

use std::fmt;

use rustix::process::{Resource, getrlimit};

use super::ServiceStyle;
use crate::limits::{self, LimitTooLow};

/// The reason why a number of connections was not measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MeasureError {
    /// A limit on files or ports is too low.
    Limit(LimitTooLow),
    /// The limit on threads is too low.
    Threads {
        /// The required number of threads.
        needed: u64,
        /// The maximum number of threads.
        limit: u64,
    },
    /// Not all connections could be opened.
    Connections {
        /// The number of open connections.
        opened: usize,
        /// The error of the next connection.
        reason: String,
    },
    /// A connection was lost during the measurement.
    Broken(String),
    /// The client failed.
    Client(String),
}

impl fmt::Display for MeasureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MeasureError::Limit(limit) => limit.fmt(f),
            MeasureError::Threads { needed, limit } => write!(
                f,
                "needs {needed} threads, and the limit is {limit}: raise it with `ulimit -u`, or the \
                 control group's pids.max"
            ),
            MeasureError::Connections { opened, reason } => {
                write!(f, "only {opened} connections could be opened: {reason}")
            }
            MeasureError::Broken(reason) => write!(f, "a connection was lost: {reason}"),
            MeasureError::Client(reason) => write!(f, "the client failed: {reason}"),
        }
    }
}

impl From<LimitTooLow> for MeasureError {
    fn from(limit: LimitTooLow) -> Self {
        MeasureError::Limit(limit)
    }
}

/// Raises the limit on open files if necessary, and checks the limit on threads.
pub(super) fn raise(connections: usize, style: ServiceStyle) -> Result<(), MeasureError> {
    limits::allow_open_files(connections as u64)?;
    let needed = connections as u64 + 1;
    match max_threads().filter(|limit| style == ServiceStyle::Threads && *limit < needed) {
        Some(limit) => Err(MeasureError::Threads { needed, limit }),
        None => Ok(()),
    }
}

/// The lowest of the known limits on threads. Some of them include other processes, so the actual
/// number can be lower.
fn max_threads() -> Option<u64> {
    let number = |path: &str| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    // The stack of a thread and its guard page are one mapping each.
    let mappings = number("/proc/sys/vm/max_map_count").map(|maps| maps / 2);
    [
        getrlimit(Resource::Nproc).current,
        number("/proc/sys/kernel/threads-max"),
        number("/sys/fs/cgroup/pids.max"),
        mappings,
    ]
    .into_iter()
    .flatten()
    .min()
}
