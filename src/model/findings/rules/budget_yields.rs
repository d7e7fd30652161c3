//! Tokio forces tasks to yield because they have used up their budget of operations.

use crate::model::findings::{
    Finding, FindingSubject, RuleContext, RuleId, Severity,
    rule::{Check, Rule, Unit},
};
use crate::{
    snapshot::{FieldId, Target},
    text::count,
};

pub(super) static RULE: Rule = Rule {
    id: RuleId::BudgetYields,
    name: "budget-yields",
    meaning: "Tokio forces tasks to yield because they have used up their budget of operations",
    severity: Severity::Info,
    unit: Unit::PerSecond,
    default: 1_000,
    measure: "forced yields",
    raise_ns: 2_000_000_000,
    clear_ns: 3_000_000_000,
    fix: "Their input is always ready: receive several items per await (recv_many, larger \
          buffers), and limit the sender with a bounded channel.",
    needs: &[FieldId::BudgetForcedYields],
    covers: &[],
    implies: &[],
    check: Check::Snapshot(check),
};

fn check(ctx: &RuleContext<'_>) -> Vec<Finding> {
    let yields = |target: &Target| target.runtime.budget_forced_yields;
    let (Some(before), Some(seconds)) = (ctx.base.map(yields), ctx.span_s()) else {
        return Vec::new();
    };
    let rate = (yields(ctx.target).saturating_sub(before) as f64 / seconds).round() as u64;
    if rate < ctx.threshold(RULE.id) {
        return Vec::new();
    }
    let sentence = format!(
        "tasks use up their budget {} times per second and are forced to yield: their input is \
         always ready",
        count(rate)
    );
    vec![RULE.candidate(ctx.now(), FindingSubject::Runtime, rate, sentence)]
}

#[cfg(test)]
mod tests {
    use crate::{
        model::findings::testing::{S, empty, findings_of},
        snapshot::Target,
    };

    fn at(step: u64, yields: u64) -> Target {
        let mut now = empty(step * S / 2);
        now.runtime.budget_forced_yields = yields;
        now
    }

    #[test]
    fn forced_yields_are_reported_unless_they_are_few_or_a_burst() {
        let found = findings_of("budget-yields", (0..8).map(|n| at(n, n * 3_000)));
        assert!(found[0].sentence.starts_with("tasks use up their budget 6,000 times per second"));
        assert!(findings_of("budget-yields", (0..8).map(|n| at(n, n * 300))).is_empty());
        let burst = (0..8).map(|n| at(n, if n > 4 { 9_000 } else { 0 }));
        assert!(findings_of("budget-yields", burst).is_empty(), "a burst");
        assert!(
            findings_of("budget-yields", (0..8).map(|n| empty(n * S / 2))).is_empty(),
            "unknown"
        );
    }
}
