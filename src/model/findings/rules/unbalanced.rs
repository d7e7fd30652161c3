//! One worker is busy and has queued tasks while another one is idle.

use crate::model::findings::{
    Finding, FindingSubject, RuleContext, RuleId, Severity,
    rule::{Check, Rule, Unit},
};
use crate::snapshot::FieldId;
use crate::text::whole_percent;

pub(super) static RULE: Rule = Rule {
    id: RuleId::Unbalanced,
    name: "unbalanced",
    meaning: "one worker is busy with four or more tasks in its queue while another one is idle",
    severity: Severity::Info,
    unit: Unit::Percent,
    default: 60,
    measure: "busy share above that of the idlest worker, in percentage points",
    raise_ns: 3_000_000_000,
    clear_ns: 3_000_000_000,
    fix: "More workers would not help. Spawn from a task instead of from block_on, and split long \
          polls: a worker hands over no tasks during a poll. A LocalSet and its tasks always stay on \
          their thread.",
    needs: &[FieldId::Workers, FieldId::LocalQueue],
    covers: &[],
    implies: &[],
    check: Check::Snapshot(check),
};

/// Minimum number of tasks in the busy worker's queue.
const MIN_QUEUE: u64 = 4;
/// Maximum busy share of the idle worker.
const MAX_IDLE: f64 = 0.3;

fn check(ctx: &RuleContext<'_>) -> Vec<Finding> {
    let busiest = ctx.busy_shares().max_by(|(_, a), (_, b)| a.total_cmp(b));
    let idlest = ctx.busy_shares().min_by(|(_, a), (_, b)| a.total_cmp(b));
    let (Some((busiest, most)), Some((idlest, least))) = (busiest, idlest) else {
        return Vec::new();
    };
    let points = ((most - least).max(0.0) * 100.0).round() as u64;
    let queue = busiest.local_queue;
    // A single poll that blocks a worker is the finding of worker-held.
    let is_blocked = ctx.blocked_worker().is_some();
    if is_blocked || queue < MIN_QUEUE || least > MAX_IDLE || points < ctx.threshold(RULE.id) {
        return Vec::new();
    }
    let sentence = format!(
        "worker {} is {} busy with {queue} tasks in its queue, worker {} is {} busy",
        busiest.index,
        whole_percent(most),
        idlest.index,
        whole_percent(least),
    );
    vec![RULE.candidate(ctx.now(), FindingSubject::Runtime, points, sentence)]
}

#[cfg(test)]
mod tests {
    use crate::model::testing::worker;
    use crate::{
        model::findings::testing::{S, empty, findings_of},
        snapshot::Target,
    };

    /// Two workers with these busy shares in percent; the first one has this queue.
    fn shares(n: u64, first: u64, second: u64, queue: u64) -> Target {
        let mut now = empty(n * S / 4);
        now.workers = vec![worker(0), worker(1)];
        for (worker, share) in now.workers.iter_mut().zip([first, second]) {
            worker.poll_ns = now.taken_ns / 100 * share;
        }
        now.workers[0].local_queue = queue;
        now
    }

    #[test]
    fn queued_tasks_beside_an_idle_worker_are_reported() {
        let found = findings_of("unbalanced", (0..30).map(|n| shares(n, 95, 10, 8)));
        assert_eq!(
            found[0].sentence,
            "worker 0 is 95% busy with 8 tasks in its queue, worker 1 is 10% busy"
        );
    }

    #[test]
    fn short_queue_or_two_busy_workers_are_not_reported() {
        assert!(findings_of("unbalanced", (0..30).map(|n| shares(n, 95, 10, 1))).is_empty());
        assert!(findings_of("unbalanced", (0..30).map(|n| shares(n, 95, 80, 8))).is_empty());
    }
}
