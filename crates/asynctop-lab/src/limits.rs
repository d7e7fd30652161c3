//! Limits of the operating system: raised where that is permitted, otherwise reported.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Open files that a process needs beyond its connections.
const SPARE: u64 = 64;

/// A limit that is too low, and how to raise it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitTooLow {
    /// The limit on open files.
    #[error(
        "needs {needed} open files, and the limit is {limit}: raise it with `ulimit -n {needed}`"
    )]
    Files {
        /// The required limit.
        needed: u64,
        /// The current limit.
        limit: u64,
    },
    /// The number of local ports for outgoing connections.
    #[error(
        "needs {needed} ports for clients, and the system has {limit}: widen \
         net.ipv4.ip_local_port_range with sysctl"
    )]
    Ports {
        /// The required number of ports.
        needed: u64,
        /// The available number of ports.
        limit: u64,
    },
}

/// Raises limits for this many additional connections within this machine, each with `ends` (1 or
/// 2) of its two ends in this process.
pub(crate) fn allow_connections(connections: u64, ends: u64) -> Result<(), LimitTooLow> {
    match ephemeral_ports() {
        Some(limit) if limit < connections => {
            Err(LimitTooLow::Ports { needed: connections, limit })
        }
        _ => allow_open_files(open_files().saturating_add(connections.saturating_mul(ends))),
    }
}

/// Raises the limit on open files if necessary, for this process and its future children.
pub(crate) fn allow_open_files(files: u64) -> Result<(), LimitTooLow> {
    let needed = files + SPARE;
    let mut limits: Rlimit = getrlimit(Resource::Nofile);
    if limits.current.is_some_and(|current| current < needed) {
        let hard_limit = limits.maximum.unwrap_or(needed);
        // Raising the hard limit requires a privilege; without it, the hard limit is the maximum.
        let raised =
            Rlimit { current: Some(needed), maximum: limits.maximum.map(|max| max.max(needed)) };
        if setrlimit(Resource::Nofile, raised).is_err() {
            limits.current = Some(hard_limit.min(needed));
            // The check below reports a failure.
            let _ = setrlimit(Resource::Nofile, limits);
        }
    }
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    if limit < needed { Err(LimitTooLow::Files { needed, limit }) } else { Ok(()) }
}

/// The number of open files of this process; 0 where it is unknown.
fn open_files() -> u64 {
    std::fs::read_dir("/proc/self/fd").map_or(0, |files| files.count() as u64)
}

/// The number of local ports for outgoing connections to one address, where it is known.
fn ephemeral_ports() -> Option<u64> {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let mut bounds = range.split_whitespace().map(|bound| bound.parse::<u64>().ok());
    let (first, last) = (bounds.next()??, bounds.next()??);
    Some((last + 1).saturating_sub(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn low_limit_is_reported_with_a_way_to_raise_it() {
        let error = allow_open_files(u64::MAX / 2).expect_err("too many").to_string();
        assert!(error.contains("open files") && error.contains("ulimit -n"), "{error}");
        assert_eq!(allow_open_files(1), Ok(()));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn more_connections_than_ports_are_refused() {
        let error = allow_connections(70_000, 1).expect_err("too many").to_string();
        assert!(error.contains("ip_local_port_range"), "{error}");
    }
}
