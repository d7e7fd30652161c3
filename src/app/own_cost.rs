//! What the dashboard itself costs.

use super::App;

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

/// What the probe adds to each poll, in nanoseconds: see docs/overhead.md.
const PROBE_NS_PER_POLL: f64 = 53.0;

impl App {
    /// The estimated cost of measuring the selected target, as a share of one CPU: what the probe adds
    /// to its polls. `None` if the target is not the lab, or has no history yet.
    pub fn measuring_share(&self) -> Option<f64> {
        let model = self.selected().filter(|model| model.target().lab.is_some())?;
        let polls = model.history().points().latest()?.polls?;
        Some(polls * PROBE_NS_PER_POLL / 1e9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cost_per_poll_is_the_documented_one() {
        let page = include_str!("../../docs/overhead.md");
        let row = format!("| +{PROBE_NS_PER_POLL} |");
        assert!(
            page.lines().any(|line| line.contains("asynctop instrument") && line.contains(&row))
        );
    }
}
