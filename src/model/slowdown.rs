//! The two numbers in the header: how much slower the work is, and how long tasks wait.

/// How much less the closed-loop work achieves now than before the hog.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Slowdown {
    /// The factor; `None` without closed-loop work or before there is a baseline.
    pub factor: Option<Factor>,
    /// Each closed-loop workload's share of its own baseline rate: (name, units a second
    /// before, units a second now).
    pub shares: Vec<(&'static str, f64, f64)>,
    /// Since when nothing at all gets done, in ns on the source's clock.
    pub standstill_since_ns: Option<u64>,
}

/// The N of "×N slower".
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Factor {
    /// This many times slower.
    Times(f64),
    /// Nothing gets done at all.
    Standstill,
}

/// Scheduling delay over the last second.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lag {
    /// Half of the waits for a worker were at most this long, in ns.
    pub p50_ns: Option<u64>,
    /// 99 % of them were. Tasks that still wait count with what they have waited so far.
    pub p99_ns: Option<u64>,
    /// How many tasks wait for a worker right now.
    pub waiting: usize,
    /// The longest of these waits so far, in ns.
    pub longest_ns: u64,
}
