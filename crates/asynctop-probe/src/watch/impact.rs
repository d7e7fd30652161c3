//! The impact of a long poll: the scheduling delay that it causes to other tasks, from two readings
//! of all tasks.

use std::collections::HashMap;

use super::{
    ImpactAccuracy, PollImpact, TimeWithoutCpu,
    task_delays::{PollInterval, TaskDelays},
};
use crate::accounting::{Registry, State, TaskView};

/// Pause after a scan of all tasks, as a multiple of the time that it took.
const PAUSE_FACTOR: u64 = 20;
/// Minimum number of delays for a meaningful median.
const MIN_DELAYS: u64 = 8;
/// Maximum number of ended tasks whose usual delay is kept.
const KEPT_TASKS: usize = 1024;

/// The scheduling delays of all tasks at the first reading during a poll.
pub(super) struct DelayBaseline {
    /// Sorted by task.
    delays: Vec<TaskDelays>,
    /// The runtime of the long poll's task; only tasks of it are affected. `None` if not known.
    pub(super) runtime: Option<u32>,
    /// Number of polls of the other threads so far; `None` if one of them was in a poll.
    other_polls: Option<u64>,
}

/// The length of a poll and its time without a CPU: they determine which part of a scheduling delay
/// the poll has caused.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Attribution {
    pub length_ns: u64,
    pub without_cpu: TimeWithoutCpu,
}

impl Attribution {
    /// The part of a scheduling delay of this length that the poll has caused. A stop lies in a
    /// delay entirely or not at all, because no task runs during a stop. The other time without a
    /// CPU is assumed to have the same share of the delay as of the poll.
    fn part_of(&self, delay_ns: u64) -> u64 {
        let stopped_ns = self.without_cpu.stopped_ns;
        let delay_ns = delay_ns.checked_sub(stopped_ns).unwrap_or(delay_ns);
        let running_ns = self.length_ns.saturating_sub(stopped_ns).max(1);
        let net_ns = self.length_ns.saturating_sub(self.without_cpu.total_ns());
        let part = u128::from(delay_ns) * u128::from(net_ns) / u128::from(running_ns);
        u64::try_from(part).unwrap_or(delay_ns)
    }

    /// Whether almost nothing except stops is deducted: otherwise the part is an estimate.
    fn is_exact(&self) -> bool {
        let estimated = self.without_cpu.total_ns() - self.without_cpu.stopped_ns;
        estimated <= self.length_ns / 100
    }
}

/// Measures the impact of long polls, within a budget for scans of all tasks.
pub(super) struct ImpactTracker {
    registry: &'static Registry,
    /// When the budget allows the next scan.
    next_scan: u64,
    /// The lowest median delay of each task, and of the tasks spawned at each location: their usual
    /// delay without long polls.
    by_task: HashMap<u64, u64>,
    by_location: HashMap<usize, u64>,
}

impl ImpactTracker {
    pub(super) fn new(registry: &'static Registry) -> Self {
        ImpactTracker {
            registry,
            next_scan: 0,
            by_task: HashMap::new(),
            by_location: HashMap::new(),
        }
    }

    /// The first reading during a poll of the thread in `slot`; `None` if the budget is used up.
    pub(super) fn baseline(&mut self, slot: usize, runtime: Option<u32>) -> Option<DelayBaseline> {
        let began = self.registry.now();
        if began < self.next_scan {
            return None;
        }
        let other_polls = self.other_polls(slot);
        let mut delays = Vec::with_capacity(self.registry.live());
        self.registry.scan(began, |task| {
            let is_affected = runtime.is_none_or(|runtime| runtime == task.runtime());
            if is_affected && !task.reading.state.is_done() {
                delays.push(delays_of(&task, began));
            }
        });
        delays.sort_unstable_by_key(|delays| delays.task);
        self.pause_after_scan(began);
        Some(DelayBaseline { delays, runtime, other_polls })
    }

    /// Whether a running poll may be measured now.
    pub(super) fn is_within_budget(&self) -> bool {
        self.registry.now() >= self.next_scan
    }

