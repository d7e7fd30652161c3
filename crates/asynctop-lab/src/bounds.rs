//! The bounds of what a lab accepts.

/// Maximum number of workers of the runtime under test.
pub(crate) const MAX_WORKERS: usize = 512;
/// Maximum number of threads of its blocking pool.
pub(crate) const MAX_BLOCKING_THREADS: usize = 4096;
/// Maximum number of instances of one workload.
pub(crate) const MAX_UNITS: usize = 100_000;
/// Maximum number of tasks that a scenario may spawn.
pub(crate) const MAX_TASKS: usize = 1_000_000;
/// Maximum number of hogs at one time.
pub(crate) const MAX_HOGS: usize = 1_000;
