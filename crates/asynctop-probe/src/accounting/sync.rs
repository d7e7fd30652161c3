//! The atomics of the lock-free parts, from `std` or, under `--cfg asynctop_loom`,
//! from loom, which then runs every interleaving of them; and the lock that the
//! readers of one thread's record take, at no cost to that thread.

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

/// A sequence lock: one thread writes and never waits, any other reads and tries again
/// when it was overtaken. It guards atomics that are loaded and stored relaxed.
#[derive(Debug)]
pub(crate) struct Sequence(AtomicU64);

impl Sequence {
    pub(crate) fn new() -> Self {
        Sequence(AtomicU64::new(0))
    }

    /// Runs `write` so that a reader sees all or nothing of it. One thread at a time
    /// may call this, and `write` does not panic.
    #[inline(always)]
    pub(crate) fn write(&self, write: impl FnOnce()) {
        let sequence = self.0.load(Ordering::Relaxed);
        self.0.store(sequence.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        write();
        self.0.store(sequence.wrapping_add(2), Ordering::Release);
    }

    /// Runs `read` until no writer was in its way. A torn set, which is thrown away,
    /// may hold anything: `read` does not panic over it.
    pub(crate) fn read<T>(&self, read: impl Fn() -> T) -> T {
        let mut tries = 0u32;
        loop {
            let before = self.0.load(Ordering::Acquire);
            if before.is_multiple_of(2) {
                let seen = read();
                fence(Ordering::Acquire);
                if self.0.load(Ordering::Relaxed) == before {
                    return seen;
                }
            }
            // The writer is a few instructions from done, unless it was descheduled.
            tries += 1;
            if tries.is_multiple_of(64) { yield_now() } else { spin_loop() }
        }
    }
}
