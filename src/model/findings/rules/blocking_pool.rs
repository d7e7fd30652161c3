//! The blocking pool is exhausted: closures are queued, and all threads are busy.

use crate::model::findings::{
    Finding, FindingSubject, RuleContext, RuleId, Severity,
    rule::{Check, Rule, Unit},
};
use crate::snapshot::FieldId;
use crate::text::plural;

pub(super) static RULE: Rule = Rule {
    id: RuleId::BlockingPoolExhausted,
    name: "blocking-pool-exhausted",
    meaning: "closures are queued for the blocking pool, and all of its threads are busy",
    severity: Severity::Warning,
    unit: Unit::Count,
    default: 1,
    measure: "queued closures",
    // A pool below its limit starts a thread at once, which empties the queue within this time.
    raise_ns: 500_000_000,
    clear_ns: 2_000_000_000,
    fix: "Limit the number of calls, for example with a tokio::sync::Semaphore; move computations \
          to a pool with one thread per CPU (rayon) and endless work to a thread of its own; or \
          raise Builder::max_blocking_threads. tokio::fs and DNS lookups use this pool, too.",
    // Where idle threads are not counted, a closure counts as queued only after it has waited.
    needs: &[FieldId::BlockingQueue, FieldId::BlockingThreads],
    covers: &[],
    implies: &[],
    check: Check::Snapshot(check),
};

fn check(ctx: &RuleContext<'_>) -> Vec<Finding> {
    let runtime = &ctx.target.runtime;
    let (queue, threads) = (runtime.blocking_queue, runtime.blocking_threads);
    if runtime.idle_blocking_threads > 0 || threads == 0 || queue < ctx.threshold(RULE.id) {
        return Vec::new();
    }
    let are = if queue == 1 { "is" } else { "are" };
    let busy = match threads {
        1 => "its only thread is busy".to_owned(),
        n => format!("all {n} threads are busy"),
    };
    let sentence =
        format!("{} {are} queued for the blocking pool: {busy}", plural(queue, "closure"));
    vec![RULE.candidate(ctx.now(), FindingSubject::BlockingPool, queue, sentence)]
}

#[cfg(test)]
mod tests {
    use crate::{
        model::findings::testing::{S, empty, findings_of},
        snapshot::Target,
    };

    fn pool(at: u64, threads: u64, idle: u64, queue: u64) -> Target {
        let mut now = empty(at);
        now.runtime.blocking_threads = threads;
        now.runtime.idle_blocking_threads = idle;
        now.runtime.blocking_queue = queue;
        now
    }

    #[test]
    fn queue_with_busy_threads_is_reported() {
        let found =
            findings_of("blocking-pool-exhausted", (0..5).map(|n| pool(n * S / 4, 8, 0, 30)));
        assert_eq!(
            found[0].sentence,
            "30 closures are queued for the blocking pool: all 8 threads are busy"
        );
    }

    #[test]
    fn short_queue_or_idle_threads_are_not_reported() {
        let rule = "blocking-pool-exhausted";
        assert!(findings_of(rule, (0..5).map(|n| pool(n * S / 4, 8, 1, 30))).is_empty());
        assert!(findings_of(rule, (0..5).map(|n| pool(n * S / 4, 8, 0, n % 2))).is_empty());
        assert!(findings_of(rule, (0..5).map(|n| empty(n * S / 4))).is_empty(), "unknown");
    }
}
