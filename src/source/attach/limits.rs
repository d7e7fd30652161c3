//! What one target may cost. A target is a foreign program: whatever it sends, memory
//! stays below these bounds, and [`Losses`](crate::snapshot::Losses) say when one was met.

/// Bytes of one update. tonic's own bound of 4 MiB is less than 10,000 tasks need.
pub const UPDATE_BYTES: usize = 64 << 20;
/// Bytes of one task, resource or operation in it.
pub const ELEMENT_BYTES: usize = 2 << 20;
/// Bytes of the details of one task: two histograms.
pub const DETAILS_BYTES: usize = 1 << 20;
/// Tasks that are known at once, ended ones included.
pub const TASKS: usize = 200_000;
/// Ended tasks that are kept, the latest.
pub const ENDED_TASKS: usize = 10_000;
/// How long an ended task is kept.
pub const ENDED_TASK_NS: i64 = 30_000_000_000;
/// Resources that are known at once, and as many async operations.
pub const RESOURCES: usize = 100_000;
/// Long polls that are kept for the next look.
pub const LONG_POLLS: usize = 4_096;
/// Kinds of spans and events.
pub const METADATA: usize = 20_000;
/// Tasks that are mentioned without being known.
pub const UNKNOWN_TASKS: usize = 10_000;
/// Bytes of a name, of a type, of an attribute's value.
pub const NAME_BYTES: usize = 128;
/// Bytes of a location.
pub const LOCATION_BYTES: usize = 256;
/// Bytes of all the other fields of a task, or of all attributes of a resource.
pub const FIELDS_BYTES: usize = 512;
