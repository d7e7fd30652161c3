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

    /// Clears the failure of the previous start, and returns it.
    pub(crate) fn take(&self) -> Option<Arc<str>> {
        lock(&self.0).take()
    }

    /// Replaces the failure by that of a start that goes on.
    pub(crate) fn put_back(&self, failure: Option<Arc<str>>) {
        *lock(&self.0) = failure;
    }
}
