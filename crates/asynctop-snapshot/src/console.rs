//! What is known of the server that shows a program to tokio-console.

use std::{net::SocketAddr, sync::Arc};

/// The tasks that are measured here are shown to tokio-console as well, which costs them.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ConsoleStats {
    /// Where tokio-console finds it.
    pub address: SocketAddr,
    /// What each poll takes longer by it, in ns, as measured on this machine at the start.
    /// Busy and scheduled times have it in them.
    pub added_ns_per_poll: u64,
    /// Why it is served no longer, if it is not.
    pub ended: Option<Arc<str>>,
}
