//! Findings, and offenders by their impact.

use crate::{
    model::{Finding, Offender, RuleId},
    report::row::{Row, list, row},
    snapshot::ImpactAccuracy,
};

pub(in crate::report) fn finding(finding: &Finding) -> Row<'_> {
    let evidence = finding.evidence.as_deref();
    let stack = evidence.and_then(|evidence| evidence.stack.as_ref());
    let affected = finding.affected.iter().map(|task| {
        row! {
            task: task.task,
            name: &task.name,
            delay_ns: task.delay_ns,
        }
    });
    row! {
        rule: finding.rule.as_str(),
        severity: finding.severity.as_str(),
        active: finding.active,
        part_of: finding.part_of.map(RuleId::as_str),
        subject: finding.subject.to_string(),
        task: finding.task,
        task_id: finding.task_id,
        sentence: &*finding.sentence,
        measure: finding.measure,
        first_seen_ns: finding.first_seen_ns,
        last_seen_ns: finding.last_seen_ns,
        count: finding.count,
        affected_tasks: finding.affected_tasks,
        affected: list(affected),
        location: finding.location.as_deref(),
        blocked_at: finding.blocked_at(),
        kind: evidence.map(|evidence| evidence.kind.as_str()),
        cause: evidence.map(|evidence| evidence.cause.to_string()),
        stack: stack.map(|stack| list(stack.task_frames().iter().map(ToString::to_string))),
        fix: finding.fix,
    }
}

/// The long polls that a group of tasks had in one function.
pub(super) fn impact(offender: &Offender) -> Row<'_> {
    row! {
        kind: offender.kind.as_str(),
        name: &offender.name,
        task: offender.task,
        function: offender.function.as_deref(),
        blocked_at: offender.blocked_at.as_deref(),
        polls: offender.polls,
        blocked_ns: offender.blocked_ns,
        delay_ns: offender.impact.map(|impact| impact.total_ns),
        delayed_tasks: offender.impact.map(|impact| impact.tasks),
        exact: offender.impact.map(|impact| impact.accuracy == ImpactAccuracy::Exact),
        accuracy: offender.impact.map(|impact| impact.accuracy.as_str()),
    }
}
