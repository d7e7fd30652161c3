//! Makes the bill of a long poll: who waits because of it, by two looks at all tasks.

use std::collections::HashMap;

use super::{
    PollImpact, TimeWithoutCpu,
    waits::{Span, Waits},
};
use crate::accounting::{Registry, State, TaskView};

/// So many times as long as a look at all tasks takes there is none after it.
const REST: u64 = 20;
/// A median over fewer waits says nothing.
const ENOUGH: u64 = 8;
/// Tasks of which is remembered what is usual, beyond those that live.
const KEPT: usize = 1024;

/// All tasks' waits at the first look of a poll, by key.
pub(super) struct Before {
    waits: Vec<Waits>,
    /// The runtime of the long poll's task; only tasks of it are affected. `None` if not known.
    runtime: Option<u32>,
    /// Polls of the other threads until then; `None` if one was in a poll.
    others: Option<u64>,
}

/// How much of a poll, and so of the scheduling delay that it causes, is left after deducting the
/// time without a CPU.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Charge {
    pub length_ns: u64,
    pub without_cpu: TimeWithoutCpu,
}

impl Charge {
    /// The part of a scheduling delay of this length that the poll has caused. A stop lies in a
    /// delay entirely or not at all, because no task runs during a stop. The other time without a
    /// CPU is assumed to have the same share of the delay as of the poll.
    fn of(&self, wait_ns: u64) -> u64 {
        let stopped_ns = self.without_cpu.stopped_ns;
        let wait_ns = wait_ns.checked_sub(stopped_ns).unwrap_or(wait_ns);
        let running_ns = self.length_ns.saturating_sub(stopped_ns).max(1);
        let net_ns = self.length_ns.saturating_sub(self.without_cpu.total_ns());
        let part = u128::from(wait_ns) * u128::from(net_ns) / u128::from(running_ns);
        u64::try_from(part).unwrap_or(wait_ns)
    }

    /// Whether almost nothing except stops is deducted: otherwise the part is an estimate.
    fn is_exact(&self) -> bool {
        let estimated = self.without_cpu.total_ns() - self.without_cpu.stopped_ns;
        estimated <= self.length_ns / 100
    }
}

/// Makes bills, within a budget of its own.
pub(super) struct Biller {
    registry: &'static Registry,
    /// When the next bill may be begun.
    rested: u64,
    /// What a task, or one spawned at the same place, usually waits: its median before the
    /// long polls, which is the least that was seen of it.
    usual: HashMap<u64, u64>,
    usual_there: HashMap<usize, u64>,
}

impl Biller {
    pub(super) fn new(registry: &'static Registry) -> Self {
        Biller { registry, rested: 0, usual: HashMap::new(), usual_there: HashMap::new() }
    }

    /// The first look; `None` if there are so many tasks that it would cost too much now.
    pub(super) fn begin(&mut self, thread: usize, runtime: Option<u32>) -> Option<Before> {
        let began = self.registry.now();
        if began < self.rested {
            return None;
        }
        let others = self.others(thread);
        let mut waits = Vec::with_capacity(self.registry.live());
        self.registry.scan(began, |task| {
            let is_affected = runtime.is_none_or(|runtime| runtime == task.runtime());
            if is_affected && !task.reading.state.is_done() {
                waits.push(of(&task, began));
            }
        });
        waits.sort_unstable_by_key(|waits| waits.task);
        self.rest(began);
        Some(Before { waits, runtime, others })
    }

    /// Whether another look may be taken at a poll that is not over.
    pub(super) fn is_rested(&self) -> bool {
        self.registry.now() >= self.rested
    }

    /// What the poll of `culprit` has cost until `until`; `None` is now. The same pass over the
    /// tasks is the first one of the poll that the thread is in now, `next`.
    pub(super) fn sum_up(
        &mut self,
        before: &Before,
        thread: usize,
        culprit: u64,
        poll: (u64, Option<u64>),
        charge: Charge,
        next: &mut Option<Before>,
    ) -> PollImpact {
        let now = self.registry.now();
        let span = Span { began: poll.0, until: poll.1.unwrap_or(now) };
        let mut cost = PollImpact::default();
        let (usual, there) = (&mut self.usual, &mut self.usual_there);
        let mut seen = 0;
        let mut waits_now = Vec::with_capacity(before.waits.len());
        self.registry.scan(now, |task| {
            seen += 1;
            if before.runtime.is_some_and(|runtime| runtime != task.runtime()) {
                return;
            }
            let after = of(&task, now);
            if !task.reading.state.is_done() {
                waits_now.push(after);
            }
            let at = before.waits.binary_search_by_key(&after.task, |waits| waits.task).ok();
            let (nanos, waits) = span.waited(at.map(|at| &before.waits[at]), &after);
            if after.task == culprit || nanos < PollImpact::MIN_DELAY_NS {
                return;
            }
            let usual = usually(usual, there, &task);
            let beyond = charge.of(nanos).saturating_sub(usual.saturating_mul(waits));
            cost.add(after.task, || task.name().into(), beyond);
        });
        if self.usual.len() > seen + KEPT {
            self.usual.clear();
        }
        // None was in a poll, and none began one.
        let others = self.others(thread);
        let is_alone = before.others.is_some() && before.others == others;
        cost.exact = is_alone && charge.is_exact();
        self.rest(now);
        waits_now.sort_unstable_by_key(|waits| waits.task);
        *next = Some(Before { waits: waits_now, runtime: before.runtime, others });
        cost
    }

