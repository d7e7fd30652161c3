//! Where snapshots come from: the lab in this process now, a wire or a file later.
//!
//! This room knows the probe, Tokio's metrics and the snapshot. It knows nothing of the
//! model's derived figures and nothing of screens.

mod live;
mod meta;
mod runtime;
mod sampler;
mod timeline;
mod workers;

pub use live::LiveSource;
pub use sampler::{Control, Sampler};

use crate::model::{Interest, Snapshot};

/// Something that can be looked at again and again.
pub trait Source: Send {
    /// What there is now. Never waits for the runtime that is watched.
    fn snapshot(&mut self, interest: &Interest) -> Snapshot;
}
