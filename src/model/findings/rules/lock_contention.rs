//! Tasks wait long for a lock that another task holds, for example across an await.

use crate::model::findings::{
    Finding, FindingSubject, RuleContext, RuleId, Severity,
    rule::{Check, Rule, Unit},
    waits::ContendedResource,
};
use crate::{
    snapshot::FieldId,
    text::{duration, plural},
};

pub(super) static RULE: Rule = Rule {
    id: RuleId::LockContention,
    name: "lock-contention",
    meaning: "tasks wait long for a Mutex or RwLock of Tokio",
    severity: Severity::Warning,
    unit: Unit::Time,
    default: 1_000_000_000,
    measure: "waiting for a lock",
    raise_ns: 0,
    clear_ns: 2_000_000_000,
    fix: "Drop the guard before slow work and before an .await that may take long. Split what the \
          lock protects, or let one task own it and receive messages.",
    needs: &[FieldId::Resources],
    covers: &[],
    implies: &[],
    check: Check::Snapshot(check),
};

fn check(ctx: &RuleContext<'_>) -> Vec<Finding> {
    let contended = ctx.contended_resources();
    let is_lock = |resource: &&ContendedResource<'_>| {
        matches!(&*resource.resource.type_name, "Mutex" | "RwLock")
    };
    let candidates = contended.iter().filter(is_lock).filter_map(|lock| candidate(ctx, lock));
    candidates.filter(|finding| finding.measure >= ctx.threshold(RULE.id)).collect()
}

fn candidate(ctx: &RuleContext<'_>, lock: &ContendedResource<'_>) -> Option<Finding> {
    let longest = lock.longest()?;
    let holder = lock.resource.holder.and_then(|holder| ctx.target.task(holder));
    let waiting = match lock.tasks() {
        1 => format!("{} has", ctx.name(ctx.target.task(longest.task)?)),
        n => format!("{} have", plural(n as u64, "task")),
    };
    let up_to = if lock.tasks() > 1 { "up to " } else { "" };
    let held = match holder {
        // `try_lock` is not reported.
        Some(task) => {
            let when = lock.resource.held_ns.map(|held| format!(", {} ago", duration(held)));
            let when = when.unwrap_or_default();
            format!("; {} is the last known to have acquired it{when}", ctx.name(task))
        }
        None => "; its holder is not known".to_owned(),
    };
    let sentence =
        format!("{waiting} waited {up_to}{} for {}{held}", duration(longest.age_ns), lock.name());
    let subject = FindingSubject::Resource(lock.name().into());
    Some(Finding {
        first_seen_ns: ctx.now().saturating_sub(longest.age_ns),
        task: holder.map(|task| task.key),
        task_id: holder.map(|task| task.meta.id),
        location: holder.map(|task| task.meta.location.clone()),
        affected: lock.affected(ctx.target),
        affected_tasks: lock.tasks(),
        ..RULE.candidate(ctx.now(), subject, longest.age_ns, sentence)
    })
}

#[cfg(test)]
mod tests {
    use crate::{
        model::{
            findings::testing::{S, findings_of},
            testing::{async_op, resource, snapshot, task},
        },
        snapshot::{AsyncOpStats, ResourceStats, Resources},
    };

    fn sentence(lock: ResourceStats, ops: Vec<AsyncOpStats>) -> Option<String> {
        let mut now = snapshot(9 * S, [task(70, "conn-1"), task(71, "conn-2"), task(72, "writer")]);
        now.description = crate::model::testing::with_resources();
        now.resources = Some(Resources { resources: vec![lock], async_ops: ops }.into());
        let found = findings_of("lock-contention", [now]);
        found.first().map(|finding| finding.sentence.clone())
    }

    #[test]
    fn tasks_that_wait_long_for_a_lock_are_reported_with_its_holder() {
        let lock = |holder: Option<u64>| ResourceStats {
            is_taken: Some(true),
            holder,
            held_ns: holder.map(|_| 3 * S),
            ..resource(1, "Mutex")
        };
        let ops = || vec![async_op(1, 1, 70), async_op(2, 1, 71)];
        let expected = "2 tasks have waited up to 2.00s for the Mutex of src/main.rs:3; writer is \
                        the last known to have acquired it, 3.00s ago";
        assert_eq!(sentence(lock(Some(72)), ops()).as_deref(), Some(expected));
        let unknown = sentence(lock(None), vec![async_op(1, 1, 70)]);
        let expected = "conn-1 has waited 2.00s for the Mutex of src/main.rs:3; its holder is not \
                        known";
        assert_eq!(unknown.as_deref(), Some(expected));
    }

    #[test]
    fn task_that_waits_in_several_operations_is_named_once() {
        let mut now = snapshot(9 * S, [task(70, "conn-1"), task(71, "conn-2")]);
        now.description = crate::model::testing::with_resources();
        let ops = vec![async_op(1, 1, 70), async_op(2, 1, 70), async_op(3, 1, 71)];
        now.resources =
            Some(Resources { resources: vec![resource(1, "Mutex")], async_ops: ops }.into());
        let found = findings_of("lock-contention", [now]);
        let names: Vec<_> = found[0].affected.iter().map(|task| &*task.name).collect();
        assert_eq!((names, found[0].affected_tasks), (vec!["conn-1", "conn-2"], 2));
    }

    #[test]
    fn short_waits_and_other_resources_are_not_reported() {
        let short = AsyncOpStats { age_ns: S / 2, ..async_op(1, 1, 70) };
        assert_eq!(sentence(resource(1, "Mutex"), vec![short]), None);
        let limit = sentence(resource(1, "Semaphore"), vec![async_op(1, 1, 70)]);
        assert_eq!(limit, None, "a semaphore may limit a rate");
    }
}
