//! The reason for the failure of a hog or a workload.

use asynctop_snapshot::text::sanitize;

use crate::lock::lock;
use std::sync::{Arc, Mutex};

/// The first failure of a hog or a workload: what was tried and what is wrong. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Failure(Arc<Mutex<Option<Arc<str>>>>);

impl Failure {
    /// Records the first failure. Later failures are usually its consequences.
    pub(crate) fn report(&self, reason: impl FnOnce() -> String) {
        lock(&self.0).get_or_insert_with(|| sanitize(&reason()).into());
    }

    pub(crate) fn get(&self) -> Option<Arc<str>> {
        lock(&self.0).clone()
    }

    /// Clears the failure of the previous start, and returns a handle for the next.
    pub(crate) fn reset(&self) -> Failure {
        *lock(&self.0) = None;
        self.clone()
    }
}
