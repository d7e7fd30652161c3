//! The connection to a watched program.

use std::sync::Arc;

use crate::text::duration;

/// The state of the connection to a target.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Connection {
    /// The target is a runtime in this process.
    InProcess,
    /// Connecting for the first time: no update has been received, and no attempt has failed.
    Connecting {
        /// When the attempt began, on the target's clock.
        since_ns: u64,
    },
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
        /// The reason why the most recent attempt, or the connection, has failed.
        reason: Arc<str>,
        /// The next attempt.
        retry: Retry,
    },
}

/// The next attempt to connect to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Retry {
    /// There is none: the target has ended.
    Never,
    /// It begins after this time, in nanoseconds.
    In(u64),
    /// It began at this time, on the target's clock, and has not succeeded yet.
    Since(u64),
}

impl Connection {
    /// The name in reports.
    pub fn as_str(&self) -> &'static str {
        match self {
            Connection::InProcess => "in-process",
            Connection::Connecting { .. } => "connecting",
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
            Connection::Connecting { since_ns } => format!("connecting for {}", ago(since_ns)),
            Connection::Connected if epoch == 2 => "connected, restarted once".to_owned(),
            Connection::Connected if epoch > 2 => {
                format!("connected, restarted {} times", epoch - 1)
            }
            Connection::Connected => "connected".to_owned(),
            Connection::Stale { since_ns } => format!("stale, last update {} ago", ago(since_ns)),
            Connection::Lost { since_ns, reason, retry } => {
                let since = match since_ns {
                    Some(since_ns) => format!("disconnected for {}", ago(since_ns)),
                    None => "not connected".to_owned(),
                };
                let retry = match retry {
                    Retry::Never => String::new(),
                    Retry::In(nanos) => format!("; next attempt in {}", duration(*nanos)),
                    Retry::Since(since_ns) => format!("; trying again for {}", ago(since_ns)),
                };
                format!("{since}: {reason}{retry}")
            }
        }
    }
}
