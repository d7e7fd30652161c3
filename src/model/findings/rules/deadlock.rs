//! Tasks that wait for each other, or a task that waits for a lock that it holds itself.
//!
//! console-subscriber reports which task acquired a lock last, and not when it is released. While the
//! lock is taken, that task probably holds it; so a finding is worded as probable.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::model::findings::{
    Finding, FindingSubject, RuleContext, RuleId, Severity,
    rule::{Check, Rule, Unit},
    waits::ContendedResource,
};
use crate::{
    model::resources::Wait,
    snapshot::{FieldId, ResourceStats, State},
    text::duration,
};

pub(super) static RULE: Rule = Rule {
    id: RuleId::Deadlock,
    name: "deadlock",
    meaning: "tasks wait for locks that they hold themselves, or that are never polled again",
    severity: Severity::Warning,
    unit: Unit::Time,
    default: 2_000_000_000,
    measure: "waiting in a cycle",
    raise_ns: 1_000_000_000,
    clear_ns: 2_000_000_000,
    fix: "Drop the guard before the task waits again, and acquire locks in the same order \
          everywhere. A future that is not polled any more, in a select! or a buffered stream, \
          keeps its lock and its place in the queue: drop it, or poll it to its end.",
    needs: &[FieldId::Resources],
    covers: &[RuleId::LockContention],
    implies: &[],
    check: Check::Snapshot(check),
};

/// The type of a bounded channel, which console-subscriber reports as a semaphore of its senders.
const CHANNEL: &str = "mpsc channel";

/// Minimum time that a send has waited: a slow receiver makes senders wait, too.
const MIN_SEND_NS: u64 = 5_000_000_000;

/// The fix for full channels.
const CHANNELS: &str = "Let a task receive while it sends, with tokio::select!; or send with \
                        try_send and handle a full channel; or make one of the channels larger \
                        than the number of messages that can be under way.";

fn check(ctx: &RuleContext<'_>) -> Vec<Finding> {
    let contended = ctx.contended_resources();
    let single = |resource: &ContendedResource<'_>| {
        waits_for_itself(ctx, resource).or_else(|| given_to_unpolled(ctx, resource))
    };
    let mut found: Vec<_> = contended.iter().filter_map(single).collect();
    found.extend(cycles(ctx, contended));
    if found.is_empty() {
        found.extend(full_channels(ctx, contended));
    }
    found.retain(|finding| finding.measure >= ctx.threshold(RULE.id));
    found
}

/// The task that holds the lock. Permits of a semaphore have no holder: they may be forgotten, and
/// released by another task. An owned guard may have been moved to another task.
fn holder(lock: &ContendedResource<'_>) -> Option<u64> {
    let ResourceStats { holder, type_name, is_guard_owned, .. } = lock.resource;
    holder.filter(|_| matches!(&**type_name, "Mutex" | "RwLock") && !is_guard_owned)
}

/// A task holds the lock and waits for it.
fn waits_for_itself(ctx: &RuleContext<'_>, lock: &ContendedResource<'_>) -> Option<Finding> {
    let holder = holder(lock)?;
    let wait = lock.waits.iter().find(|wait| wait.task == holder)?;
    let sentence = format!(
        "{} has waited {} for {}, which it probably holds itself",
        ctx.name(ctx.target.task(holder)?),
        duration(wait.age_ns),
        lock.name()
    );
    Some(candidate(ctx, lock, wait, sentence))
}

/// The lock or a permit was given to a future that is not polled.
fn given_to_unpolled(ctx: &RuleContext<'_>, resource: &ContendedResource<'_>) -> Option<Finding> {
    let owner = ctx.target.task(resource.granted_to?)?;
    let given = match &*resource.resource.type_name {
        "Mutex" if resource.resource.is_taken == Some(false) => "which is free: it",
        "RwLock" => "which",
        "Semaphore" => "of which a permit",
        _ => return None,
    };
    let wait = resource.longest()?;
    let mut tasks = resource.waits.iter().filter_map(|it| ctx.target.task(it.task)).chain([owner]);
    // A task that was just woken takes it in its next poll.
    if tasks.any(|task| task.state != State::Idle) {
        return None;
    }
    let sentence = format!(
        "{} has waited {} for {}, {given} was given to a future of {} that is not polled",
        ctx.name(ctx.target.task(wait.task)?),
        duration(wait.age_ns),
        resource.name(),
        ctx.name(owner)
    );
    Some(candidate(ctx, resource, wait, sentence))
}

