//! A worker is busy all the time, possibly with short polls only, and delays other tasks.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use crate::model::findings::{
    Finding, RuleContext, RuleId, Severity,
    rule::{Check, Rule, RuleState, Unit},
};
use crate::{
    model::LongPollEntry,
    snapshot::{FieldId, LongPoll, StackSample, TaskStats, WorkerStats},
    text::{self, bucket_duration},
};

pub(super) static RULE: Rule = Rule {
    id: RuleId::WorkerSaturated,
    name: "worker-saturated",
    meaning: "a worker is busy all the time, and tasks wait far longer for it than before",
    severity: Severity::Warning,
    unit: Unit::Percent,
    default: 90,
    measure: "busy over three seconds, while p99 scheduling delay is ten times its median of the \
              minute before; without ten seconds of history, at least 10ms. By process ID, the mean \
              number of runnable tasks, at least 4",
    raise_ns: 0,
    clear_ns: 3_000_000_000,
    fix: "Move the work off the worker: tokio::task::spawn_blocking, or a thread that owns the \
          resources. If all of it must run there, use more workers, or limit how much work is \
          accepted at a time.",
    needs: &[FieldId::Workers, FieldId::Scheduled],
    covers: &[],
    implies: &[],
    check: Check::Stateful(|| Box::new(WorkerSaturated::default())),
};

const SECOND_NS: u64 = 1_000_000_000;
/// Time over which the worker must be busy.
const WINDOW_NS: u64 = 3 * SECOND_NS;
/// Length of the history whose median is the reference.
const HISTORY_NS: u64 = 60 * SECOND_NS;
/// Minimum length of that history.
const MIN_HISTORY_NS: u64 = 10 * SECOND_NS;
/// Minimum time between two values of the history.
const SPACING_NS: u64 = SECOND_NS / 4;
/// Multiple of the reference at which the rule fires. A smaller multiple keeps an active finding.
const FIRING_MULTIPLE: u64 = 10;
const KEEPING_MULTIPLE: u64 = 5;

/// State of the rule.
#[derive(Clone, Debug, Default)]
struct WorkerSaturated {
    /// Totals of the snapshots in the window.
    past: VecDeque<Totals>,
    /// How long tasks waited, with the times, from before the worker was saturated.
    history: VecDeque<(u64, u64)>,
    /// While a worker is saturated: the reference from before, or `None` without enough history.
    frozen: Option<Option<u64>>,
    /// Busy shares of each group while a worker is saturated, the latest counting most.
    groups: HashMap<Arc<str>, f64>,
}

#[derive(Clone, Debug)]
struct Totals {
    taken_ns: u64,
    /// Per worker: busy time and run-queue delay, in nanoseconds.
    workers: Vec<(u64, u64)>,
}

impl Totals {
    fn of(ctx: &RuleContext<'_>) -> Totals {
        let totals = |worker: &WorkerStats| {
            let busy_ns = worker.poll_ns.max(worker.busy_ns);
            (busy_ns, worker.run_delay_ns.unwrap_or(0))
        };
        let workers = ctx.target.workers.iter().map(totals).collect();
        Totals { taken_ns: ctx.now(), workers }
    }
}

/// A measure of how long tasks wait for the workers.
#[derive(Clone, Copy)]
enum Waiting {
    /// p99 scheduling delay, in nanoseconds.
    Delay,
    /// The mean number of runnable tasks, in thousandths. For the same number of wakes it grows as
    /// the mean scheduling delay does, and it is known where single delays are not.
    Runnable,
}

impl Waiting {
    /// The measure that the target has, and its value without the time for which the workers had no CPU.
    fn of(ctx: &RuleContext<'_>) -> Option<(Waiting, u64)> {
        let without_cpu = ctx.machine.map_or(0.0, |machine| machine.largest_share());
        let (waiting, value) = match ctx.target.description.has(FieldId::SchedulingDelay) {
            true => (Waiting::Delay, ctx.scheduling_delay.p99_ns? as f64),
            false => {
                let tasks = ctx.target.tasks.iter().zip(ctx.rates);
                let tasks = tasks.filter(|(task, _)| !task.meta.kind.may_block());
                let runnable: f64 = tasks.map(|(_, rates)| rates.shown.scheduled).sum();
                (Waiting::Runnable, runnable * 1_000.0)
            }
        };
        Some((waiting, (value * (1.0 - without_cpu).max(0.0)) as u64))
    }

