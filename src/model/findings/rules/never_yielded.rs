//! A task whose only poll is long: its future never returns `Pending`.

use std::sync::Arc;

use crate::model::findings::{
    Finding, RuleContext, RuleId, Severity,
    rule::{AffectedGroup, Check, Rule, Unit},
};
use crate::{
    model::TaskRates,
    snapshot::{FieldId, LongPoll, PollKind, State, TaskStats},
    text::duration,
};

pub(super) static RULE: Rule = Rule {
    id: RuleId::NeverYielded,
    name: "never-yielded",
    meaning: "the only poll of a task is long: the task never yields",
    severity: Severity::Warning,
    unit: Unit::Time,
    default: 1_000_000_000,
    measure: "length of the only poll of a task",
    raise_ns: 0,
    clear_ns: 5_000_000_000,
    fix: "This is not async code: run it with tokio::task::spawn_blocking, or on a thread of its \
          own if it never ends.",
    needs: &[FieldId::Polls],
    covers: &[],
    implies: &[],
    check: Check::Tasks { measure, describe },
};

fn measure(ctx: &RuleContext<'_>, task: &TaskStats, _: TaskRates) -> Option<u64> {
    let in_poll_or_done = task.state == State::Polling || task.state.is_done();
    let is_only_poll = task.polls == 1 && in_poll_or_done && !task.meta.kind.may_block();
    // An ended task stays in the table for a while and is reported once.
    let is_old = task.state.is_done() && ctx.previous_ns.is_some_and(|at| task.since_ns <= at);
    if !is_only_poll || is_old {
        return None;
    }
    let evidence = evidence_of(ctx, task);
    // The long poll of an ended task may no longer be reported; then the busy time counts.
    Some(if task.state.is_done() && evidence.is_none() {
        task.busy_ns
    } else {
        ctx.net_ns(task.busy_ns, evidence)
    })
}

/// The watchdog's evidence of the only poll of a task.
fn evidence_of<'a>(ctx: &'a RuleContext<'_>, task: &TaskStats) -> Option<&'a Arc<LongPoll>> {
    let of_task = |e: &&Arc<LongPoll>| e.task == task.key && e.kind == PollKind::Poll;
    ctx.target.long_polls.iter().find(of_task)
}

fn describe(ctx: &RuleContext<'_>, group: &AffectedGroup<'_>) -> Finding {
    let (task, length) = (group.task, duration(group.measure));
    let name = ctx.name(task);
    let ran = match task.state {
        State::Polling => format!("{name} has been in its first poll for {length}"),
        _ => format!("{name} spent {length} in its only poll"),
    };
    let more = match group.tasks {
        1 => String::new(),
        n => format!(" ({} more of {} do the same)", n - 1, task.meta.group),
    };
    let evidence = evidence_of(ctx, task);
    let sentence = format!("{ran} and has never yielded{more}");
    Finding {
        first_seen_ns: ctx.now().saturating_sub(task.lifetime_ns),
        evidence: evidence.cloned(),
        fix: ctx.fix_for(evidence, &task.meta.group, &RULE),
        ..RULE.task_candidate(ctx.now(), task, group.measure, sentence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::findings::testing::{S, findings_of, lock_wait, running_poll};
    use crate::model::testing::{snapshot, task};

    fn one_poll(busy_ns: u64, polls: u64, state: State) -> TaskStats {
        TaskStats { state, polls, busy_ns, lifetime_ns: busy_ns, ..task(1, "import") }
    }

    #[test]
    fn task_with_one_long_poll_is_reported() {
        let found =
            findings_of("never-yielded", [snapshot(5 * S, [one_poll(2 * S, 1, State::Polling)])]);
        assert_eq!(
            found[0].sentence,
            "import has been in its first poll for 2.00s and has never yielded"
        );
        let found =
            findings_of("never-yielded", [snapshot(5 * S, [one_poll(2 * S, 1, State::Completed)])]);
        assert!(found[0].sentence.starts_with("import spent 2.00s in its only poll"));
    }

    #[test]
    fn fix_matches_the_cause_of_the_poll() {
        let mut now = snapshot(5 * S, [one_poll(2 * S, 1, State::Polling)]);
        now.long_polls = vec![running_poll(1, 3 * S, lock_wait())];
        let found = findings_of("never-yielded", [now]);
        assert!(found[0].fix.contains("tokio::sync::Mutex"), "{}", found[0].fix);
    }

    #[test]
    fn short_tasks_and_tasks_that_yielded_are_not_reported() {
        for task in [
            one_poll(S / 2, 1, State::Completed),
            one_poll(3 * S, 2, State::Polling),
            one_poll(3 * S, 1, State::Idle),
        ] {
            assert!(findings_of("never-yielded", [snapshot(5 * S, [task])]).is_empty());
        }
    }
}