/// Tasks that wait for each other: each waits for a resource that the next one holds.
fn cycles(ctx: &RuleContext<'_>, contended: &[ContendedResource<'_>]) -> Vec<Finding> {
    // Task → the locks for which it waits, each with its holder.
    let mut edges: BTreeMap<u64, Vec<Edge<'_>>> = BTreeMap::new();
    for resource in contended {
        let Some(holder) = holder(resource) else { continue };
        for wait in &resource.waits {
            edges.entry(wait.task).or_default().push(Edge { resource, holder, wait });
        }
    }
    let mut reported = BTreeSet::new();
    let mut found = Vec::new();
    for start in edges.keys() {
        let path = path_back(&edges, *start);
        // A single task is the finding of `waits_for_itself`.
        if path.len() < 2 || path.iter().any(|edge| reported.contains(&edge.wait.task)) {
            continue;
        }
        reported.extend(path.iter().map(|edge| edge.wait.task));
        found.extend(cycle(ctx, &path));
    }
    found
}

/// A task waits for a lock.
#[derive(Clone, Copy)]
struct Edge<'a> {
    resource: &'a ContendedResource<'a>,
    /// The task that holds the lock.
    holder: u64,
    wait: &'a Wait,
}

/// The waits that lead from a task back to it; empty if none do.
fn path_back<'a>(edges: &BTreeMap<u64, Vec<Edge<'a>>>, start: u64) -> Vec<Edge<'a>> {
    // The edge that led to each task.
    let mut reached: BTreeMap<u64, Edge<'a>> = BTreeMap::new();
    let mut next = VecDeque::from([start]);
    while let Some(task) = next.pop_front() {
        for edge in edges.get(&task).into_iter().flatten() {
            if reached.contains_key(&edge.holder) {
                continue;
            }
            reached.insert(edge.holder, *edge);
            next.push_back(edge.holder);
        }
    }
    let mut path = Vec::new();
    let mut at = start;
    while let Some(edge) = reached.get(&at) {
        path.push(*edge);
        at = edge.wait.task;
        if at == start {
            path.reverse();
            return path;
        }
    }
    Vec::new()
}

fn cycle(ctx: &RuleContext<'_>, path: &[Edge<'_>]) -> Option<Finding> {
    let steps = path.iter().filter_map(|Edge { resource, wait, .. }| {
        Some(format!("{} for {}", ctx.name(ctx.target.task(wait.task)?), resource.name()))
    });
    let steps = first_of(steps.collect(), ", ");
    let shortest = path.iter().map(|edge| edge.wait.age_ns).min()?;
    let sentence = format!(
        "{} tasks probably wait for each other for {}: {steps}",
        path.len(),
        duration(shortest)
    );
    let Edge { resource, wait, .. } = path[0];
    Some(Finding { measure: shortest, ..candidate(ctx, resource, wait, sentence) })
}

/// Several tasks wait long to send to different channels. The receivers are not reported, so the
/// tasks may or may not be the ones that should receive.
fn full_channels(ctx: &RuleContext<'_>, contended: &[ContendedResource<'_>]) -> Option<Finding> {
    let is_stuck = |channel: &&ContendedResource<'_>| {
        let longest_ns = channel.longest().map_or(0, |wait| wait.age_ns);
        &*channel.resource.type_name == CHANNEL && longest_ns >= MIN_SEND_NS
    };
    let stuck: Vec<_> = contended.iter().filter(is_stuck).collect();
    let senders = stuck.iter().filter_map(|channel| ctx.target.task(channel.longest()?.task));
    let mut names: Vec<_> = senders.map(|task| ctx.name(task)).collect();
    names.dedup();
    if names.len() < 2 {
        return None;
    }
    let shortest = stuck.iter().filter_map(|channel| Some(channel.longest()?.age_ns)).min()?;
    let sentence = format!(
        "{} have waited {} to send to full channels: a possible cycle, because receivers are not \
         reported",
        first_of(names, " and "),
        duration(shortest)
    );
    let finding = candidate(ctx, stuck[0], stuck[0].longest()?, sentence);
    Some(Finding { measure: shortest, severity: Severity::Info, fix: CHANNELS, ..finding })
}

