//! The reason why a hog or a workload has failed.

use asynctop_snapshot::text::sanitize;

use crate::lock::lock;
use std::sync::{Arc, Mutex};

/// The first failure of a hog or a workload: what was tried and what is wrong. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Failure(Arc<Mutex<Option<Arc<str>>>>);

impl Failure {
    /// Records the first failure; later failures are mostly its consequences.
    pub(crate) fn report(&self, why: impl FnOnce() -> String) {
        let mut first = lock(&self.0);
        first.get_or_insert_with(|| sanitize(&why()).into());
    }

    pub(crate) fn get(&self) -> Option<Arc<str>> {
        lock(&self.0).clone()
    }

    /// Clears the failure of an earlier start.
    pub(crate) fn begin(&self) -> Failure {
        *lock(&self.0) = None;
        self.clone()
    }
}
