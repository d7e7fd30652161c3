//! Why a hog or a workload has failed.

use crate::text::sanitize;
use std::sync::{Arc, Mutex, PoisonError};

/// The first failure of a hog or a workload: what was tried and what is wrong. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Failure(Arc<Mutex<Option<Arc<str>>>>);

impl Failure {
    /// Records the first failure; later failures are mostly its consequences.
    pub(crate) fn report(&self, why: impl FnOnce() -> String) {
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| sanitize(&why()).into());
    }

    pub(crate) fn get(&self) -> Option<Arc<str>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Clears the failure of an earlier start.
    pub(crate) fn begin(&self) -> Failure {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.clone()
    }
}
