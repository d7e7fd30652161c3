//! The connection to a watched program.

use std::sync::Arc;

use crate::text::duration;

/// The state of the connection to a target.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Connection {
    /// The target is a runtime in this process.
    InProcess,
    /// Connecting for the first time.
    Connecting,
    /// Connected, with updates arriving on time.
    Connected,
    /// Connected, but an update is overdue.
    Stale {
        /// When the last update arrived, on the target's clock.
        since_ns: u64,
    },
    /// Not connected; the statistics are those of the last update.
    Lost {
        /// When the connection ended, on the target's clock; `None` if there never was one.
        since_ns: Option<u64>,
        /// The reason.
        reason: Arc<str>,
        /// The time until the next attempt, in nanoseconds; 0 during an attempt. `None` after the
        /// last attempt.
        retry_in_ns: Option<u64>,
    },
}

impl Connection {
    /// The name in reports.
    pub fn as_str(&self) -> &'static str {
        match self {
            Connection::InProcess => "in-process",
            Connection::Connecting => "connecting",
            Connection::Connected => "connected",
            Connection::Stale { .. } => "stale",
            Connection::Lost { .. } => "lost",
        }
    }

    /// Whether the statistics are current.
    pub fn is_live(&self) -> bool {
        matches!(self, Connection::InProcess | Connection::Connected)
    }

    /// Whether the target runs in another process.
    pub fn is_remote(&self) -> bool {
        *self != Connection::InProcess
    }

    /// The state as text, at `now_ns` on the target's clock. `epoch` counts the target's processes.
    pub fn describe(&self, now_ns: u64, epoch: u32) -> String {
        let ago = |since_ns: &u64| duration(now_ns.saturating_sub(*since_ns));
        match self {
            Connection::InProcess => "in this process".to_owned(),
            Connection::Connecting => "connecting".to_owned(),
            Connection::Connected if epoch > 1 => {
                format!("connected to process {epoch}, restarted")
            }
            Connection::Connected => "connected".to_owned(),
            Connection::Stale { since_ns } => format!("stale, last update {} ago", ago(since_ns)),
            Connection::Lost { since_ns, reason, retry_in_ns } => {
                let since = match since_ns {
                    Some(since_ns) => format!("disconnected for {}", ago(since_ns)),
                    None => "not connected".to_owned(),
                };
                let retry = match retry_in_ns {
                    None => String::new(),
                    Some(0) => "; reconnecting".to_owned(),
                    Some(nanos) => format!("; next attempt in {}", duration(*nanos)),
                };
                format!("{since}: {reason}{retry}")
            }
        }
    }
}
