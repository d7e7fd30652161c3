//! Errors of serving tokio-console.

use std::{io, net::SocketAddr};

/// Why the tasks cannot be served to tokio-console.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// The address is not one of this machine's own.
    #[error(
        "{0} is reachable from other machines, which could then see all tasks; add \
         --console-open to allow that, or serve on 127.0.0.1"
    )]
    Open(SocketAddr),
    /// Nothing can listen there.
    #[error("cannot serve tokio-console on {address}: {error}; {}", advice(error))]
    Bind {
        /// Where it was tried.
        address: SocketAddr,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// No thread or runtime for the server.
    #[error("cannot start the server for tokio-console: {0}; try again with fewer workers")]
    Start(#[source] io::Error),
    /// A program has one subscriber for `tracing`.
    #[error("this program already has a tracing subscriber; leave out --console")]
    Subscribed,
    /// The build lacks `--cfg tokio_unstable`.
    #[error(
        "this build cannot serve tokio-console: Tokio reports its tasks only with \
         tokio_unstable; build with RUSTFLAGS=\"--cfg tokio_unstable\""
    )]
    Stable,
    /// The build lacks the feature.
    #[error(
        "this build has no server for tokio-console; build with the feature `console`, which \
         is on by default"
    )]
    LeftOut,
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "stop the program that uses it, or choose another address, such as \
             --console=127.0.0.1:6670"
        }
        io::ErrorKind::PermissionDenied => "choose a port from 1024 up",
        _ => "choose an address of this machine, such as --console=127.0.0.1:6669",
    }
}
