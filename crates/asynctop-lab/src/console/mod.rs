//! Serves the tasks of this process to tokio-console, through console-subscriber.
//!
//! Depends on Tokio and `tracing`, not on the rest of the lab: every Tokio runtime of this process
//! is shown. The server has a thread and a runtime of its own, and nothing waits for it.
//!
//! Requires the feature `console` and a build with `tokio_unstable`, without which Tokio does not
//! report its tasks; otherwise [`serve`] returns an error.

mod error;

#[cfg(all(feature = "console", tokio_unstable))]
mod cost;
#[cfg(all(feature = "console", tokio_unstable))]
mod server;

use std::net::SocketAddr;

pub use error::ConsoleError;
#[cfg(all(feature = "console", tokio_unstable))]
pub use server::{Served, serve};

/// Where to serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The socket's address; with port 0 the system chooses one.
    pub socket: SocketAddr,
    /// Whether other machines may reach it. Whoever does sees names, source paths and
    /// fields of all tasks, without a password.
    pub open: bool,
}

impl Address {
    /// Where tokio-console looks if it is told nothing.
    pub const DEFAULT: &str = "127.0.0.1:6669";

    fn check(self) -> Result<SocketAddr, ConsoleError> {
        if self.open || self.socket.ip().is_loopback() {
            Ok(self.socket)
        } else {
            Err(ConsoleError::Open(self.socket))
        }
    }
}

/// A build that cannot serve has nothing of this type.
#[cfg(not(all(feature = "console", tokio_unstable)))]
#[derive(Clone, Debug)]
pub enum Served {}

#[cfg(not(all(feature = "console", tokio_unstable)))]
impl Served {
    /// What there is to show of it.
    pub fn figures(&self) -> asynctop_snapshot::ConsoleStats {
        match *self {}
    }
}

/// Says what this build lacks.
///
/// # Errors
/// Always.
#[cfg(not(all(feature = "console", tokio_unstable)))]
pub fn serve(address: Address) -> Result<Served, ConsoleError> {
    address.check()?;
    match cfg!(feature = "console") {
        true => Err(ConsoleError::Stable),
        false => Err(ConsoleError::LeftOut),
    }
}
