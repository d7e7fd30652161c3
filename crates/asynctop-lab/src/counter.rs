//! A counter that a workload increments and the sampler reads.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// Counts events of a workload, such as completed units of work, over all epochs. Clones share the
/// count.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counter(Arc<AtomicU64>);

impl Counter {
    #[inline]
    pub(crate) fn increment(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
