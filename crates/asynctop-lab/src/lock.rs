//! Locks whose data stays valid if a thread panics while it holds them.
//!
//! Workloads that demonstrate locks call the standard library themselves: otherwise their stacks
//! would show this function instead of theirs.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex, ignoring poison.
#[inline]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
