//! The thread that asks a source at each interval.

/// Asks a source at each interval, on a thread of its own.
pub struct Sampler {}
