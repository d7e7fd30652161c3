//! Common parts of the services on the loopback interface: listening, accepting, retries, and
//! descriptions of errors.

use std::{
    future::Future,
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use asynctop_probe::stage;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    runtime::Handle,
    time::sleep,
};

use crate::{failure::Failure, limits, spawner::Spawner};

/// Connections that can wait to be accepted, so that many clients can start at once. The limit of
/// the system (net.core.somaxconn) may be lower.
const BACKLOG: u32 = 4096;
/// The pause before the first retry. It doubles with each retry, up to the last.
pub(super) const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(3);
/// Failed attempts in a row that make a workload fail. A single one is expected: connections are
/// cut when a count changes or a task is cancelled.
const FAILED_ATTEMPTS: u32 = 3;

/// Counts the failed attempts of a client or a service since its last success.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    failed: u32,
}

impl Attempts {
    pub(super) fn succeeded(&mut self) {
        self.failed = 0;
    }

    /// Counts a failed attempt, calls `report` if too many have failed in a row, and returns the
    /// pause before the next attempt.
    pub(super) fn failed(&mut self, report: impl FnOnce()) -> Duration {
        self.failed = self.failed.saturating_add(1);
        if self.failed >= FAILED_ATTEMPTS {
            report();
        }
        let doubled = 1u32.checked_shl(self.failed - 1).unwrap_or(u32::MAX);
        FIRST_RETRY.saturating_mul(doubled).min(LAST_RETRY)
    }
}

/// Raises limits for this many connections, each with `ends` (1 or 2) of its ends in this process.
pub(super) fn allow_connections(connections: usize, ends: u64) -> io::Result<()> {
    limits::allow_connections(connections as u64, ends)
        .map_err(|error| io::Error::other(format!("it {error}")))
}

/// Listens on a free port of the loopback interface.
pub(super) fn listen(runtime: &Handle) -> io::Result<(TcpListener, SocketAddr)> {
    // The socket registers with the runtime under test instead of the caller's.
    let _context = runtime.enter();
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    let listener = socket.listen(BACKLOG)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Spawns a task `conn-N` for each connection.
pub(super) async fn accept<F>(
    listener: TcpListener,
    spawner: Spawner,
    service_failure: Failure,
    serve: impl Fn(TcpStream) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let (mut number, mut attempts) = (0, Attempts::default());
    loop {
        stage("waits for a connection");
        match listener.accept().await {
            Ok((stream, _)) => {
                attempts.succeeded();
                // Nagle's algorithm would add delays that the task does not cause.
                let _ = stream.set_nodelay(true);
                number += 1;
                spawner.spawn(&format!("conn-{number}"), serve(stream));
            }
            Err(error) => {
                stage(failure_stage(&error));
                attempts.failed(|| service_failure.report(|| describe(CANNOT_ACCEPT, &error)));
                // The pause stays short: file descriptors are freed as connections end.
                sleep(FIRST_RETRY).await;
            }
        }
    }
}

/// The stage of a task whose connection failed.
pub(super) fn failure_stage(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "failed: connection refused",
        io::ErrorKind::ConnectionReset => "failed: connection reset",
        io::ErrorKind::BrokenPipe => "failed: broken pipe",
        io::ErrorKind::UnexpectedEof => "failed: connection closed",
        io::ErrorKind::AddrNotAvailable => "failed: no port is free",
        io::ErrorKind::InvalidData => "failed: unexpected reply",
        _ if error.raw_os_error().is_some_and(|code| code == EMFILE || code == ENFILE) => {
            "failed: too many open files"
        }
        _ => "failed: input or output error",
    }
}

pub(super) const CANNOT_ACCEPT: &str = "its service cannot accept connections";
pub(super) const NO_REPLY: &str = "its clients get no reply from the service";

/// Describes a failed attempt, with a remedy if a limit of the system is exhausted.
pub(super) fn describe(attempt: &str, error: &io::Error) -> String {
    let advice = match error.raw_os_error() {
        Some(EMFILE) => "; raise the limit with `ulimit -n`",
        Some(ENFILE) => "; raise fs.file-max with sysctl",
        _ if error.kind() == io::ErrorKind::AddrNotAvailable => {
            "; widen net.ipv4.ip_local_port_range with sysctl"
        }
        _ => "",
    };
    format!("{attempt}: {error}{advice}")
}

// The same on every Unix.
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(attempts: &mut Attempts) -> (bool, Duration) {
        let mut reported = false;
        let pause = attempts.failed(|| reported = true);
        (reported, pause)
    }

    #[test]
    fn failures_are_reported_after_three_in_a_row() {
        let mut attempts = Attempts::default();
        for _ in 0..10 {
            assert!(!fail(&mut attempts).0 && !fail(&mut attempts).0);
            attempts.succeeded();
        }
        let reported = [(); 4].map(|()| fail(&mut attempts).0);
        assert_eq!(reported, [false, false, true, true]);
    }

    #[test]
    fn pauses_double_up_to_a_limit() {
        let mut attempts = Attempts::default();
        let pauses = [(); 7].map(|()| fail(&mut attempts).1.as_millis());
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3000, 3000]);
        let mut attempts = Attempts { failed: u32::MAX - 1 };
        assert_eq!([(); 2].map(|()| fail(&mut attempts).1), [LAST_RETRY; 2]);
    }

    #[test]
    fn exhausted_limits_are_described_with_their_setting() {
        let sentence = describe(CANNOT_ACCEPT, &io::Error::from_raw_os_error(EMFILE));
        assert!(sentence.starts_with("its service cannot accept connections: "), "{sentence}");
        assert!(sentence.ends_with("; raise the limit with `ulimit -n`"), "{sentence}");
    }
}
