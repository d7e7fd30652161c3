//! Findings: what is wrong with the watched program, in sentences with numbers.
//!
//! Rules examine each snapshot and return candidates. The store follows the candidates of a rule
//! and a subject from snapshot to snapshot: pending, active, resolved. Everything here is a pure
//! function of snapshots; it depends on the model's other results and on `snapshot` and `text`,
//! not on a clock, on I/O, on the screen or on the kind of source. All files name a rule by its
//! `RuleId`; a rule uses the other files of this folder and no other rule.
//!
//! ```text
//! finding.rs     a finding, also as the candidate that a rule returns
//! thresholds.rs  the threshold at which each rule fires
//! names.rs       the name of a task in a sentence
//! census.rs      the number of tasks of each group
//! growth.rs      detects numbers that keep growing
//! context.rs     what a rule examines: the snapshot and what the model derived from it
//! polls.rs       running polls and those that have just ended
//! rule.rs        what a rule is
//! fix.rs         the fix for a long poll, by its cause
//! rules/         one rule per file, and their registration
//! rule_set.rs    the state of all rules; one pass over the tasks for all of them
//! store.rs       candidates -> findings
//! ```

mod census;
mod context;
mod finding;
mod fix;
mod growth;
mod names;
mod polls;
mod rule;
mod rule_set;
mod rules;
mod store;
mod thresholds;

#[cfg(test)]
mod testing;

use std::sync::Arc;

pub use finding::{AffectedTask, Finding, FindingId, FindingSubject, Severity};
pub use rule::{Rule, Unit};
pub use rules::{RULES, RuleId};
pub use thresholds::Thresholds;

pub(super) use census::{GroupCount, census};
pub(super) use context::RuleContext;
use rule_set::RuleSet;
pub(super) use rules::of_long_poll;
use store::FindingStore;
pub(super) use store::order;

/// The active and the resolved findings of a source.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings {
    pub thresholds: Arc<Thresholds>,
    rules: RuleSet,
    store: FindingStore,
}

impl Findings {
    pub(super) fn new(thresholds: Arc<Thresholds>) -> Self {
        Findings { thresholds, ..Findings::default() }
    }

    /// Applies the rules to the next snapshot.
    pub(super) fn advance(&mut self, ctx: &RuleContext<'_>) {
        let candidates = self.rules.candidates(ctx);
        self.store.advance(ctx.now(), &self.thresholds, candidates);
    }

    /// Active findings, worst first.
    pub(super) fn active(&self) -> &[Arc<Finding>] {
        let all = self.store.listed();
        &all[..all.partition_point(|finding| finding.active)]
    }

    /// Active findings, then resolved ones, latest first.
    pub(super) fn all(&self) -> &[Arc<Finding>] {
        self.store.listed()
    }

    /// Findings that are part of another one.
    pub(super) fn parts(&self) -> &[Arc<Finding>] {
        self.store.parts()
    }
}

#[cfg(test)]
mod tests {
    use super::{RuleId, testing::S};
    use crate::{
        model::{
            Model,
            testing::{snapshot, task},
        },
        snapshot::{CurrentPoll, PollKind, State, Target, TaskStats},
    };

    /// A hog in its first poll, since `began`.
    fn hog(now: u64, began: u64) -> Target {
        let (state, busy_ns) = (State::Polling, now - began);
        let hog = TaskStats { state, since_ns: began, polls: 1, busy_ns, ..task(7, "hog") };
        let mut moment = snapshot(now, [hog]);
        moment.workers[0].current =
            Some(CurrentPoll { key: 7, since_ns: began, kind: PollKind::Poll });
        moment
    }

    /// The same hog, which has ended.
    fn ended(now: u64, busy_ns: u64, end: u64) -> Target {
        let state = State::Completed;
        snapshot(now, [TaskStats { state, since_ns: end, polls: 1, busy_ns, ..task(7, "hog") }])
    }

    #[test]
    fn one_hog_is_one_finding_and_the_rest_of_what_is_said_of_it_is_a_part() {
        let mut model = Model::default();
        let mut rules = |moment: Target| {
            model.advance(&moment.into());
            let names = |list: &[std::sync::Arc<super::Finding>]| {
                list.iter().map(|finding| (finding.rule, finding.active)).collect::<Vec<_>>()
            };
            let mut parts = names(model.partial_findings());
            parts.sort_unstable();
            (names(model.all_findings()), parts)
        };
        assert_eq!(rules(hog(S + 50_000_000, S)), (vec![(RuleId::LongPoll, true)], vec![]));
        let (found, parts) = rules(hog(3 * S, S));
        assert_eq!(found, [(RuleId::WorkerHeld, true)]);
        assert_eq!(parts, [(RuleId::LongPoll, true), (RuleId::NeverYielded, true)]);
        for now in [4, 5, 7] {
            let (found, parts) = rules(ended(now * S, 2 * S, 3 * S + 1));
            assert_eq!(found.len(), 1, "{now}: {found:?}");
            assert_eq!(parts.len(), 2, "{now}: {parts:?}");
        }
    }

    #[test]
    fn long_polls_that_come_later_are_told_for_themselves() {
        let mut model = Model::default();
        for moment in [hog(2 * S, S), ended(3 * S, S, 2 * S + 1)] {
            model.advance(&moment.into());
        }
        model.advance(&hog(20 * S, 20 * S - 50_000_000).into());
        let active: Vec<_> = model.findings().iter().map(|finding| finding.rule).collect();
        assert_eq!(active, [RuleId::LongPoll]);
    }
}
