//! Memory limits for one watched program. The program is not trusted: whatever it sends, memory
//! stays below these limits, and [`Losses`](crate::snapshot::Losses) counts what exceeded one.

/// Bytes of one update. tonic's default of 4 MiB is too little for 10,000 tasks.
pub const UPDATE_BYTES: usize = 64 << 20;
/// Bytes of one task, resource or operation in an update.
pub const ELEMENT_BYTES: usize = 2 << 20;
/// Bytes of the details of one task: two histograms.
pub const DETAILS_BYTES: usize = 1 << 20;
/// Tasks, including ended ones.
pub const TASKS: usize = 200_000;
/// Ended tasks; the latest are kept.
pub const ENDED_TASKS: usize = 10_000;
/// How long an ended task is kept.
pub const ENDED_TASK_NS: i64 = 30_000_000_000;
/// Resources, and as many async operations.
pub const RESOURCES: usize = 100_000;
/// Long polls between two samples.
pub const LONG_POLLS: usize = 4_096;
/// Hand-overs of workers in one update; each is compared with the polls of all tasks. Code that hands
/// over a worker does it again, so those beyond are found in a later update.
pub const HAND_OVERS: usize = 256;
/// Metadata of spans and events.
pub const METADATA: usize = 20_000;
/// Tasks that are referenced but were never announced.
pub const UNKNOWN_TASKS: usize = 10_000;
/// Bytes of a name, a type or an attribute's value.
pub const NAME_BYTES: usize = 128;
/// Bytes of a location.
pub const LOCATION_BYTES: usize = 256;
/// Bytes of all other fields of a task, or of all attributes of a resource.
pub const FIELDS_BYTES: usize = 512;
