//! Applies all rules to a snapshot, and keeps their state.

use std::collections::HashMap;

use super::{
    Finding, RULES, RuleContext,
    rule::{AffectedGroup, Check, Rule, RuleState},
};
use crate::snapshot::{Accuracy, Description, FieldId};

/// Maximum number of groups that a rule reports; the worst are reported.
const MAX_GROUPS: usize = 32;

/// The state of the rules, one per model.
#[derive(Clone, Debug)]
pub(super) struct RuleSet {
    stateful: Vec<(&'static Rule, Box<dyn RuleState>)>,
}

impl Default for RuleSet {
    fn default() -> Self {
        let state = |rule: &&'static Rule| match rule.check {
            Check::Stateful(new) => Some((*rule, new())),
            Check::Tasks { .. } | Check::Snapshot(_) => None,
        };
        RuleSet { stateful: RULES.iter().filter_map(state).collect() }
    }
}

impl RuleSet {
    /// The candidates of all rules that are on.
    pub(super) fn candidates(&mut self, ctx: &RuleContext<'_>) -> Vec<Finding> {
        if !ctx.is_current() {
            return Vec::new();
        }
        let mut candidates = of_tasks(ctx);
        for rule in RULES.into_iter().filter(|rule| ctx.evaluates(rule)) {
            if let Check::Snapshot(check) = rule.check {
                candidates.extend(check(ctx));
            }
        }
        for (_, state) in self.stateful.iter_mut().filter(|(rule, _)| ctx.evaluates(rule)) {
            candidates.extend(state.check(ctx));
        }
        let is_of_future = has_lines_of_futures(&ctx.target.description);
        for candidate in &mut candidates {
            (candidate.target, candidate.epoch) = (ctx.target.id, ctx.target.epoch);
            candidate.is_of_future = is_of_future;
        }
        candidates
    }
}

/// Whether the locations of tasks are lines of their futures, because spawn locations are not known.
pub(super) fn has_lines_of_futures(description: &Description) -> bool {
    matches!(description.accuracy(FieldId::Location), Accuracy::Estimated { .. })
}

/// The candidates of the rules that examine single tasks. There may be a million tasks, so all
/// rules share one pass.
fn of_tasks(ctx: &RuleContext<'_>) -> Vec<Finding> {
    let rules: Vec<_> = RULES
        .into_iter()
        .filter_map(|rule| match rule.check {
            Check::Tasks { measure, describe } => {
                Some((rule, ctx.threshold(rule.id), measure, describe))
            }
            Check::Snapshot(_) | Check::Stateful(_) => None,
        })
        .filter(|(rule, ..)| ctx.evaluates(rule))
        .collect();
    let mut groups: HashMap<(usize, &str), AffectedGroup<'_>> = HashMap::new();
    for (at, task) in ctx.target.tasks.iter().enumerate() {
        let rates = ctx.rates.get(at).copied().unwrap_or_default();
        for (nth, (_, threshold, measure, _)) in rules.iter().enumerate() {
            let Some(measure) = measure(ctx, task, rates).filter(|measure| measure >= threshold)
            else {
                continue;
            };
            let is_new = ctx.previous_ns.is_none_or(|before| task.since_ns > before);
            let group = groups.entry((nth, &task.meta.group)).or_insert(AffectedGroup {
                task,
                measure,
                tasks: 0,
                new: 0,
            });
            group.tasks += 1;
            group.new += u64::from(is_new);
            if measure > group.measure {
                (group.task, group.measure) = (task, measure);
            }
        }
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_unstable_by_key(|((nth, name), group)| (*nth, u64::MAX - group.measure, *name));
    let mut reported = vec![0; rules.len()];
    groups.retain(|((nth, ..), _)| {
        reported[*nth] += 1;
        reported[*nth] <= MAX_GROUPS
    });
    groups
        .into_iter()
        .map(|((nth, ..), group)| {
            let (.., describe) = rules[nth];
            describe(ctx, &group)
        })
        .collect()
}
