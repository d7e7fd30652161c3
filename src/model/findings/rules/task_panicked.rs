//! A poll panicked. Tokio catches the panic, and often it is not reported.

use crate::model::findings::{
    Finding, RuleContext, RuleId, Severity,
    rule::{AffectedGroup, Check, Rule, Unit},
};
use crate::snapshot::{FieldId, TaskStats};
use crate::{model::TaskRates, snapshot::State, text::plural};

pub(super) static RULE: Rule = Rule {
    id: RuleId::TaskPanicked,
    name: "task-panicked",
    meaning: "a task panicked: it was dropped, and the runtime continues without reporting it",
    severity: Severity::Warning,
    unit: Unit::Count,
    default: 1,
    measure: "panics in one group within a few seconds",
    raise_ns: 0,
    // A panic is a single moment. The finding stays active for a minute, so that it is noticed.
    clear_ns: 60_000_000_000,
    fix: "Await its JoinHandle and handle the JoinError: it contains the panic.",
    needs: &[FieldId::Panics],
    covers: &[],
    implies: &[],
    check: Check::Tasks { measure, describe },
};

fn measure(ctx: &RuleContext<'_>, task: &TaskStats, _: TaskRates) -> Option<u64> {
    // The measure is the number of tasks, which only `describe` knows.
    (task.state == State::Panicked).then(|| ctx.threshold(RULE.id))
}

fn describe(ctx: &RuleContext<'_>, group: &AffectedGroup<'_>) -> Finding {
    let (task, name) = (group.task, ctx.name(group.task));
    let sentence = match group.tasks {
        1 => format!("{name} panicked in poll {}", task.polls),
        n => format!(
            "{} of {} panicked within seconds, {name} in poll {}",
            plural(n as u64, "task"),
            task.meta.group,
            task.polls
        ),
    };
    Finding {
        first_seen_ns: task.since_ns,
        count: group.new,
        ..RULE.task_candidate(ctx.now(), task, group.tasks as u64, sentence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::findings::testing::{S, findings_of};
    use crate::model::testing::{snapshot, task};

    fn broken(id: u64, at: u64) -> TaskStats {
        let name = format!("importer-{id}");
        TaskStats { state: State::Panicked, polls: 3, since_ns: at, ..task(id, &name) }
    }

    #[test]
    fn panicked_task_is_reported_with_its_poll() {
        let found =
            findings_of("task-panicked", [snapshot(S, [broken(1, S / 2), task(2, "fine")])]);
        assert_eq!(found[0].sentence, "importer-1 panicked in poll 3");
        assert!(findings_of("task-panicked", [snapshot(S, [task(2, "fine")])]).is_empty());
    }

    #[test]
    fn each_panic_is_counted_once_and_active_for_a_minute() {
        let two = [broken(1, S / 2), broken(2, S + 1)];
        let mut snapshots = vec![
            snapshot(S, two[..1].to_vec()),
            snapshot(2 * S, two.to_vec()),
            snapshot(3 * S, two.to_vec()),
            snapshot(30 * S, []),
        ];
        let found = findings_of("task-panicked", snapshots.clone());
        assert_eq!((found.len(), found[0].count, found[0].active), (1, 2, true));
        snapshots.push(snapshot(70 * S, []));
        let found = findings_of("task-panicked", snapshots);
        assert_eq!((found[0].active, found[0].measure), (false, 2));
    }
}
