//! The server for tokio-console in the lab.

use std::{net::SocketAddr, sync::Arc};

/// The server that reports the lab's tasks to tokio-console. It slows down each poll.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ConsoleStats {
    /// The address for tokio-console to connect to.
    pub address: SocketAddr,
    /// The overhead per poll, in nanoseconds, as measured on this machine at the start. Busy and
    /// scheduled times include it.
    pub added_ns_per_poll: u64,
    /// The reason why the server has ended, if it has.
    pub ended: Option<Arc<str>>,
}
