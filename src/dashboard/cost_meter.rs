//! Measures what the dashboard itself costs.

use std::{fs, time::Duration};

use crate::app::OwnCost;

/// How often the cost is measured.
const INTERVAL: Duration = Duration::from_secs(2);

/// The threads of the dashboard besides the one that draws, as the kernel cuts their names. The
/// threads of a lab are not among them.
const THREADS: [&str; 8] = [
    "asynctop-attach",
    "asynctop-collec",
    "asynctop-input",
    "asynctop-names",
    "asynctop-sample",
    "asynctop-search",
    "asynctop-signal",
    "asynctop-watchd",
];

/// Measures what the dashboard itself costs.
#[derive(Debug, Default)]
pub(super) struct CostMeter {
    /// The longest frame since the last measurement.
    frame: Duration,
    /// When the cost was last measured, and the CPU time until then.
    last: Option<(Duration, Option<Duration>)>,
}

impl CostMeter {
    /// Takes in the time that a frame took, at `now`. Returns the cost if it is due.
    pub(super) fn advance(&mut self, frame: Duration, now: Duration) -> Option<OwnCost> {
        self.frame = self.frame.max(frame);
        let last = self.last;
        if last.is_some_and(|(at, _)| now.saturating_sub(at) < INTERVAL) {
            return None;
        }
        let cpu = cpu_time();
        self.last = Some((now, cpu));
        let frame_ns = u64::try_from(std::mem::take(&mut self.frame).as_nanos()).ok()?;
        let (at, before) = last?;
        let used = cpu.zip(before).map(|(now, before)| now.saturating_sub(before));
        let share = |used: Duration| used.as_secs_f64() / now.saturating_sub(at).as_secs_f64();
        Some(OwnCost { cpu_share: used.map(share), memory: memory(), frame_ns })
    }
}

/// CPU time of the threads of the dashboard.
fn cpu_time() -> Option<Duration> {
    let id = std::process::id().to_string();
    let mut sum_ns = 0;
    for thread in fs::read_dir("/proc/self/task").ok()?.flatten() {
        let name = fs::read_to_string(thread.path().join("comm")).unwrap_or_default();
        // A thread may end at any time.
        if thread.file_name() == *id || THREADS.contains(&name.trim_end()) {
            let times = fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
            let cpu_ns = times.split(' ').next().and_then(|first| first.parse::<u64>().ok());
            sum_ns += cpu_ns.unwrap_or(0);
        }
    }
    Some(Duration::from_nanos(sum_ns))
}

/// Resident memory in bytes.
fn memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/statm").ok()?;
    let pages = text.split(' ').nth(1)?.parse::<u64>().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cost_is_measured_at_intervals_with_the_longest_frame() {
        let mut meter = CostMeter::default();
        let ms = Duration::from_millis;
        assert_eq!(meter.advance(ms(1), ms(0)), None);
        assert_eq!(meter.advance(ms(7), ms(900)), None);
        let cost = meter.advance(ms(2), ms(2_000)).expect("it is due");
        assert_eq!(cost.frame_ns, 7_000_000);
        assert_eq!(meter.advance(ms(3), ms(2_100)), None);
        if cfg!(target_os = "linux") {
            assert!(cost.memory.is_some_and(|memory| memory > 100_000), "{cost:?}");
            assert!(cost.cpu_share.is_some(), "{cost:?}");
        }
    }
}
