//! Large futures: they are moved when they are spawned, and kept until the task ends.
//!
//! Tokio boxes a future over 16 KiB (2 KiB in a debug build) when it is spawned. That costs one
//! allocation per task and nothing per poll, so there is no rule for it. The size here is the one
//! before boxing.

use crate::{model::TaskRates, text::bytes};
use crate::{
    model::findings::{
        Finding, RuleContext, RuleId, Severity,
        rule::{AffectedGroup, Check, Rule, Unit},
    },
    snapshot::{TaskKind, TaskStats},
};

pub(super) static RULE: Rule = Rule {
    id: RuleId::LargeFuture,
    name: "large-future",
    meaning: "the future of a task is large: it is moved when it is spawned and kept until the \
              task ends",
    severity: Severity::Info,
    unit: Unit::Bytes,
    default: 16 * 1024,
    measure: "size of one future",
    raise_ns: 1_000_000_000,
    clear_ns: 5_000_000_000,
    fix: "Find large values that are kept across an .await: use a Vec instead of an array for \
          buffers, and Box::pin(…) large futures inside it.",
    needs: &[],
    covers: &[],
    implies: &[],
    check: Check::Tasks { measure, describe },
};

fn measure(_: &RuleContext<'_>, task: &TaskStats, _: TaskRates) -> Option<u64> {
    // A closure of the blocking pool is no future.
    let is_future = task.meta.kind != TaskKind::Blocking;
    (is_future && !task.state.is_done()).then_some(u64::from(task.meta.future_size))
}

fn describe(ctx: &RuleContext<'_>, group: &AffectedGroup<'_>) -> Finding {
    let size = bytes(group.measure);
    let sentence = match group.tasks {
        1 => format!("the future of {} is {size} large", ctx.name(group.task)),
        n => {
            let all = bytes(group.measure.saturating_mul(n as u64));
            format!("the futures of {} are up to {size} each, {all} in total", group.subject(ctx))
        }
    };
    RULE.task_candidate(ctx.now(), group.task, group.measure, sentence)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::model::testing::{snapshot, task};
    use crate::{
        model::findings::testing::{S, findings_of},
        snapshot::{TaskKind, TaskMeta, TaskStats},
    };

    fn sized(id: u64, future_size: u32) -> TaskStats {
        let name = format!("conn-{id}");
        let plain = task(id, &name);
        let meta = TaskMeta {
            name: plain.meta.name.clone(),
            group: plain.meta.group.clone(),
            future_size,
            ..TaskMeta::default()
        };
        TaskStats { meta: Arc::new(meta), ..plain }
    }

    #[test]
    fn future_over_16_kib_is_reported() {
        let snapshots =
            |size| (1..4).map(move |at| snapshot(at * S, [sized(1, size), sized(2, size)]));
        let found = findings_of("large-future", snapshots(17_000));
        assert_eq!(
            found[0].sentence,
            "the futures of 2 tasks of conn are up to 16.6KiB each, 33.2KiB in total"
        );
        assert!(findings_of("large-future", snapshots(13_000)).is_empty());
        assert!(findings_of("large-future", snapshots(16_000)).is_empty(), "below 16 KiB");
        let mut closure = sized(1, 17_000);
        Arc::make_mut(&mut closure.meta).kind = TaskKind::Blocking;
        let snapshots = (1..4).map(|at| snapshot(at * S, [closure.clone()]));
        assert!(findings_of("large-future", snapshots).is_empty(), "a closure");
    }
}
