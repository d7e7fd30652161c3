//! More and more tasks wait for a worker, or things in a queue that a workload tells of.

use std::{collections::HashMap, sync::Arc};

use crate::model::findings::{
    Finding, FindingSubject, RuleContext, RuleId, Severity,
    growth::Growth,
    rule::{Check, Rule, RuleState, Unit},
};
use crate::{
    snapshot::{GaugeValue, State},
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

const LEAST_NS: u64 = 5_000_000_000;

/// What to do about a channel that nobody bounds.
const CHANNEL: &str = "Use a bounded channel (tokio::sync::mpsc::channel): a full channel slows \
                       its senders down, so the overload becomes visible at its origin.";

/// The lengths of queues over time.
#[derive(Clone, Debug, Default)]
struct QueueGrowing {
    /// Runnable tasks.
    runnable: Option<Growth>,
    /// Queues that workloads report, by workload.
    reported: HashMap<Arc<str>, Growth>,
}

impl RuleState for QueueGrowing {
    fn check(&mut self, ctx: &RuleContext<'_>) -> Vec<Finding> {
        let mut candidates = queues(ctx, &mut self.reported);
        candidates.extend(runnable(ctx, &mut self.runnable));
        candidates
    }
}

/// The length of a channel cannot be seen from outside; workloads of the lab report it.
fn queues(ctx: &RuleContext<'_>, followed: &mut HashMap<Arc<str>, Growth>) -> Vec<Finding> {
    let lab = ctx.target.lab.iter();
    let workloads = lab.flat_map(|lab| &lab.workloads);
    let told = workloads.filter_map(|workload| {
        let queue = workload.gauges.iter().find(|gauge| &*gauge.name == "queue")?;
        let GaugeValue::Count(length) = queue.value else { return None };
        Some((&workload.name, length))
    });
    let mut candidates = Vec::new();
    for (name, length) in told {
        let known = followed.entry(name.clone());
        let growth = known.or_insert_with(|| Growth::new(ctx.now(), length));
        growth.push(ctx.now(), length);
        let Some(growing) = growth.steady(LEAST_NS).filter(|g| g.by() >= ctx.threshold(RULE.id))
        else {
            continue;
        };
        let sentence = format!(
            "the queue of {name} keeps growing: {} items, {} more than {} ago",
            count(growing.to),
            count(growing.by()),
            duration(ctx.now().saturating_sub(growing.since_ns)),
        );
        let candidate =
            RULE.candidate(ctx.now(), FindingSubject::Group(name.clone()), growing.by(), sentence);
        candidates.push(Finding { first_seen_ns: growing.since_ns, fix: CHANNEL, ..candidate });
    }
    candidates
}

fn runnable(ctx: &RuleContext<'_>, followed: &mut Option<Growth>) -> Option<Finding> {
    // Behind a hog on each worker everybody waits; that is the hog's finding.
    if ctx.all_held() {
        *followed = None;
        return None;
    }
    let ready = ctx.target.tasks.iter().filter(|task| task.state == State::Scheduled).count();
    let waiting = (ready as u64).max(ctx.target.runtime.global_queue);
    let growth = followed.get_or_insert_with(|| Growth::new(ctx.now(), waiting));
    growth.push(ctx.now(), waiting);
    let growing = growth.steady(LEAST_NS).filter(|g| g.by() >= ctx.threshold(RULE.id))?;
    let sentence = format!(
        "more and more tasks are runnable: {}, {} more than {} ago",
        count(growing.to),
        count(growing.by()),
        duration(ctx.now().saturating_sub(growing.since_ns)),
    );
    let (affected, affected_tasks) = ctx.affected_tasks();
    let candidate = RULE.candidate(ctx.now(), FindingSubject::Runtime, growing.by(), sentence);
    Some(Finding { first_seen_ns: growing.since_ns, affected, affected_tasks, ..candidate })
}

#[cfg(test)]
mod tests {
    use crate::model::findings::testing::{S, of};
    use crate::{
        model::testing::{lab, snapshot, task},
        snapshot::{Gauge, GaugeValue, State, Target, TaskStats},
    };

    fn waiting(n: u64, tasks: u64) -> Target {
        let ready = |id| TaskStats { state: State::Scheduled, ..task(id, "job") };
        snapshot(n * S / 4, (1..=tasks).map(ready))
    }

    #[test]
    fn a_queue_that_only_grows_is_too_much_work() {
        let found = of("queue-growing", (0..40).map(|n| waiting(n, 10 * n)));
        assert_eq!(
            found[0].sentence,
            "more and more tasks are runnable: 390, 390 more than 9.75s ago"
        );
    }

    #[test]
    fn a_queue_that_a_workload_tells_of_is_followed_too() {
        let told = |n: u64, length| {
            let mut lab = lab([("jobs", 1, None, 0)]);
            lab.workloads[0].gauges =
                vec![Gauge { name: "queue".into(), value: GaugeValue::Count(length) }];
            Target { lab: Some(lab), ..snapshot(n * S / 4, []) }
        };
        let found = of("queue-growing", (0..40).map(|n| told(n, 50 * n)));
        assert_eq!(
            found[0].sentence,
            "the queue of jobs keeps growing: 1,950 items, 1,950 more than 9.75s ago"
        );
        assert!(of("queue-growing", (0..40).map(|n| told(n, 500))).is_empty());
    }

    #[test]
    fn a_long_queue_that_is_worked_off_is_not() {
        assert!(of("queue-growing", (0..40).map(|n| waiting(n, 300 - n % 2 * 200))).is_empty());
        assert!(of("queue-growing", (0..40).map(|n| waiting(n, n))).is_empty(), "too few");
    }
}
