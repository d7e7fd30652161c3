//! The atomics of the lock-free parts, from `std` or, under `--cfg asynctop_loom`,
//! from loom, which then runs every interleaving of them.

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
