//! The atomics of the lock-free parts, from `std` or, under `--cfg asynctop_loom`, from loom, which
//! runs their interleavings; and a sequence lock.

#[cfg(not(asynctop_loom))]
pub(crate) use std::{
    hint::spin_loop,
    sync::atomic::{AtomicU32, AtomicU64, Ordering, fence},
    thread::yield_now,
};

#[cfg(asynctop_loom)]
pub(crate) use loom::{
    hint::spin_loop,
    sync::atomic::{AtomicU32, AtomicU64, Ordering, fence},
    thread::yield_now,
};

/// A sequence lock: one thread writes and never waits; readers retry if a write was concurrent. It
/// guards atomics that are loaded and stored relaxed.
#[derive(Debug)]
pub(crate) struct SeqLock(AtomicU64);

impl SeqLock {
    pub(crate) fn new() -> Self {
        SeqLock(AtomicU64::new(0))
    }

    /// Runs `write` so that a reader sees all or none of it. Called by one thread at a time; `write`
    /// must not panic.
    #[inline(always)]
    pub(crate) fn write(&self, write: impl FnOnce()) {
        let sequence = self.0.load(Ordering::Relaxed);
        self.0.store(sequence.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        write();
        self.0.store(sequence.wrapping_add(2), Ordering::Release);
    }

    /// Runs `read` until there was no concurrent write. A torn set of values, which is discarded, may
    /// be anything: `read` must not panic because of it.
    pub(crate) fn read<T>(&self, read: impl Fn() -> T) -> T {
        let mut attempts = 0u32;
        loop {
            let before = self.0.load(Ordering::Acquire);
            if before.is_multiple_of(2) {
                let value = read();
                fence(Ordering::Acquire);
                if self.0.load(Ordering::Relaxed) == before {
                    return value;
                }
            }
            // The writer needs only a few instructions more, unless it was descheduled.
            attempts += 1;
            if attempts.is_multiple_of(64) { yield_now() } else { spin_loop() }
        }
    }
}
