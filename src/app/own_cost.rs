//! What the dashboard itself costs.

/// What the dashboard itself costs, over the last seconds. The lab is not part of it, except for the
/// memory.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct OwnCost {
    /// CPU time as a share of one CPU; `None` where the system does not report it per thread.
    pub cpu_share: Option<f64>,
    /// Resident memory of the process in bytes; `None` where it is not known.
    pub memory: Option<u64>,
    /// The longest time to draw a frame, in nanoseconds.
    pub frame_ns: u64,
}