    /// The minimum value that fires without a reference.
    fn min_without_reference(self) -> u64 {
        match self {
            Waiting::Delay => 10_000_000,
            Waiting::Runnable => 4_000,
        }
    }

    /// The minimum value that fires, however small the reference is.
    fn min(self) -> u64 {
        match self {
            Waiting::Delay => 1_000_000,
            Waiting::Runnable => 4_000,
        }
    }

    fn describe(self, value: u64, before: Option<u64>) -> String {
        let (name, write): (_, fn(u64) -> String) = match self {
            Waiting::Delay => ("p99 sched delay", bucket_duration),
            Waiting::Runnable => ("runnable tasks", |value| text::rate(value as f64 / 1_000.0)),
        };
        let before = before.map(|before| format!(", {} before", write(before)));
        format!("{name} {}{}", write(value), before.unwrap_or_default())
    }
}

impl RuleState for WorkerSaturated {
    fn check(&mut self, ctx: &RuleContext<'_>) -> Vec<Finding> {
        let busiest = self.busiest(ctx);
        if ctx.is_machine_overloaded() {
            // The machine, not the tasks, causes the current delays.
            self.frozen = None;
            self.groups.clear();
            return Vec::new();
        }
        let reference = self.frozen.unwrap_or_else(|| self.reference());
        let multiple = if self.frozen.is_some() { KEEPING_MULTIPLE } else { FIRING_MULTIPLE };
        let (Some((worker, share)), Some((waiting, value))) = (busiest, Waiting::of(ctx)) else {
            return Vec::new();
        };
        let min = reference.map_or(waiting.min_without_reference(), |reference| {
            reference.saturating_mul(multiple).max(waiting.min())
        });
        let percent = (share * 100.0) as u64;
        let threshold = ctx.threshold(RULE.id);
        // Slightly below the threshold, the reference is kept.
        if percent < threshold - threshold / 5 || value < min {
            self.frozen = None;
            self.groups.clear();
            self.remember(ctx.now(), value);
            return Vec::new();
        }
        self.frozen = Some(reference);
        let Some(group) = self.busiest_group(ctx) else { return Vec::new() };
        if percent < threshold {
            return Vec::new();
        }
        vec![candidate(ctx, worker, percent, &waiting.describe(value, reference), &group)]
    }
}

fn candidate(
    ctx: &RuleContext<'_>,
    worker: usize,
    percent: u64,
    waiting: &str,
    group: &BusyGroup<'_>,
) -> Finding {
    let BusyGroup { task, tasks, share } = *group;
    let subject = match tasks {
        1 => ctx.name(task),
        n => format!("{n} tasks of {}", task.meta.group),
    };
    let evidence = evidence(ctx, &task.meta.group);
    let place = match evidence.as_ref().and_then(|evidence| evidence.function()) {
        Some(function) => format!(" in {function}"),
        None => String::new(),
    };
    let sentence = format!(
        "worker {worker} is busy for {percent}% of the time, {} of it with {subject}{place}; {waiting}",
        text::whole_percent(share)
    );
    let (affected, affected_tasks) = ctx.affected_tasks();
    let fix = ctx.fix_for(evidence.as_ref(), &task.meta.group, &RULE);
    Finding {
        evidence,
        affected,
        affected_tasks,
        fix,
        ..RULE.task_candidate(ctx.now(), task, percent, sentence)
    }
}

/// The evidence for a group: the stacks sampled from busy threads in its polls, or else its latest
/// long poll with a stack.
fn evidence(ctx: &RuleContext<'_>, group: &str) -> Option<Arc<LongPoll>> {
    let samples = ctx.target.samples.iter().map(|sample| &**sample);
    let samples = samples.filter(|sample| {
        sample.stack.offending_frame().is_some()
            && ctx.target.task(sample.task).is_some_and(|task| &*task.meta.group == group)
    });
    let samples: Vec<&StackSample> = samples.collect();
    let of_group = |entry: &&LongPollEntry| {
        entry.evidence.stack.is_some()
            && entry.meta.as_ref().is_some_and(|meta| &*meta.group == group)
    };
    let long_poll =
        || ctx.impact_table.entries().find(of_group).map(|entry| entry.evidence.clone());
    StackSample::evidence(&samples).map(Arc::new).or_else(long_poll)
}

