//! Serves the tasks of this process to tokio-console, through console-subscriber.
//!
//! Depends on Tokio and `tracing`, not on the rest of the lab: every Tokio runtime of this process
//! is shown. The server has its own thread and runtime, and is never waited for.
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
pub use server::{ConsoleServer, serve};

/// The address of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsoleAddress {
    /// With port 0, the system chooses a free port.
    pub socket: SocketAddr,
    /// Whether other machines may connect. A client sees names, source paths and fields of all
    /// tasks; there is no authentication.
    pub allow_remote: bool,
}

impl ConsoleAddress {
    /// The default of tokio-console.
    pub const DEFAULT: &str = "127.0.0.1:6669";

    fn check(self) -> Result<SocketAddr, ConsoleError> {
        if self.allow_remote || self.socket.ip().is_loopback() {
            Ok(self.socket)
        } else {
            Err(ConsoleError::Remote(self.socket))
        }
    }
}

/// A build that cannot serve has no value of this type.
#[cfg(not(all(feature = "console", tokio_unstable)))]
#[derive(Clone, Debug)]
pub enum ConsoleServer {}

#[cfg(not(all(feature = "console", tokio_unstable)))]
impl ConsoleServer {
    /// Never called.
    pub fn stats(&self) -> asynctop_snapshot::ConsoleStats {
        match *self {}
    }
}

/// Cannot serve in this build.
///
/// # Errors
/// Always: the feature or the flag that this build lacks.
#[cfg(not(all(feature = "console", tokio_unstable)))]
pub fn serve(address: ConsoleAddress) -> Result<ConsoleServer, ConsoleError> {
    address.check()?;
    match cfg!(feature = "console") {
        true => Err(ConsoleError::NeedsTokioUnstable),
        false => Err(ConsoleError::FeatureDisabled),
    }
}
