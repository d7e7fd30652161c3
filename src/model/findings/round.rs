//! One pass over the tasks for all rules: there may be a hundred thousand of them.

use std::collections::HashMap;

use super::{
    Look, RULES,
    rule::{Case, Check, Claim, Memory, Rule},
};
use crate::model::TaskStats;

/// Of each rule, this many groups are told of at most, the worst of them.
const GROUPS: usize = 32;

/// What the rules say of a moment.
pub(super) fn claims(look: &Look<'_>, memory: &mut Memory) -> Vec<(&'static Rule, Claim)> {
    let mut claims = of_tasks(look);
    for rule in RULES.into_iter().filter(|rule| look.thresholds.get(rule.id).is_some()) {
        if let Check::Moment(check) = rule.check {
            claims.extend(check(look, memory).into_iter().map(|claim| (rule, claim)));
        }
    }
    claims
}

fn of_tasks(look: &Look<'_>) -> Vec<(&'static Rule, Claim)> {
    let rules: Vec<_> = RULES
        .into_iter()
        .filter_map(|rule| match rule.check {
            Check::Task { of, tell } => Some((rule, look.floor(rule.id), of, tell)),
            Check::Moment(_) => None,
        })
        .filter(|(rule, ..)| look.thresholds.get(rule.id).is_some())
        .collect();
    let mut cases: HashMap<(usize, &str), Case<'_>> = HashMap::new();
    for (at, task) in look.snapshot.tasks.iter().enumerate() {
        let rates = look.rates.get(at).copied().unwrap_or_default();
        for (nth, (_, floor, of, _)) in rules.iter().enumerate() {
            let Some(measure) = of(look, task, rates).filter(|measure| measure >= floor) else {
                continue;
            };
            if !is_known_now(look, task) {
                continue;
            }
            let fresh = u64::from(look.before_ns.is_none_or(|before| task.since_ns > before));
            let case = cases.entry((nth, &task.meta.group)).or_insert(Case {
                task,
                measure,
                tasks: 0,
                fresh: 0,
            });
            case.tasks += 1;
            case.fresh += fresh;
            if measure > case.measure {
                (case.task, case.measure) = (task, measure);
            }
        }
    }
    let mut cases: Vec<_> = cases.into_iter().collect();
    cases.sort_unstable_by_key(|((nth, group), case)| (*nth, u64::MAX - case.measure, *group));
    let mut told = vec![0; rules.len()];
    cases.retain(|((nth, _), _)| {
        told[*nth] += 1;
        told[*nth] <= GROUPS
    });
    let tell = |((nth, _), case): ((usize, &str), Case<'_>)| {
        let (rule, _, _, tell) = rules[nth];
        (rule, tell(look, &case))
    };
    cases.into_iter().map(tell).collect()
}

/// Whether what is shown of a task is of now: of a program that does not answer, all that
/// is known is old.
fn is_known_now(look: &Look<'_>, task: &TaskStats) -> bool {
    let mut targets = look.snapshot.targets.iter();
    targets
        .find(|target| target.keys.contains(&task.key))
        .is_none_or(|target| target.link.is_live())
}
