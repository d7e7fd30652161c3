//! The CPU time that the workers lacked over the last seconds.

use std::collections::VecDeque;

use crate::snapshot::{MachineTimes, Target};

const WINDOW_NS: u64 = 3_000_000_000;
/// Over a shorter time, a single delay of one thread would be an overloaded machine.
const MIN_SPAN_NS: u64 = 1_000_000_000;

/// The CPU time that the workers lacked over the last three seconds. Shares are 0 to 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MachineLoad {
    /// The time that this covers, in nanoseconds.
    pub span_ns: u64,
    /// The worker that was runnable without a CPU for the largest share of the time, and the
    /// share; `None` if run-queue delay is unknown.
    pub run_delay: Option<(usize, f64)>,
    /// Steal time, as a share of the time of all CPUs.
    pub steal: Option<f64>,
    /// Share of the time in which the CPU quota of the cgroup throttled the process; at most 1, even
    /// if that happened on several CPUs.
    pub throttled: Option<f64>,
    /// Share of the time in which some task of the machine waited for a CPU: CPU pressure.
    pub pressure: Option<f64>,
    /// Load average of the last minute.
    pub load: Option<f64>,
    /// Number of CPUs that the process may use.
    pub cpus: usize,
}

impl MachineLoad {
    /// The largest share that the program lacked. Pressure also counts other programs.
    pub fn largest_share(&self) -> f64 {
        let run_delay = self.run_delay.map(|(_, share)| share);
        let shares = [run_delay, self.steal, self.throttled];
        shares.into_iter().flatten().fold(0.0, f64::max)
    }
}

/// The totals of the last seconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Tracker {
    past: VecDeque<Totals>,
    load: Option<MachineLoad>,
}

#[derive(Clone, Debug)]
struct Totals {
    taken_ns: u64,
    times: MachineTimes,
    /// One per worker.
    run_delay_ns: Vec<Option<u64>>,
}

impl Tracker {
    pub(super) fn load(&self) -> Option<&MachineLoad> {
        self.load.as_ref()
    }

    pub(super) fn advance(&mut self, snapshot: &Target) {
        let Some(machine) = &snapshot.machine else { return };
        let now = Totals {
            taken_ns: snapshot.taken_ns,
            times: machine.times.clone(),
            run_delay_ns: snapshot.workers.iter().map(|worker| worker.run_delay_ns).collect(),
        };
        let begin = now.taken_ns.saturating_sub(WINDOW_NS);
        while self.past.get(1).is_some_and(|next| next.taken_ns <= begin) {
            self.past.pop_front();
        }
        let first = self.past.front();
        let first = first.filter(|first| now.taken_ns - first.taken_ns >= MIN_SPAN_NS);
        self.load = first.map(|first| between(first, &now));
        self.past.push_back(now);
    }
}

fn between(first: &Totals, now: &Totals) -> MachineLoad {
    let span_ns = now.taken_ns.saturating_sub(first.taken_ns);
    let share = |first: Option<u64>, now: Option<u64>, of: u64| {
        let lacking = now?.saturating_sub(first?);
        Some((lacking as f64 / of.max(1) as f64).min(1.0))
    };
    let workers = first.run_delay_ns.iter().zip(&now.run_delay_ns).enumerate();
    let shares = workers.filter_map(|(at, (first, now))| Some((at, share(*first, *now, span_ns)?)));
    let (before, times) = (&first.times, &now.times);
    let all_cpus_ns = span_ns.saturating_mul(times.cpus as u64);
    MachineLoad {
        span_ns,
        run_delay: shares.max_by(|(_, a), (_, b)| a.total_cmp(b)),
        steal: share(before.steal_ns, times.steal_ns, all_cpus_ns),
        throttled: share(before.throttled_ns, times.throttled_ns, span_ns),
        pressure: share(before.pressure_ns, times.pressure_ns, span_ns),
        load: times.load,
        cpus: times.cpus,
    }
}