/// The first texts, and the number of the others.
fn first_of(mut texts: Vec<String>, separator: &str) -> String {
    const SHOWN: usize = 5;
    let others = texts.len().saturating_sub(SHOWN);
    if others > 0 {
        texts.truncate(SHOWN);
        texts.push(format!("{others} more"));
    }
    texts.join(separator)
}

/// A finding about the task of `wait`.
fn candidate(
    ctx: &RuleContext<'_>,
    resource: &ContendedResource<'_>,
    wait: &Wait,
    sentence: String,
) -> Finding {
    let subject = FindingSubject::Resource(resource.name().into());
    let task = ctx.target.task(wait.task);
    Finding {
        first_seen_ns: ctx.now().saturating_sub(wait.age_ns),
        task: task.map(|task| task.key),
        task_id: task.map(|task| task.meta.id),
        location: task.map(|task| task.meta.location.clone()),
        affected: resource.affected(ctx.target),
        affected_tasks: resource.tasks(),
        ..RULE.candidate(ctx.now(), subject, wait.age_ns, sentence)
    }
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use crate::{
        model::{
            findings::testing::{S, findings_of},
            testing::{async_op, resource, snapshot, task},
        },
        snapshot::{AsyncOpStats, ResourceStats, Resources, State, Target},
    };

    fn waiting(n: u64, resources: &[ResourceStats], ops: &[AsyncOpStats]) -> Target {
        let idle =
            |id, name: &str| crate::snapshot::TaskStats { state: State::Idle, ..task(id, name) };
        let mut now =
            snapshot(10 * S + n * S, [idle(70, "one"), idle(71, "two"), idle(72, "three")]);
        let mut ops = ops.to_vec();
        ops.iter_mut().for_each(|op| op.age_ns += n * S);
        now.description = crate::model::testing::with_resources();
        now.resources = Some(Resources { resources: resources.to_vec(), async_ops: ops }.into());
        now
    }

    fn sentences(resources: &[ResourceStats], ops: &[AsyncOpStats]) -> Vec<String> {
        let found = findings_of("deadlock", (0..4).map(|n| waiting(n, resources, ops)));
        found.iter().map(|finding| finding.sentence.clone()).collect()
    }

    fn sentence(resources: &[ResourceStats], ops: &[AsyncOpStats]) -> Option<String> {
        let mut found = sentences(resources, ops);
        assert!(found.len() < 2, "{found:?}");
        found.pop()
    }

    fn mutex(key: u64, holder: Option<u64>) -> ResourceStats {
        ResourceStats { is_taken: Some(holder.is_some()), holder, ..resource(key, "Mutex") }
    }

    #[test]
    fn task_that_waits_for_what_it_holds_is_reported() {
        let found = sentence(&[mutex(1, Some(70))], &[async_op(1, 1, 71), async_op(2, 1, 70)]);
        let expected = "one has waited 5.00s for the Mutex of src/main.rs:3, which it probably \
                        holds itself";
        assert_eq!(found.as_deref(), Some(expected));
    }

    #[test]
    fn free_lock_that_was_given_to_an_unpolled_future_is_reported() {
        let granted = AsyncOpStats { is_granted: true, ..async_op(2, 1, 71) };
        let found = sentence(&[mutex(1, None)], &[async_op(1, 1, 71), granted]);
        let expected = "two has waited 5.00s for the Mutex of src/main.rs:3, which is free: it was \
                        given to a future of two that is not polled";
        assert_eq!(found.as_deref(), Some(expected));
        // The update with the release may precede the one with the operation that is woken.
        assert_eq!(sentence(&[mutex(1, None)], &[async_op(1, 1, 71)]), None);
    }

    #[test]
    fn permit_of_a_future_that_is_not_polled_is_reported() {
        let semaphore = ResourceStats { is_taken: Some(true), ..resource(1, "Semaphore") };
        let granted = AsyncOpStats { is_granted: true, ..async_op(1, 1, 72) };
        let found = sentence(from_ref(&semaphore), &[granted, async_op(2, 1, 70)]);
        let expected = "one has waited 5.00s for the Semaphore of src/main.rs:3, of which a permit \
                        was given to a future of three that is not polled";
        assert_eq!(found.as_deref(), Some(expected));
        // It may have completed before the connection, and its task hold the permit.
        let unknown = AsyncOpStats { is_granted: true, is_ready: None, ..async_op(1, 1, 72) };
        assert_eq!(sentence(from_ref(&semaphore), &[unknown, async_op(2, 1, 70)]), None);
        // A task that counts its jobs with a semaphore acquires and forgets permits.
        let counter = ResourceStats { holder: Some(70), ..semaphore };
        assert_eq!(sentence(&[counter], &[async_op(1, 1, 70)]), None);
    }

    #[test]
    fn finding_is_about_the_task_that_waits_for_itself() {
        let ops = [AsyncOpStats { age_ns: 9 * S, ..async_op(1, 1, 71) }, async_op(2, 1, 70)];
        let samples = (0..4).map(|n| waiting(n, &[mutex(1, Some(70))], &ops));
        let found = findings_of("deadlock", samples);
        assert_eq!(found.first().map(|it| (it.task, it.affected_tasks)), Some((Some(70), 2)));
    }

    #[test]
    fn tasks_that_wait_for_each_other_are_reported() {
        let locks = [mutex(1, Some(71)), mutex(2, Some(72)), mutex(3, Some(70))];
        let ops = [async_op(1, 1, 70), async_op(2, 2, 71), async_op(3, 3, 72)];
        let found = sentence(&locks, &ops).expect("a cycle");
        assert!(found.starts_with("3 tasks probably wait for each other for 5.00s: "), "{found}");
        for name in ["one for the Mutex", "two for the Mutex", "three for the Mutex"] {
            assert!(found.contains(name), "{found}");
        }
        assert_eq!(sentence(&locks[..2], &ops[..2]), None, "a chain");
    }

    /// Task `one` also waits, for longer, for a lock that a task outside of the cycle holds.
    #[test]
    fn cycle_is_found_beside_longer_waits_and_other_deadlocks() {
        let at = |key: u64, lock: ResourceStats| ResourceStats {
            location: format!("src/main.rs:{key}").into(),
            ..lock
        };
        let locks = [
            at(1, mutex(1, Some(71))),
            at(2, mutex(2, Some(70))),
            at(3, mutex(3, Some(72))),
            at(4, mutex(4, Some(99))),
        ];
        let ops = [
            async_op(1, 1, 70),
            async_op(2, 2, 71),
            async_op(3, 3, 72),
            AsyncOpStats { age_ns: 9 * S, ..async_op(4, 4, 70) },
        ];
        let found = sentences(&locks, &ops);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found.iter().any(|it| it.starts_with("three has waited 5.00s")), "{found:?}");
        assert!(found.iter().any(|it| it.starts_with("2 tasks probably wait")), "{found:?}");
    }

    #[test]
    fn task_that_may_have_moved_its_guard_is_not_reported() {
        let moved = ResourceStats { is_guard_owned: true, ..mutex(1, Some(70)) };
        assert_eq!(sentence(&[moved], &[async_op(1, 1, 70)]), None);
    }

    #[test]
    fn lock_of_readers_that_was_given_to_an_unpolled_future_is_reported() {
        let lock = ResourceStats { is_taken: Some(true), ..resource(1, "RwLock") };
        let granted = AsyncOpStats { is_granted: true, ..async_op(1, 1, 72) };
        let found = sentence(&[lock], &[granted, async_op(2, 1, 70)]);
        let expected = "one has waited 5.00s for the RwLock of src/main.rs:3, which was given to a \
                        future of three that is not polled";
        assert_eq!(found.as_deref(), Some(expected));
    }

    #[test]
    fn senders_to_full_channels_are_a_possible_cycle() {
        let channel = |key| ResourceStats { is_taken: None, ..resource(key, "mpsc channel") };
        let sends = |age_ns| {
            [async_op(1, 1, 70), async_op(2, 2, 71)].map(|op| AsyncOpStats { age_ns, ..op })
        };
        let found = sentence(&[channel(1), channel(2)], &sends(6 * S)).expect("a possible cycle");
        assert!(
            found.starts_with("one and two have waited 9.00s to send to full channels"),
            "{found}"
        );
        assert_eq!(sentence(&[channel(1), channel(2)], &sends(S)), None, "a slow receiver");
        assert_eq!(sentence(&[channel(1)], &sends(6 * S)[..1]), None, "one channel");
    }

    #[test]
    fn lock_that_another_task_holds_is_not_a_deadlock() {
        assert_eq!(sentence(&[mutex(1, Some(72))], &[async_op(1, 1, 70)]), None);
        let unknown = ResourceStats { is_taken: Some(true), ..mutex(1, None) };
        assert_eq!(sentence(&[unknown], &[async_op(1, 1, 70)]), None);
    }
}
