//! The bounds of what a lab accepts.

/// Maximum number of workers of the runtime under test.
pub const MAX_WORKERS: usize = 512;
/// Maximum number of threads of its blocking pool.
pub const MAX_BLOCKING_THREADS: usize = 4096;
/// Maximum number of instances of one workload.
pub const MAX_UNITS: usize = 100_000;
/// Maximum number of tasks that a scenario may spawn.
pub const MAX_TASKS: usize = 1_000_000;
/// Maximum number of hogs at one time.
pub const MAX_HOGS: usize = 1_000;
