//! A queue keeps growing: the runnable tasks, or a queue that a workload reports.

use std::{collections::HashMap, sync::Arc};

use crate::model::findings::{
    Finding, FindingSubject, RuleContext, RuleId, Severity,
    growth::GrowthTracker,
    rule::{Check, Rule, RuleState, Unit},
};
use crate::{
    snapshot::MetricValue,
    text::{count, duration},
};

pub(super) static RULE: Rule = Rule {
    id: RuleId::QueueGrowing,
    name: "queue-growing",
    meaning: "a queue keeps growing, the runtime's or one that a workload reports: work arrives \
              faster than it is done",
    severity: Severity::Warning,
    unit: Unit::Count,
    default: 100,
    measure: "growth over five seconds or longer",
    raise_ns: 1_000_000_000,
    clear_ns: 3_000_000_000,
    fix: "Accept less work: put a bounded channel or a tokio::sync::Semaphore in front of the \
          code that spawns or wakes these tasks. More workers help only if there are idle CPUs.",
    needs: &[],
    covers: &[],
    implies: &[],
    check: Check::Stateful(|| Box::new(QueueGrowing::default())),
};

/// Minimum time of growth.
const MIN_GROWTH_NS: u64 = 5_000_000_000;

/// The fix for an unbounded channel.
const CHANNEL: &str = "Use a bounded channel (tokio::sync::mpsc::channel): a full channel slows \
                       its senders down, so the overload becomes visible at its origin.";

/// The growth of each queue.
#[derive(Clone, Debug, Default)]
struct QueueGrowing {
    /// Runnable tasks.
    runnable: Option<GrowthTracker>,
    /// Queues that workloads report, by workload.
    reported: HashMap<Arc<str>, GrowthTracker>,
}

impl RuleState for QueueGrowing {
    fn check(&mut self, ctx: &RuleContext<'_>) -> Vec<Finding> {
        let mut candidates = reported_queues(ctx, &mut self.reported);
        candidates.extend(runnable_tasks(ctx, &mut self.runnable));
        candidates
    }
}

/// Queues that workloads of the lab report: the length of a channel is not visible from outside.
fn reported_queues(
    ctx: &RuleContext<'_>,
    trackers: &mut HashMap<Arc<str>, GrowthTracker>,
) -> Vec<Finding> {
    let lab = ctx.target.lab.iter();
    let workloads = lab.flat_map(|lab| &lab.workloads);
    let queues = workloads.filter_map(|workload| {
        let queue = workload.metrics.iter().find(|metric| &*metric.name == "queue")?;
        let MetricValue::Count(length) = queue.value else { return None };
        Some((&workload.name, length))
    });
    let mut candidates = Vec::new();
    for (name, length) in queues {
        let tracker = trackers.entry(name.clone());
        let tracker = tracker.or_insert_with(|| GrowthTracker::new(ctx.now(), length));
        tracker.push(ctx.now(), length);
        let growth = tracker.steady(MIN_GROWTH_NS);
        let Some(growth) = growth.filter(|growth| growth.by() >= ctx.threshold(RULE.id)) else {
            continue;
        };
        let sentence = format!(
            "the queue of {name} keeps growing: {} items, {} more than {} ago",
            count(growth.to),
            count(growth.by()),
            duration(ctx.now().saturating_sub(growth.since_ns)),
        );
        let candidate =
            RULE.candidate(ctx.now(), FindingSubject::Group(name.clone()), growth.by(), sentence);
        candidates.push(Finding { first_seen_ns: growth.since_ns, fix: CHANNEL, ..candidate });
    }
    candidates
}

fn runnable_tasks(ctx: &RuleContext<'_>, tracker: &mut Option<GrowthTracker>) -> Option<Finding> {
    // With a hog on each worker, all tasks are runnable; that is the finding about the hog.
    if ctx.all_workers_blocked() {
        *tracker = None;
        return None;
    }
    let runnable = ctx.target.tasks.iter().filter(|task| task.is_runnable()).count();
    let runnable = (runnable as u64).max(ctx.target.runtime.injection_queue);
    let tracker = tracker.get_or_insert_with(|| GrowthTracker::new(ctx.now(), runnable));
    tracker.push(ctx.now(), runnable);
    let growth =
        tracker.steady(MIN_GROWTH_NS).filter(|growth| growth.by() >= ctx.threshold(RULE.id))?;
    let sentence = format!(
        "more and more tasks are runnable: {}, {} more than {} ago",
        count(growth.to),
        count(growth.by()),
        duration(ctx.now().saturating_sub(growth.since_ns)),
    );
    let (affected, affected_tasks) = ctx.affected_tasks();
    let candidate = RULE.candidate(ctx.now(), FindingSubject::Runtime, growth.by(), sentence);
    Some(Finding { first_seen_ns: growth.since_ns, affected, affected_tasks, ..candidate })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::model::findings::testing::{S, findings_of};
    use crate::{
        model::testing::{lab, snapshot, task},
        snapshot::{MetricValue, State, Target, TaskKind, TaskStats, WorkloadMetric},
    };

    fn with_runnable(n: u64, tasks: u64) -> Target {
        let runnable = |id| TaskStats { state: State::Scheduled, ..task(id, "job") };
        snapshot(n * S / 4, (1..=tasks).map(runnable))
    }

    #[test]
    fn growing_number_of_runnable_tasks_is_reported() {
        let found = findings_of("queue-growing", (0..40).map(|n| with_runnable(n, 10 * n)));
        assert_eq!(
            found[0].sentence,
            "more and more tasks are runnable: 390, 390 more than 9.75s ago"
        );
    }

    #[test]
    fn queue_of_the_blocking_pool_is_not_one_of_runnable_tasks() {
        let closures = |n: u64| {
            let mut queued = with_runnable(n, 10 * n);
            for task in &mut queued.tasks {
                Arc::make_mut(&mut task.meta).kind = TaskKind::Blocking;
            }
            queued
        };
        assert!(findings_of("queue-growing", (0..40).map(closures)).is_empty());
    }

    #[test]
    fn growing_queue_of_a_workload_is_reported() {
        let with_queue = |n: u64, length| {
            let mut lab = lab([("jobs", 1, None, 0)]);
            lab.workloads[0].metrics =
                vec![WorkloadMetric { name: "queue".into(), value: MetricValue::Count(length) }];
            Target { lab: Some(lab), ..snapshot(n * S / 4, []) }
        };
        let found = findings_of("queue-growing", (0..40).map(|n| with_queue(n, 50 * n)));
        assert_eq!(
            found[0].sentence,
            "the queue of jobs keeps growing: 1,950 items, 1,950 more than 9.75s ago"
        );
        assert!(findings_of("queue-growing", (0..40).map(|n| with_queue(n, 500))).is_empty());
    }

    #[test]
    fn fluctuating_or_short_queue_is_not_reported() {
        assert!(
            findings_of("queue-growing", (0..40).map(|n| with_runnable(n, 300 - n % 2 * 200)))
                .is_empty()
        );
        assert!(
            findings_of("queue-growing", (0..40).map(|n| with_runnable(n, n))).is_empty(),
            "too few"
        );
    }
}