/// The group with the most busy time.
struct BusyGroup<'a> {
    /// The busiest of its tasks.
    task: &'a TaskStats,
    tasks: usize,
    /// Share of the busy time of all groups.
    share: f64,
}

impl WorkerSaturated {
    /// The busiest worker over the window and its busy share, net of run-queue delay and steal
    /// time; `None` until the window is full.
    fn busiest(&mut self, ctx: &RuleContext<'_>) -> Option<(usize, f64)> {
        let now = Totals::of(ctx);
        let begin = now.taken_ns.checked_sub(WINDOW_NS)?;
        if self.past.back().is_some_and(|last| last.workers.len() != now.workers.len()) {
            self.past.clear();
        }
        while self.past.get(1).is_some_and(|next| next.taken_ns <= begin) {
            self.past.pop_front();
        }
        let steal = ctx.machine.and_then(|machine| machine.steal).unwrap_or(0.0);
        let first = self.past.front().filter(|first| first.taken_ns <= begin);
        let busiest = first.and_then(|first| {
            let span_ns = now.taken_ns.saturating_sub(first.taken_ns).max(1);
            let workers = now.workers.iter().zip(&first.workers).enumerate();
            let shares = workers.map(|(at, (now, before))| {
                let share =
                    |now: u64, before: u64| now.saturating_sub(before) as f64 / span_ns as f64;
                let busy = share(now.0, before.0) - share(now.1, before.1) - steal;
                (at, busy.clamp(0.0, 1.0))
            });
            shares.max_by(|(_, a), (_, b)| a.total_cmp(b))
        });
        self.past.push_back(now);
        busiest.map(|(at, share)| (ctx.target.workers[at].index, share))
    }

    fn reference(&self) -> Option<u64> {
        let ((first, _), (last, _)) = (self.history.front()?, self.history.back()?);
        if last - first < MIN_HISTORY_NS {
            return None;
        }
        let mut values: Vec<u64> = self.history.iter().map(|(_, value)| *value).collect();
        let middle = values.len() / 2;
        Some(*values.select_nth_unstable(middle).1)
    }

    fn remember(&mut self, now: u64, value: u64) {
        if self.history.back().is_some_and(|(last, _)| now < last + SPACING_NS) {
            return;
        }
        self.history.push_back((now, value));
        let oldest = now.saturating_sub(HISTORY_NS);
        self.history.retain(|(taken, _)| *taken >= oldest);
    }

