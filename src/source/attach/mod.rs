//! Programs with console-subscriber, watched over the tokio-console wire.
//!
//! A connection (`wire`) hands bytes to what is known of its target ([`Program`]), which
//! takes them apart where they lie (`envelope`); the [`AttachSource`] samples it
//! on whatever thread asks. Whoever sends is not trusted: [`limits`] bound what one target
//! may cost, and what does not fit is counted and shown.

mod address;
mod clock;
mod codec;
mod envelope;
mod histogram;
pub mod limits;
mod link;
mod source;
mod state;
mod text;
mod wire;

pub use address::{Address, AddressError};
pub use envelope::Malformed;
pub use source::{AttachError, AttachSource, connect, describe, open, picture};
pub use state::Program;
