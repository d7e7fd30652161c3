//! Tasks are spawned at such a rate that spawning is much of the work.

use crate::model::findings::{
    Finding, GroupCount, RuleContext, RuleId, Severity,
    rule::{Check, Rule, Unit},
};
use crate::text::duration;

pub(super) static RULE: Rule = Rule {
    id: RuleId::SpawnStorm,
    name: "spawn-storm",
    meaning: "tasks of a group are spawned at such a rate that spawning them is much of the work",
    severity: Severity::Warning,
    unit: Unit::PerSecond,
    default: 5_000,
    measure: "tasks spawned in one group",
    raise_ns: 2_000_000_000,
    clear_ns: 3_000_000_000,
    fix: "Let a few tasks receive the work from a bounded channel, or run several pieces in one \
          task (futures::stream::buffer_unordered); limit concurrent work with a \
          tokio::sync::Semaphore.",
    needs: &[],
    covers: &[],
    implies: &[],
    check: Check::Snapshot(check),
};

fn check(ctx: &RuleContext<'_>) -> Vec<Finding> {
    let Some(seconds) = ctx.span_s() else { return Vec::new() };
    let rate = |spawned: u64| (spawned as f64 / seconds).round() as u64;
    let threshold = ctx.threshold(RULE.id);
    let storms = ctx.groups.iter().filter(|group| rate(group.spawned) >= threshold);
    let candidate = |group: &GroupCount<'_>| {
        let (name, rate) = (group.name, rate(group.spawned));
        let sentence = format!(
            "{rate} {name} tasks are spawned per second; {} are alive, the longest poll of the \
             newest took {}",
            group.alive,
            duration(group.youngest.max_poll_ns)
        );
        RULE.task_candidate(ctx.now(), group.youngest, rate, sentence)
    };
    storms.map(candidate).collect()
}

#[cfg(test)]
mod tests {
    use crate::model::findings::testing::{S, findings_of};
    use crate::{
        model::testing::{snapshot, task},
        snapshot::{State, Target, TaskStats},
    };

    /// Spawns this many tasks per quarter second, which end at once.
    fn spawned(n: u64, tasks: u64) -> Target {
        let at = n * S / 4;
        let ended = |id| TaskStats {
            state: State::Completed,
            since_ns: at.saturating_sub(1),
            lifetime_ns: 1_000,
            ..task(n * 10_000 + id, &format!("job-{id}"))
        };
        snapshot(at, (1..=tasks).map(ended))
    }

    #[test]
    fn thousands_of_spawns_per_second_are_reported() {
        let found = findings_of("spawn-storm", (1..=16).map(|n| spawned(n, 2_000)));
        assert!(found[0].sentence.starts_with("8000 job tasks are spawned per second"));
    }

    #[test]
    fn burst_and_moderate_rate_are_not_reported() {
        let burst = (1..=16).map(|n| spawned(n, if n == 5 { 9_000 } else { 0 }));
        assert!(findings_of("spawn-storm", burst).is_empty());
        assert!(findings_of("spawn-storm", (1..=16).map(|n| spawned(n, 500))).is_empty());
    }
}