    fn busiest_group<'a>(&mut self, ctx: &RuleContext<'a>) -> Option<BusyGroup<'a>> {
        /// Weight of the earlier shares.
        const KEPT: f64 = 0.75;
        /// A smaller share belongs to a group that has not been busy for a while.
        const MIN_SHARE: f64 = 1e-3;
        self.groups.retain(|_, share| {
            *share *= KEPT;
            *share >= MIN_SHARE
        });
        let tasks = ctx.target.tasks.iter().zip(ctx.rates);
        // Closures of the blocking pool do not run on a worker.
        let tasks = tasks.filter(|(task, _)| !task.meta.kind.may_block());
        for (task, rates) in tasks.clone().filter(|(_, rates)| rates.busy > 0.0) {
            match self.groups.get_mut(&task.meta.group) {
                Some(share) => *share += rates.busy,
                None => drop(self.groups.insert(task.meta.group.clone(), rates.busy)),
            }
        }
        let all: f64 = self.groups.values().sum();
        let busiest = self.groups.iter().max_by(|(_, a), (_, b)| a.total_cmp(b));
        let (group, share) = busiest.filter(|(_, share)| **share > 0.0)?;
        let of_group = tasks.filter(|(task, _)| task.meta.group == *group);
        let alive = of_group.clone().filter(|(task, _)| !task.state.is_done()).count();
        let (task, _) = of_group.max_by(|(_, a), (_, b)| a.busy.total_cmp(&b.busy))?;
        Some(BusyGroup { task, tasks: alive.max(1), share: share / all })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::model::findings::testing::{S, empty, findings_of, lock_wait};
    use crate::{
        model::{Finding, testing::task},
        snapshot::{
            Cause, Description, FieldId, FrameKind, Histogram, MachineStats, MachineTimes,
            StackSample, Target, TaskStats, testing::stack,
        },
    };

    const MS: u64 = 1_000_000;

    /// Four snapshots per second of a worker with tasks that poll for less than 10 ms each.
    #[derive(Default)]
    struct Load {
        snapshots: Vec<Target>,
        now: u64,
        busy_ns: [u64; 2],
        delays: Histogram,
        run_delay_ns: u64,
    }

    impl Load {
        /// Adds `seconds` in which two groups are busy for these percentages and each wake has this
        /// scheduling delay.
        fn seconds(&mut self, seconds: u64, busy: [u64; 2], delay: u64) -> &mut Self {
            self.seconds_beside(seconds, busy, delay, 0)
        }

        fn seconds_beside(
            &mut self,
            seconds: u64,
            busy: [u64; 2],
            delay: u64,
            run_delay: u64,
        ) -> &mut Self {
            for _ in 0..4 * seconds {
                self.now += S / 4;
                self.run_delay_ns += run_delay * S / 400;
                for (total, percent) in self.busy_ns.iter_mut().zip(busy) {
                    *total += percent * S / 400;
                }
                (0..200).for_each(|_| self.delays.record(delay));
                let mut now = empty(self.now);
                let names = ["conn-1", "conn-2", "heartbeat-1"];
                let shares = [self.busy_ns[0] / 3, self.busy_ns[0] - self.busy_ns[0] / 3];
                let busy = shares.into_iter().chain([self.busy_ns[1]]);
                now.tasks = (1..).zip(names).map(|(id, name)| task(id, name)).collect();
                now.tasks.iter_mut().zip(busy).for_each(|(task, busy_ns)| task.busy_ns = busy_ns);
                now.workers[0].poll_ns = self.busy_ns.iter().sum();
                now.workers[0].run_delay_ns = Some(self.run_delay_ns);
                let times = MachineTimes { cpus: 2, ..MachineTimes::default() };
                let run_delay_ns = Some(self.run_delay_ns);
                now.machine = Some(MachineStats { times, run_delay_ns, ..MachineStats::default() });
                now.delays = self.delays.clone();
                self.snapshots.push(now);
            }
            self
        }

        fn found(&self) -> Vec<Arc<Finding>> {
            findings_of("worker-saturated", self.snapshots.clone())
        }
    }

    #[test]
    fn worker_saturated_by_short_polls_is_reported_with_their_group() {
        let mut load = Load::default();
        load.seconds(20, [30, 5], MS).seconds(6, [90, 6], 40 * MS);
        let found = load.found();
        let [finding] = &found[..] else { panic!("{found:?}") };
        assert_eq!((finding.subject.to_string().as_str(), finding.task), ("conn", Some(2)));
        let sentence = &finding.sentence;
        assert!(sentence.starts_with("worker 0 is busy for 9"), "{sentence}");
        assert!(
            sentence.contains("% of it with 2 tasks of conn; p99 sched delay ~4"),
            "{sentence}"
        );
        assert!(finding.active && sentence.ends_with(" before"), "{sentence}");
        load.seconds(6, [30, 5], MS);
        assert!(load.found().iter().all(|finding| !finding.active));
    }

    #[test]
    fn evidence_is_sampled_from_the_busiest_group() {
        let mut load = Load::default();
        load.seconds(20, [30, 5], MS).seconds(6, [90, 6], 40 * MS);
        let samples =
            [(2, "query"), (1, "query"), (1, "accept"), (3, "beat"), (3, "beat"), (99, "old")];
        let samples = samples.map(|(task, function)| {
            let stack = stack(&[(function, 7, FrameKind::User), ("poll", 1, FrameKind::Probe)]);
            let (poll_began_ns, taken_ns) = (load.now - 2 * MS, load.now - MS);
            let (stack, cause) = (stack.into(), Cause::Computing);
            Arc::new(StackSample { task, poll_began_ns, taken_ns, cause, stack })
        });
        for snapshot in &mut load.snapshots {
            snapshot.samples = samples.to_vec();
        }
        let found = load.found();
        let sentence = &found[0].sentence;
        assert!(sentence.contains("with 2 tasks of conn in query; p99"), "{sentence}");
        let evidence = found[0].evidence.as_ref().expect("samples");
        assert_eq!((evidence.captures, evidence.blocked_at()), (3, Some("src/x.rs:7")));
        assert_eq!(evidence.lines()[0], "computing in query at src/x.rs:7");
    }

    #[test]
    fn fix_matches_the_cause_of_the_samples() {
        for (cause, fix) in
            [(Cause::Computing, "spawn_blocking"), (lock_wait(), "tokio::sync::Mutex")]
        {
            let mut load = Load::default();
            load.seconds(20, [30, 5], MS).seconds(6, [90, 6], 40 * MS);
            let stack = Arc::new(stack(&[("query", 7, FrameKind::User)]));
            let (poll_began_ns, taken_ns) = (load.now - 2 * MS, load.now - MS);
            let sample =
                StackSample { task: 2, poll_began_ns, taken_ns, cause: cause.clone(), stack };
            let samples = vec![Arc::new(sample)];
            load.snapshots.iter_mut().for_each(|snapshot| snapshot.samples = samples.clone());
            let found = load.found();
            assert!(found[0].fix.contains(fix), "{cause}: {}", found[0].fix);
        }
    }

    #[test]
    fn reference_is_older_than_the_condition_and_kept_while_it_holds() {
        let mut load = Load::default();
        load.seconds(20, [30, 5], MS).seconds(120, [90, 6], 40 * MS);
        assert_eq!(load.found().iter().filter(|finding| finding.active).count(), 1);
    }

    #[test]
    fn busy_time_or_delay_alone_is_not_reported() {
        for (busy, delay) in [([90, 8], 5 * MS), ([30, 5], 40 * MS)] {
            let mut load = Load::default();
            load.seconds(20, [30, 5], MS).seconds(10, busy, delay);
            assert_eq!(load.found(), [], "{busy:?} {delay}");
        }
        let mut load = Load::default();
        load.seconds(20, [30, 5], MS).seconds(2, [94, 6], 40 * MS);
        assert_eq!(load.found(), [], "less than three seconds");
    }

    /// Ten tasks are runnable for these percentages of the time, before and after 20 s.
    fn found_without_delays(before: u64, after: u64) -> Vec<Arc<Finding>> {
        let mut load = Load::default();
        load.seconds(20, [30, 5], MS).seconds(8, [90, 6], MS);
        let description = Description::clone(&load.snapshots[0].description);
        let description = description.without([FieldId::SchedulingDelay], "by process ID");
        let description = Arc::new(description);
        let mut scheduled_ns = 0;
        for now in &mut load.snapshots {
            scheduled_ns += S / 400 * if now.taken_ns <= 20 * S { before } else { after };
            now.description = Arc::clone(&description);
            now.delays = Histogram::default();
            now.tasks.extend(
                (10..20).map(|id| TaskStats { scheduled_ns, ..task(id, &format!("client-{id}")) }),
            );
        }
        findings_of("worker-saturated", load.snapshots)
    }

    #[test]
    fn runnable_tasks_are_compared_if_delays_are_not_known() {
        let found = found_without_delays(5, 80);
        let expected = "worker 0 is busy for 96% of the time, 94% of it with 2 tasks of conn; \
                        runnable tasks 8.0, 0.5 before";
        assert_eq!(found[0].sentence, expected);
        assert_eq!(found_without_delays(5, 30), [], "less than four");
        assert_eq!(found_without_delays(20, 80), [], "four times as many as before");
    }

    #[test]
    fn delay_of_ten_milliseconds_fires_without_history() {
        for (delay, found) in [(8 * MS, 0), (12 * MS, 1)] {
            let mut load = Load::default();
            load.seconds(6, [90, 6], delay);
            assert_eq!(load.found().len(), found, "{delay}");
        }
    }

    #[test]
    fn saturation_by_an_overloaded_machine_is_not_reported() {
        for run_delay in [15, 60] {
            let mut load = Load::default();
            load.seconds_beside(20, [30, 5], MS, run_delay);
            load.seconds_beside(10, [90, 6], 80 * MS, run_delay);
            assert_eq!(load.found(), [], "{run_delay} %");
        }
    }
}
