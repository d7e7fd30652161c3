//! Sources of snapshots: the lab and other runtimes of this process, or programs with
//! console-subscriber.
//!
//! Depends on the lab, the probe and the snapshot, not on the model or the screens.

#[cfg(feature = "attach")]
pub mod attach;
mod collector;
mod lab;

#[cfg(feature = "attach")]
pub use attach::{Address, Connections};
pub use collector::{Collector, CollectorHandle};

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::snapshot::{Snapshot, Subscription, Target};

/// A program that can be sampled.
pub trait Source: Send {
    /// The current state of the program. Never waits for the runtime that is watched.
    fn sample(&mut self, subscription: &Subscription) -> Target;
}

/// Samples all sources, one after the other.
pub fn sample_all(sources: &mut [Box<dyn Source>], subscription: &Subscription) -> Snapshot {
    assemble(sources.iter_mut().map(|source| Arc::new(source.sample(subscription))).collect())
}

fn assemble(targets: Vec<Arc<Target>>) -> Snapshot {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Snapshot { unix_ns: u64::try_from(unix.as_nanos()).unwrap_or(u64::MAX), targets }
}