    /// Polls of all threads but this one; `None` if one of them is in a poll.
    fn others(&self, thread: usize) -> Option<u64> {
        let threads = self.registry.threads(self.registry.now());
        let others = threads.iter().enumerate().filter(|(at, _)| *at != thread);
        others.map(|(_, other)| other.current.is_none().then_some(other.polls)).sum()
    }

    /// Whether the first pass, which is of another poll, may be used for one of this runtime.
    pub(super) fn is_of(before: &Before, runtime: Option<u32>) -> bool {
        before.runtime == runtime
    }

    #[cfg(test)]
    pub(super) fn never_rests(&mut self) {
        self.rested = u64::MAX;
    }

    fn rest(&mut self, began: u64) {
        let now = self.registry.now();
        self.rested = now + REST * now.saturating_sub(began);
    }
}

fn of(task: &TaskView<'_>, now: u64) -> Waits {
    let reading = &task.reading;
    let since = (reading.state == State::Scheduled).then_some(reading.since);
    let running = since.map_or(0, |since| now.saturating_sub(since));
    Waits {
        task: task.key(),
        settled: reading.scheduled.saturating_sub(running),
        polls: reading.polls,
        since,
    }
}

/// What a task usually waits: its own median, or that of tasks of its kind. At most 1 ms: a longer
/// median is itself an effect of long polls, if these have occurred since the task was spawned.
fn usually(
    known: &mut HashMap<u64, u64>,
    there: &mut HashMap<usize, u64>,
    task: &TaskView<'_>,
) -> u64 {
    let place = std::ptr::from_ref(task.location()).addr();
    let delays = task.delays();
    let own = (delays.count() >= ENOUGH).then(|| delays.quantile(0.5)).flatten();
    let own = own.map(|own| own.min(PollImpact::MIN_DELAY_NS));
    let Some(own) = own else { return there.get(&place).copied().unwrap_or(0) };
    let least = |usual: &mut u64| {
        *usual = own.min(*usual);
        *usual
    };
    least(there.entry(place).or_insert(own));
    least(known.entry(task.key()).or_insert(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn tasks_of_another_runtime_are_not_affected() {
        let registry = Registry::leak();
        // Scheduled from their creation on.
        let tasks = [1, 1, 2].map(|runtime| registry.instrument_on(runtime, "t", true, async {}));
        let offender = tasks[0].key();
        let mut biller = Biller::new(registry);
        let began = registry.now();
        let mut affected = |runtime| {
            while !biller.is_rested() {}
            let before = biller.begin(0, runtime).expect("it has rested");
            while registry.now() < began + 2 * PollImpact::MIN_DELAY_NS {}
            let length_ns = registry.now() - began;
            let charge = Charge { length_ns, ..Charge::default() };
            biller.sum_up(&before, 0, offender, (began, None), charge, &mut None).tasks
        };
        assert_eq!(registry.runtime_of(offender), Some(1));
        assert_eq!((affected(Some(1)), affected(None)), (1, 2));
    }

    #[test]
    fn charge_excludes_stops_and_its_share_of_the_time_without_a_cpu() {
        let without_cpu = TimeWithoutCpu { stopped_ns: 3000 * MS, ..TimeWithoutCpu::default() };
        let charge = Charge { length_ns: 3100 * MS, without_cpu };
        assert_eq!((charge.of(3080 * MS), charge.of(50 * MS)), (80 * MS, 50 * MS));
        assert!(charge.is_exact());
        let without_cpu = TimeWithoutCpu { run_delay_ns: 75 * MS, ..without_cpu };
        let charge = Charge { without_cpu, ..charge };
        assert_eq!((charge.of(3080 * MS), charge.of(40 * MS)), (20 * MS, 10 * MS));
        assert!(!charge.is_exact());
    }
}
