//! Raises the limits of the system that a comparison needs.

use std::fmt;

use rustix::process::{Resource, getrlimit};

use super::Style;
use crate::limits::{self, TooLow};

/// Why a number of connections was not measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A limit on files or ports is too low.
    Limit(TooLow),
    /// The limit on threads is too low.
    Threads {
        /// How many are needed.
        wanted: u64,
        /// How many are allowed at the most.
        limit: u64,
    },
    /// Not all connections could be opened.
    Connections {
        /// How many could.
        opened: usize,
        /// What the next one met with.
        why: String,
    },
    /// A connection broke while it was measured.
    Broken(String),
    /// The client failed.
    Client(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Limit(limit) => limit.fmt(f),
            Refusal::Threads { wanted, limit } => write!(
                f,
                "needs {wanted} threads, and the limit is {limit}: raise it with `ulimit -u`, or the \
                 control group's pids.max"
            ),
            Refusal::Connections { opened, why } => {
                write!(f, "only {opened} connections could be opened: {why}")
            }
            Refusal::Broken(why) => write!(f, "a connection broke: {why}"),
            Refusal::Client(why) => write!(f, "the client failed: {why}"),
        }
    }
}

impl From<TooLow> for Refusal {
    fn from(limit: TooLow) -> Self {
        Refusal::Limit(limit)
    }
}

/// Raises the limit on open files where it must be, and checks that `connections` fit.
pub(super) fn make_room(connections: usize, style: Style) -> Result<(), Refusal> {
    limits::open_files(connections as u64)?;
    let wanted = connections as u64 + 1;
    match most_threads().filter(|limit| style == Style::Threads && *limit < wanted) {
        Some(limit) => Err(Refusal::Threads { wanted, limit }),
        None => Ok(()),
    }
}

/// The least of the limits on threads that are known; processes of others count too, so
/// that fewer may be had.
fn most_threads() -> Option<u64> {
    let number = |path: &str| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    // A thread's stack takes two mappings, its guard page being one.
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