    /// The impact of the offender's poll from its start to its end, or until now. The delays read
    /// for it are also the baseline of the poll that the thread is in now.
    pub(super) fn measure(
        &mut self,
        baseline: &DelayBaseline,
        slot: usize,
        offender: u64,
        (began, until): (u64, Option<u64>),
        attribution: Attribution,
    ) -> (PollImpact, DelayBaseline) {
        let now = self.registry.now();
        let interval = PollInterval { began, until: until.unwrap_or(now) };
        let mut impact = PollImpact::default();
        let (by_task, by_location) = (&mut self.by_task, &mut self.by_location);
        let mut scanned = 0;
        let mut delays = Vec::with_capacity(baseline.delays.len());
        self.registry.scan(now, |task| {
            scanned += 1;
            if baseline.runtime.is_some_and(|runtime| runtime != task.runtime()) {
                return;
            }
            let after = delays_of(&task, now);
            if !task.reading.state.is_done() {
                delays.push(after);
            }
            let at = baseline.delays.binary_search_by_key(&after.task, |before| before.task).ok();
            let before = at.map(|at| &baseline.delays[at]);
            let (delay_ns, number) = interval.delay_of(before, &after);
            if after.task == offender || delay_ns < PollImpact::MIN_DELAY_NS {
                return;
            }
            let usual_ns = usual_delay(by_task, by_location, &task).saturating_mul(number);
            let excess_ns = attribution.part_of(delay_ns).saturating_sub(usual_ns);
            impact.add(after.task, || task.name().into(), excess_ns);
        });
        if self.by_task.len() > scanned + KEPT_TASKS {
            self.by_task.clear();
        }
        // The same number means that no other thread was in a poll or began one.
        let other_polls = self.other_polls(slot);
        let is_alone = baseline.other_polls.is_some() && baseline.other_polls == other_polls;
        impact.accuracy = match is_alone && attribution.is_exact() {
            true => ImpactAccuracy::Exact,
            false => ImpactAccuracy::UpperBound,
        };
        self.pause_after_scan(now);
        delays.sort_unstable_by_key(|delays| delays.task);
        (impact, DelayBaseline { delays, runtime: baseline.runtime, other_polls })
    }

    /// Number of polls of the threads in the other slots; `None` if one of them is in a poll.
    fn other_polls(&self, slot: usize) -> Option<u64> {
        let threads = self.registry.threads(self.registry.now());
        let others = threads.iter().enumerate().filter(|(at, _)| *at != slot);
        others.map(|(_, other)| other.current.is_none().then_some(other.polls)).sum()
    }

    #[cfg(test)]
    pub(super) fn exhaust_budget(&mut self) {
        self.next_scan = u64::MAX;
    }

    fn pause_after_scan(&mut self, began: u64) {
        let now = self.registry.now();
        self.next_scan = now + PAUSE_FACTOR * now.saturating_sub(began);
    }
}

fn delays_of(task: &TaskView<'_>, now: u64) -> TaskDelays {
    let reading = &task.reading;
    let scheduled_since = (reading.state == State::Scheduled).then_some(reading.since);
    let running = scheduled_since.map_or(0, |since| now.saturating_sub(since));
    TaskDelays {
        task: task.key(),
        ended_ns: reading.scheduled.saturating_sub(running),
        polls: reading.polls,
        scheduled_since,
    }
}

/// The usual delay of a task: its median, or that of tasks spawned at the same location. At most
/// 1 ms: a longer median is itself an effect of long polls, if these have occurred since the task
/// was spawned.
fn usual_delay(
    by_task: &mut HashMap<u64, u64>,
    by_location: &mut HashMap<usize, u64>,
    task: &TaskView<'_>,
) -> u64 {
    let location = std::ptr::from_ref(task.location()).addr();
    let delays = task.delays();
    let median = (delays.count() >= MIN_DELAYS).then(|| delays.quantile(0.5)).flatten();
    let Some(median) = median.map(|median| median.min(PollImpact::MIN_DELAY_NS)) else {
        return by_location.get(&location).copied().unwrap_or(0);
    };
    let lower = |usual: &mut u64| {
        *usual = median.min(*usual);
        *usual
    };
    lower(by_location.entry(location).or_insert(median));
    lower(by_task.entry(task.key()).or_insert(median))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn tasks_of_another_runtime_are_not_affected() {
        let registry = Registry::leak();
        // Scheduled since their creation.
        let tasks = [1, 1, 2].map(|runtime| registry.instrument_on(runtime, "t", true, async {}));
        let offender = tasks[0].key();
        let mut tracker = ImpactTracker::new(registry);
        let began = registry.now();
        let mut affected = |runtime| {
            while !tracker.is_within_budget() {}
            let baseline = tracker.baseline(0, runtime).expect("within the budget");
            while registry.now() < began + 2 * PollImpact::MIN_DELAY_NS {}
            let length_ns = registry.now() - began;
            let attribution = Attribution { length_ns, ..Attribution::default() };
            tracker.measure(&baseline, 0, offender, (began, None), attribution).0.tasks
        };
        assert_eq!(registry.runtime_of(offender), Some(1));
        assert_eq!((affected(Some(1)), affected(None)), (1, 2));
    }

    #[test]
    fn attribution_excludes_stops_and_its_share_of_the_time_without_a_cpu() {
        let without_cpu = TimeWithoutCpu { stopped_ns: 3000 * MS, ..TimeWithoutCpu::default() };
        let attribution = Attribution { length_ns: 3100 * MS, without_cpu };
        let parts = [attribution.part_of(3080 * MS), attribution.part_of(50 * MS)];
        assert_eq!(parts, [80 * MS, 50 * MS]);
        assert!(attribution.is_exact());
        let without_cpu = TimeWithoutCpu { run_delay_ns: 75 * MS, ..without_cpu };
        let attribution = Attribution { without_cpu, ..attribution };
        let parts = [attribution.part_of(3080 * MS), attribution.part_of(40 * MS)];
        assert_eq!(parts, [20 * MS, 10 * MS]);
        assert!(!attribution.is_exact());
    }
}
