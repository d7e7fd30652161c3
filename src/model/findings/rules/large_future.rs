//! Futures that are large: each spawn moves them, each task keeps them.
//!
//! Tokio puts a future over 16 KiB (2 KiB in a debug build) into a box of its own when it is
//! spawned. That costs one allocation a task and nothing in a poll, so it is no rule of
//! its own: the size here is the one before.

use crate::{model::TaskRates, text::bytes};
use crate::{
    model::findings::{
        Finding, RuleContext, RuleId, Severity,
        rule::{AffectedGroup, Check, Rule, Unit},
    },
    snapshot::TaskStats,
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
    (!task.state.is_done()).then_some(u64::from(task.meta.future_size))
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
        model::findings::testing::{S, of},
        snapshot::{TaskMeta, TaskStats},
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
    fn sixteen_kibibytes_are_large() {
        let moments =
            |size| (1..4).map(move |at| snapshot(at * S, [sized(1, size), sized(2, size)]));
        let found = of("large-future", moments(17_000));
        assert_eq!(
            found[0].sentence,
            "the futures of 2 tasks of conn are up to 16.6KiB each, 33.2KiB in total"
        );
        assert!(of("large-future", moments(13_000)).is_empty());
        assert!(of("large-future", moments(16_000)).is_empty(), "near is not over");
    }
}
