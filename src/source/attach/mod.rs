//! Programs with console-subscriber, watched over the tokio-console protocol.
//!
//! The connection (`client`) passes each update to the [`Program`] as bytes, which decodes it one
//! element at a time (`envelope`). An [`AttachSource`] samples the program on the caller's thread.
//! Programs are not trusted: [`limits`] bound the memory for each one, and everything beyond them
//! is counted and shown.

mod address;
mod client;
mod clock;
mod codec;
mod connection;
mod details;
mod envelope;
mod histogram;
pub mod limits;
mod source;
mod state;
mod text;

pub use address::{Address, AddressError};
pub use envelope::Malformed;
pub use source::{AttachError, AttachSource, connect, describe, open, sample_connected};
pub use state::Program;
