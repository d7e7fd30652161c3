//! Errors of serving tokio-console.

use std::{io, net::SocketAddr};

/// The reason why the tasks cannot be served to tokio-console.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// The address is reachable from other machines, which was not allowed.
    #[error(
        "{0} is reachable from other machines, which could then see all tasks; add \
         --console-open to allow that, or serve on 127.0.0.1"
    )]
    Remote(SocketAddr),
    /// The server cannot listen on the address.
    #[error("cannot serve tokio-console on {address}: {error}; {}", advice(error))]
    Bind {
        /// The requested address.
        address: SocketAddr,
        /// The error of the system.
        #[source]
        error: io::Error,
    },
    /// The system refused a thread or a runtime for the server.
    #[error("cannot start the server for tokio-console: {0}; try again with fewer workers")]
    Start(#[source] io::Error),
    /// The program has another subscriber for `tracing`; it can have only one.
    #[error("this program already has a tracing subscriber; leave out --console")]
    SubscriberExists,
    /// The build lacks `--cfg tokio_unstable`.
    #[error(
        "this build cannot serve tokio-console: Tokio reports its tasks only with \
         tokio_unstable; build with RUSTFLAGS=\"--cfg tokio_unstable\""
    )]
    NeedsTokioUnstable,
    /// The build lacks the feature `console`.
    #[error(
        "this build has no server for tokio-console; build with the feature `console`, which \
         is on by default"
    )]
    FeatureDisabled,
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
