//! Where snapshots come from: the lab in this process, or a program over a connection.
//!
//! Depends on the lab, the probe and the snapshot; knows nothing of the model and the screens.

#[cfg(feature = "attach")]
pub mod attach;
mod lab;
mod sampler;

#[cfg(feature = "attach")]
pub use attach::{Address, AttachSource};
pub use sampler::{Control, Sampler};

use crate::snapshot::{Subscription, Target};

/// Something that can be looked at again and again.
pub trait Source: Send {
    /// What there is now. Never waits for the runtime that is watched.
    fn snapshot(&mut self, subscription: &Subscription) -> Target;
}
