//! The keys of tasks.

/// The bits below this have the task's id, those above it the copy of Tokio that assigned the id.
const COPY_SHIFT: u32 = 48;

/// The key of a task: an id is unique only within its copy of Tokio.
pub(super) fn key(copy: usize, id: u64) -> u64 {
    ((copy as u64) << COPY_SHIFT) | (id & ((1 << COPY_SHIFT) - 1))
}
