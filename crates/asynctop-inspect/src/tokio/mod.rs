//! Tokio's data structures, recognized by their shape.
//!
//! Offsets differ between versions, features and builds, so none is fixed: each structure is found
//! by relations that hold in every supported version (1.23 and later), and its content is checked
//! against a second source. Works on any [`Memory`](crate::memory::Memory) and is independent of
//! processes.

pub mod list;
pub mod pool;
pub mod queues;
mod read_ahead;
pub mod runtime;
pub mod scan;
pub mod task;
pub mod version;
pub mod vtable;
pub mod worker;

/// Bytes of a scheduler's handle that are searched for its parts.
const HANDLE_LENGTH: usize = 4096;
