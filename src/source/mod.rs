//! Where snapshots come from: the lab in this process now, a wire or a file later.
//!
//! This room knows the probe, Tokio's metrics and the snapshot. It knows nothing of the
//! model's derived figures and nothing of screens.

#[cfg(feature = "attach")]
pub mod attach;
mod live;
mod meta;
mod runtime;
mod sampler;
mod timeline;
mod workers;

#[cfg(feature = "attach")]
pub use attach::{Address, AttachSource};
pub use live::LiveSource;
#[cfg(feature = "attach")]
use meta::short_path;
pub use sampler::{Control, Sampler};

use crate::model::{Subscription, Target};

/// Something that can be looked at again and again.
pub trait Source: Send {
    /// What there is now. Never waits for the runtime that is watched.
    fn snapshot(&mut self, subscription: &Subscription) -> Target;
}
