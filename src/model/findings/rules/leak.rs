//! The number of tasks in a group keeps growing.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use crate::model::findings::{
    Finding, GroupCount, RuleContext, RuleId, Severity,
    growth::GrowthTracker,
    rule::{Check, Rule, RuleState, Unit},
};
use crate::{
    snapshot::TaskKind,
    text::{duration, rate},
};

pub(super) static RULE: Rule = Rule {
    id: RuleId::Leak,
    name: "leak",
    meaning: "the number of tasks in a group keeps growing: more are spawned than end",
    severity: Severity::Warning,
    unit: Unit::Count,
    default: 20,
    measure: "additional tasks over ten seconds or longer",
    raise_ns: 1_000_000_000,
    clear_ns: 5_000_000_000,
    fix: "Make sure that each task ends: keep them in a tokio::task::JoinSet, limit what they \
          await with tokio::time::timeout, and stop them with a CancellationToken when their \
          client has disconnected.",
    needs: &[],
    covers: &[],
    implies: &[],
    check: Check::Stateful(|| Box::new(Leak::default())),
};

/// Minimum time of growth: shorter growth is a start.
const MIN_GROWTH_NS: u64 = 10_000_000_000;
/// Maximum number of groups that are tracked.
const MAX_GROUPS: usize = 1_000;

/// The number of tasks of each group over time.
#[derive(Clone, Debug, Default)]
struct Leak {
    trackers: HashMap<Arc<str>, GrowthTracker>,
}

impl RuleState for Leak {
    fn check(&mut self, ctx: &RuleContext<'_>) -> Vec<Finding> {
        let now = ctx.now();
        let trackers = &mut self.trackers;
        let mut candidates = Vec::new();
        // A queue of closures that grows is the finding of blocking-pool-exhausted.
        let is_task = |group: &&GroupCount<'_>| group.youngest.meta.kind != TaskKind::Blocking;
        let alive = ctx.groups.iter().filter(|group| group.alive > 0).filter(is_task);
        if !trackers.is_empty() {
            let names: HashSet<_> = alive.clone().map(|group| group.name).collect();
            trackers.retain(|name, _| names.contains(name));
        }
        for group in alive {
            let Some(tracker) = trackers.get_mut(group.name) else {
                if trackers.len() < MAX_GROUPS {
                    trackers.insert(Arc::clone(group.name), GrowthTracker::new(now, group.alive));
                }
                continue;
            };
            tracker.push(now, group.alive);
            let growth = tracker.steady(MIN_GROWTH_NS);
            let Some(growth) = growth.filter(|growth| growth.by() >= ctx.threshold(RULE.id)) else {
                continue;
            };
            let span = now.saturating_sub(growth.since_ns);
            let sentence = format!(
                "{} keeps growing: from {} to {} tasks in {}, {} per second, and they do not end",
                group.name,
                growth.from,
                growth.to,
                duration(span),
                rate(growth.by() as f64 * 1e9 / span as f64),
            );
            candidates.push(Finding {
                first_seen_ns: growth.since_ns,
                ..RULE.task_candidate(ctx.now(), group.youngest, growth.by(), sentence)
            });
        }
        candidates
    }
}

#[cfg(test)]
mod tests {
    use crate::model::testing::{snapshot, task};
    use crate::{
        model::findings::testing::{S, findings_of},
        snapshot::Target,
    };

    fn with_tasks(at: u64, tasks: u64) -> Target {
        snapshot(at * S / 4, (1..=tasks).map(|id| task(id, &format!("session-{id}"))))
    }

    #[test]
    fn group_that_keeps_growing_is_reported() {
        let found = findings_of("leak", (0..80).map(|n| with_tasks(n, 5 + n)));
        assert_eq!(
            found[0].sentence,
            "session keeps growing: from 5 to 84 tasks in 19.8s, 4.0 per second, and they do not \
             end"
        );
    }

    #[test]
    fn queue_of_closures_is_not_reported() {
        let with_closures = |n| {
            let mut now = with_tasks(n, 5 + n);
            for task in &mut now.tasks {
                std::sync::Arc::make_mut(&mut task.meta).kind = crate::snapshot::TaskKind::Blocking;
            }
            now
        };
        assert!(findings_of("leak", (0..80).map(with_closures)).is_empty());
    }

    #[test]
    fn start_fluctuation_and_slow_growth_are_not_reported() {
        assert!(findings_of("leak", (0..80).map(|n| with_tasks(n, (n * 20).min(200)))).is_empty());
        assert!(findings_of("leak", (0..80).map(|n| with_tasks(n, 50 + n * 7 % 40))).is_empty());
        assert!(
            findings_of("leak", (0..80).map(|n| with_tasks(n, 5 + n / 8))).is_empty(),
            "too few"
        );
    }
}
