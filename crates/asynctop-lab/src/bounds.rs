//! Upper bounds for the size of a lab.

/// Maximum number of workers of the runtime under test.
pub(crate) const MAX_WORKERS: usize = 512;
/// Maximum number of threads of its blocking pool.
pub(crate) const MAX_BLOCKING_THREADS: usize = 4096;
/// Maximum number of instances of one workload.
pub(crate) const MAX_INSTANCES: usize = 100_000;
/// Maximum number of tasks of a scenario.
pub(crate) const MAX_TASKS: usize = 1_000_000;
/// Maximum number of concurrent hogs.
pub(crate) const MAX_HOGS: usize = 1_000;
