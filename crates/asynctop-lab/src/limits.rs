//! Limits of the system: raised where that is allowed, otherwise reported.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Open files that a process needs beyond its connections.
const SPARE: u64 = 64;

/// A limit that is too low, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooLow {
    /// The limit on open files.
    #[error(
        "needs {wanted} open files, and the limit is {limit}: raise it with `ulimit -n {wanted}`"
    )]
    Files {
        /// How many are needed.
        wanted: u64,
        /// How many are allowed at the most.
        limit: u64,
    },
    /// The ports that the system gives to clients.
    #[error(
        "needs {wanted} ports for clients, and the system has {limit}: widen \
         net.ipv4.ip_local_port_range with sysctl"
    )]
    Ports {
        /// How many are needed.
        wanted: u64,
        /// How many there are.
        limit: u64,
    },
}

/// Makes room for connections within this machine, one or both `ends` of which are in this
/// process, beside what it has open.
pub(crate) fn connections(connections: u64, ends: u64) -> Result<(), TooLow> {
    match ports() {
        Some(limit) if limit < connections => Err(TooLow::Ports { wanted: connections, limit }),
        _ => open_files(open_now().saturating_add(connections.saturating_mul(ends))),
    }
}

/// Raises the limit on open files, as far as it may be and is needed, for this process
/// and those that it starts.
pub(crate) fn open_files(needed: u64) -> Result<(), TooLow> {
    let wanted = needed + SPARE;
    let mut files: Rlimit = getrlimit(Resource::Nofile);
    if files.current.is_some_and(|current| current < wanted) {
        let most = files.maximum.unwrap_or(wanted);
        // Who may raise what is allowed at the most does so; others get all that is allowed.
        let raised =
            Rlimit { current: Some(wanted), maximum: files.maximum.map(|most| most.max(wanted)) };
        if setrlimit(Resource::Nofile, raised).is_err() {
            files.current = Some(most.min(wanted));
            // If that fails too, the check below says so.
            let _ = setrlimit(Resource::Nofile, files);
        }
    }
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    if limit < wanted { Err(TooLow::Files { wanted, limit }) } else { Ok(()) }
}

/// What the process has open, where the system tells.
fn open_now() -> u64 {
    std::fs::read_dir("/proc/self/fd").map_or(0, |files| files.count() as u64)
}

/// How many ports the system gives to clients of one address, where it tells.
fn ports() -> Option<u64> {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let mut ends = range.split_whitespace().map(|end| end.parse::<u64>().ok());
    let (first, last) = (ends.next()??, ends.next()??);
    Some((last + 1).saturating_sub(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_had_says_which_limit_and_how_to_raise_it() {
        let error = open_files(u64::MAX / 2).expect_err("too many").to_string();
        assert!(error.contains("open files") && error.contains("ulimit -n"), "{error}");
        assert_eq!(open_files(1), Ok(()));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn there_are_fewer_ports_than_numbers_for_them() {
        let error = connections(70_000, 1).expect_err("too many").to_string();
        assert!(error.contains("ip_local_port_range"), "{error}");
    }
}
