//! Findings: problems of a target, in sentences with numbers.
//!
//! Rules check each snapshot and return candidates. The store follows the candidates of one rule
//! about one subject across snapshots: pending, active, resolved. All of this is a pure function of
//! snapshots; it depends on the rest of the model, `snapshot` and `text`, and not on a clock, I/O,
//! the screen or the kind of source. A rule depends on the files of this folder and on no other
//! rule; it refers to others by `RuleId`.
//!
//! ```text
//! finding.rs     a finding, also as the candidate that a rule returns
//! thresholds.rs  the threshold at which each rule fires
//! names.rs       the name of a task in a sentence
//! groups.rs      the number of tasks of each group
//! lines.rs       the line at which a finding's polls block
//! growth.rs      detects numbers that keep growing
//! context.rs     the input of a rule: a snapshot and the statistics derived from it
//! polls.rs       running polls and polls that have just ended
//! rule.rs        the definition of a rule
//! waits.rs       the resources for which tasks wait
//! fix.rs         the fix for a long poll, by its cause
//! rules/         one rule per file, and their registration
//! rule_set.rs    the state of all rules; one pass over the tasks for all of them
//! store.rs       candidates -> findings
//! ```

mod context;
mod finding;
mod fix;
mod groups;
mod growth;
mod names;
mod polls;
mod rule;
mod rule_set;
mod rules;
mod store;
mod thresholds;
mod waits;

#[cfg(test)]
mod testing;

use std::sync::Arc;

pub use finding::{ActiveSpan, AffectedTask, Finding, FindingId, FindingSubject, Severity};
pub use rule::{Rule, Unit};
pub use rules::{RULES, RuleId};
pub use thresholds::Thresholds;

pub(super) use context::RuleContext;
pub(in crate::model) use fix::fix_for;
pub(super) use groups::{GroupCount, GroupLoad, GroupPart, count_groups};
use rule_set::RuleSet;
pub(super) use rules::of_long_poll;
use store::FindingStore;
pub(super) use store::order;

/// The findings of a target.
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

    /// Findings covered by another one.
    pub(super) fn covered(&self) -> &[Arc<Finding>] {
        self.store.covered()
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
        snapshot::{Connection, CurrentPoll, PollKind, Retry, State, Target, TaskStats},
    };

    /// A hog in its first poll, which began at `began`.
    fn hog(now: u64, began: u64) -> Target {
        let (state, busy_ns) = (State::Polling, now - began);
        let hog = TaskStats { state, since_ns: began, polls: 1, busy_ns, ..task(7, "hog") };
        let mut now = snapshot(now, [hog]);
        now.workers[0].current =
            Some(CurrentPoll { key: 7, since_ns: began, kind: PollKind::Poll });
        now
    }

    /// The hog after its end.
    fn ended(now: u64, busy_ns: u64, end: u64) -> Target {
        let state = State::Completed;
        snapshot(now, [TaskStats { state, since_ns: end, polls: 1, busy_ns, ..task(7, "hog") }])
    }

    #[test]
    fn one_hog_is_one_finding_that_covers_the_others() {
        let mut model = Model::default();
        let mut rules = |now: Target| {
            model.advance(&now.into());
            let names = |list: &[std::sync::Arc<super::Finding>]| {
                list.iter().map(|finding| (finding.rule, finding.active)).collect::<Vec<_>>()
            };
            let mut covered = names(model.covered_findings());
            covered.sort_unstable();
            (names(model.all_findings()), covered)
        };
        assert_eq!(rules(hog(S + 50_000_000, S)), (vec![(RuleId::LongPoll, true)], vec![]));
        let (found, covered) = rules(hog(3 * S, S));
        assert_eq!(found, [(RuleId::WorkerHeld, true)]);
        assert_eq!(covered, [(RuleId::LongPoll, true), (RuleId::NeverYielded, true)]);
        for now in [4, 5, 7] {
            let (found, covered) = rules(ended(now * S, 2 * S, 3 * S + 1));
            assert_eq!(found.len(), 1, "{now}: {found:?}");
            assert_eq!(covered.len(), 2, "{now}: {covered:?}");
        }
    }

    /// The last statistics arrive with the loss of the connection, and do not change after it.
    #[test]
    fn finding_is_resolved_after_the_target_is_gone() {
        let lost = |now: u64| {
            let reason = "the process has ended".into();
            let since_ns = Some(3 * S);
            let connection = Connection::Lost { since_ns, reason, retry: Retry::Never };
            Target { connection, known_until_ns: 3 * S, taken_ns: now, ..hog(3 * S, S) }
        };
        let mut model = Model::default();
        model.advance(&Target { connection: Connection::Connected, ..hog(S + 1, S) }.into());
        model.advance(&lost(3 * S + 1).into());
        assert_eq!(model.findings()[0].rule, RuleId::WorkerHeld);
        (4..8).for_each(|now| model.advance(&lost(now * S).into()));
        assert_eq!(model.findings(), []);
        let all = model.all_findings().iter().map(|finding| (finding.rule, finding.active));
        assert_eq!(all.collect::<Vec<_>>(), [(RuleId::WorkerHeld, false)]);
    }

    #[test]
    fn later_long_polls_are_a_finding_of_their_own() {
        let mut model = Model::default();
        for now in [hog(2 * S, S), ended(3 * S, S, 2 * S + 1)] {
            model.advance(&now.into());
        }
        model.advance(&hog(20 * S, 20 * S - 50_000_000).into());
        let active: Vec<_> = model.findings().iter().map(|finding| finding.rule).collect();
        assert_eq!(active, [RuleId::LongPoll]);
    }
}
