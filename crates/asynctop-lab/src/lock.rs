//! Locks whose data stays valid if a thread panics while it holds them.
//!
//! Workloads that demonstrate locks call the standard library themselves: in their stacks, this
//! function would stand where theirs belongs.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex, also after a panic of a thread that held it.
#[inline]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
