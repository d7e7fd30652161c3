//! The keys of tasks.

/// Ids of tasks are below this; above it is the copy of Tokio that gave the id.
const COPY_SHIFT: u32 = 48;

/// The key of a task: ids are unique in one copy of Tokio only.
pub(super) fn key(copy: usize, id: u64) -> u64 {
    ((copy as u64) << COPY_SHIFT) | (id & ((1 << COPY_SHIFT) - 1))
}
