//! An idle task without a waker: it will never run again.

use crate::model::findings::{
    Finding, RuleContext, RuleId, Severity,
    rule::{AffectedGroup, Check, Rule, Unit},
};
use crate::snapshot::{FieldId, TaskStats};
use crate::{model::TaskRates, snapshot::State, text::duration};

pub(super) static RULE: Rule = Rule {
    id: RuleId::LostWaker,
    name: "lost-waker",
    meaning: "an idle task has no waker left: it will never run again",
    severity: Severity::Warning,
    unit: Unit::Time,
    default: 1_000_000_000,
    measure: "idle without a waker",
    raise_ns: 0,
    clear_ns: 1_000_000_000,
    fix: "Store cx.waker().clone() where the event will wake it, before poll returns Pending. If \
          the task is meant to wait forever, abort it when it is no longer needed.",
    needs: &[FieldId::LiveWakers],
    covers: &[],
    implies: &[],
    check: Check::Tasks { measure, describe },
};

fn measure(ctx: &RuleContext<'_>, task: &TaskStats, _: TaskRates) -> Option<u64> {
    let lost = task.state == State::Idle && task.live_wakers == Some(0);
    (lost && task.meta.kind.is_spawned()).then(|| task.time_in_state_ns(ctx.now()))
}

fn describe(ctx: &RuleContext<'_>, group: &AffectedGroup<'_>) -> Finding {
    let (subject, idle) = (group.subject(ctx), duration(group.measure));
    let sentence = match group.tasks {
        1 => {
            format!(
                "{subject} has been idle for {idle} and has no waker left: it will never run again"
            )
        }
        _ => format!(
            "{subject} have been idle for up to {idle} and have no waker left: they will never run \
             again"
        ),
    };
    Finding {
        first_seen_ns: group.task.since_ns,
        ..RULE.task_candidate(ctx.now(), group.task, group.measure, sentence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::findings::testing::{S, findings_of};
    use crate::model::testing::{snapshot, task};

    #[test]
    fn idle_task_without_a_waker_is_reported_after_a_second() {
        let fires =
            |task: TaskStats, at| !findings_of("lost-waker", [snapshot(at, [task])]).is_empty();
        let mut lost = task(1, "lost");
        lost.live_wakers = Some(0);
        assert!(fires(lost.clone(), 2 * S));
        assert!(!fires(lost.clone(), S / 2), "too short");
        let known = TaskStats { live_wakers: Some(1), ..lost.clone() };
        assert!(!fires(known, 2 * S));
        let unknown = TaskStats { live_wakers: None, ..lost.clone() };
        assert!(!fires(unknown, 2 * S));
        assert!(!fires(TaskStats { state: State::Scheduled, ..lost }, 2 * S));
    }

    #[test]
    fn lost_wakers_of_a_group_are_one_finding() {
        let lost = |id: u64| TaskStats { live_wakers: Some(0), ..task(id, &format!("conn-{id}")) };
        let found = findings_of("lost-waker", [snapshot(3 * S, (1..=9).map(lost))]);
        assert_eq!(found.len(), 1);
        assert_eq!(
            found[0].sentence,
            "9 tasks of conn have been idle for up to 3.00s and have no waker left: they will \
             never run again"
        );
    }
}
