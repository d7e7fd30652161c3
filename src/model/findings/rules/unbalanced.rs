//! One worker has all the work, and the others do not take it.

use crate::model::findings::{
    Finding, FindingSubject, RuleContext, RuleId, Severity,
    rule::{Check, Rule, Unit},
};
use crate::snapshot::FieldId;
use crate::text::whole_percent;

pub(super) static RULE: Rule = Rule {
    id: RuleId::Unbalanced,
    name: "unbalanced",
    meaning: "one worker is busy and has tasks in its queue while another one is idle",
    severity: Severity::Info,
    unit: Unit::Percent,
    default: 60,
    measure: "busy share above that of the idlest worker, in percentage points",
    raise_ns: 3_000_000_000,
    clear_ns: 3_000_000_000,
    fix: "Spawn from a task instead of from block_on, and split long polls: a worker hands over \
           no tasks during a poll. A LocalSet and its tasks always stay on their thread.",
    needs: &[FieldId::Workers, FieldId::LocalQueue],
    covers: &[],
    implies: &[],
    check: Check::Snapshot(check),
};

/// So many tasks in the busy worker's queue are more than what it is about to do.
const QUEUE: u64 = 4;
/// A worker below this has nothing to do.
const IDLE: f64 = 0.3;

fn check(ctx: &RuleContext<'_>) -> Vec<Finding> {
    let busiest = ctx.busy_shares().max_by(|(_, a), (_, b)| a.total_cmp(b));
    let idlest = ctx.busy_shares().min_by(|(_, a), (_, b)| a.total_cmp(b));
    let (Some((busiest, most)), Some((idlest, least))) = (busiest, idlest) else {
        return Vec::new();
    };
    let points = ((most - least).max(0.0) * 100.0).round() as u64;
    let queue = busiest.local_queue;
    // One poll that holds a worker is another rule's.
    let held = ctx.held().is_some();
    if held || queue < QUEUE || least > IDLE || points < ctx.threshold(RULE.id) {
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
        model::findings::testing::{S, of, when},
        snapshot::Target,
    };

    /// Two workers with these shares in percent, and the first one's queue.
    fn shares(n: u64, first: u64, second: u64, queue: u64) -> Target {
        let mut now = when(n * S / 4);
        now.workers = vec![worker(0), worker(1)];
        for (worker, share) in now.workers.iter_mut().zip([first, second]) {
            worker.poll_ns = now.taken_ns / 100 * share;
        }
        now.workers[0].local_queue = queue;
        now
    }

    #[test]
    fn work_that_waits_beside_an_idle_worker_is_told() {
        let found = of("unbalanced", (0..30).map(|n| shares(n, 95, 10, 8)));
        assert_eq!(
            found[0].sentence,
            "worker 0 is 95% busy with 8 tasks in its queue, worker 1 is 10% busy"
        );
    }

    #[test]
    fn a_busy_worker_whose_queue_is_empty_is_as_it_should_be() {
        assert!(of("unbalanced", (0..30).map(|n| shares(n, 95, 10, 1))).is_empty());
        assert!(of("unbalanced", (0..30).map(|n| shares(n, 95, 80, 8))).is_empty());
    }
}
