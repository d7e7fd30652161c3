//! The kinds of work that the lab does, one file each.

mod cruncher;
mod feed;
mod heartbeats;
pub(super) mod hog;
mod panic;
mod pingpong;
mod tcp;

use std::{io, str::FromStr};

use tokio::task::AbortHandle;

use super::{LabError, shared::Done, spawner::Spawner};

/// A kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WorkloadKind {
    /// Tasks that wake up on a timer, and that show how late they are.
    Heartbeats,
    /// A TCP service on the loopback interface with real client connections.
    Tcp,
    /// Pairs of tasks that pass a message to and fro.
    PingPong,
    /// Computing in short slices with a yield between them.
    Cruncher,
    /// Tasks that a thread outside of the runtime sends to.
    Feed,
    /// Tasks that panic soon after they began: for tests of what comes after, so it is
    /// not in [`ALL`](Self::ALL).
    Panic,
}

impl WorkloadKind {
    /// The kinds that a scenario can ask for.
    pub const ALL: [WorkloadKind; 5] = [
        WorkloadKind::Heartbeats,
        WorkloadKind::Tcp,
        WorkloadKind::PingPong,
        WorkloadKind::Cruncher,
        WorkloadKind::Feed,
    ];

    /// Its name in scenarios.
    pub fn as_str(self) -> &'static str {
        match self {
            WorkloadKind::Heartbeats => "heartbeats",
            WorkloadKind::Tcp => "tcp",
            WorkloadKind::PingPong => "pingpong",
            WorkloadKind::Cruncher => "cruncher",
            WorkloadKind::Feed => "feed",
            WorkloadKind::Panic => "panic",
        }
    }

    /// What one unit of its work is; `None` if it is not closed-loop.
    pub fn unit(self) -> Option<&'static str> {
        match self {
            WorkloadKind::Tcp => Some("request"),
            WorkloadKind::PingPong => Some("round trip"),
            WorkloadKind::Cruncher => Some("slice"),
            WorkloadKind::Heartbeats | WorkloadKind::Feed | WorkloadKind::Panic => None,
        }
    }

    /// How many tasks it needs for this count.
    pub(super) fn tasks(self, count: usize) -> usize {
        match self {
            // A client and its connection each, and one that accepts.
            WorkloadKind::Tcp => count.saturating_mul(2).saturating_add(1),
            WorkloadKind::PingPong => count.saturating_mul(2),
            _ => count,
        }
    }
}

impl FromStr for WorkloadKind {
    type Err = LabError;

    fn from_str(name: &str) -> Result<Self, LabError> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name).ok_or_else(|| {
            let known = Self::ALL.iter().map(|kind| kind.as_str().to_owned()).collect();
            LabError::UnknownWorkload { name: name.to_owned(), known }
        })
    }
}

/// Work that can be done by any number of units.
pub(super) trait Workload: Send {
    /// Starts one more unit and gives the task whose end ends the unit. Never waits.
    fn start(&mut self, number: usize) -> AbortHandle;
}

/// Makes ready what all units of a workload share.
pub(super) fn open(
    kind: WorkloadKind,
    spawner: &Spawner,
    done: Done,
) -> io::Result<Box<dyn Workload>> {
    let spawner = spawner.clone();
    Ok(match kind {
        WorkloadKind::Heartbeats => Box::new(heartbeats::Heartbeats::new(spawner)),
        WorkloadKind::Tcp => Box::new(tcp::Tcp::open(spawner, done)?),
        WorkloadKind::PingPong => Box::new(pingpong::PingPong::new(spawner, done)),
        WorkloadKind::Cruncher => Box::new(cruncher::Cruncher::new(spawner, done)),
        WorkloadKind::Feed => Box::new(feed::Feed::open(spawner)?),
        WorkloadKind::Panic => Box::new(panic::Panic::new(spawner)),
    })
}
