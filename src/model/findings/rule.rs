//! The definition of a rule.

use std::fmt;

use super::{Finding, FindingSubject, RuleContext, RuleId, Severity};
use crate::{
    model::{TaskRates, lines::Lines},
    snapshot::{Description, FieldId, TargetId, TaskStats},
};

/// The unit of a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds, written with a unit: `100ms`.
    Time,
    /// Bytes, written as `16KiB`.
    Bytes,
    /// Percent, written as `60%`.
    Percent,
    /// A rate, written as `1000/s`.
    PerSecond,
    /// A number, written as `50`.
    Count,
}

/// A problem that a target may have, and how to detect it.
#[derive(Debug)]
pub struct Rule {
    /// The rule's id.
    pub id: RuleId,
    /// The rule's name on the command line and in reports.
    pub name: &'static str,
    /// The problem, in one line.
    pub meaning: &'static str,
    /// The severity of its findings.
    pub severity: Severity,
    /// The unit of the threshold.
    pub unit: Unit,
    /// The default threshold, in that unit.
    pub default: u64,
    /// The value that is compared with the threshold, in a few words.
    pub measure: &'static str,
    /// The fields that the rule requires.
    pub needs: &'static [FieldId],
    /// Time for which the threshold must be reached before a finding becomes active.
    pub(super) raise_ns: u64,
    /// Time for which the measure must be below the threshold before a finding is resolved; 0 for
    /// an event that has ended when it is reported.
    pub(super) clear_ns: u64,
    /// The fix, unless the evidence of a finding leads to a more specific one.
    pub(super) fix: &'static str,
    /// Rules whose findings about the same polls are covered by a finding of this rule.
    pub(super) covers: &'static [RuleId],
    /// Rules with the same measure that leave polls above this rule's threshold to this rule. A
    /// poll that blocks its worker is a long poll, too.
    pub implies: &'static [RuleId],
    pub(super) check: Check,
}

impl Rule {
    /// The first required field that a target lacks; `None` if it has all of them.
    pub fn missing_field(&self, description: &Description) -> Option<FieldId> {
        self.needs.iter().copied().find(|field| description.reason(*field).is_some())
    }

    /// The reason why a target lacks a required field; `None` if it has all of them.
    pub fn unavailable<'a>(&self, description: &'a Description) -> Option<&'a str> {
        description.reason(self.missing_field(description)?)
    }

    /// A candidate of this rule.
    pub(super) fn candidate(
        &self,
        now_ns: u64,
        subject: FindingSubject,
        measure: u64,
        sentence: String,
    ) -> Finding {
        Finding {
            rule: self.id,
            severity: self.severity,
            active: false,
            part_of: None,
            subject,
            task: None,
            task_id: None,
            target: TargetId::default(),
            epoch: 0,
            sentence,
            sentence_when_resolved: None,
            measure,
            first_seen_ns: now_ns,
            latest_ns: now_ns,
            last_seen_ns: now_ns,
            count: 0,
            spans: Vec::new(),
            affected_tasks: 0,
            affected: Vec::new(),
            location: None,
            is_of_future: false,
            evidence: None,
            lines: Lines::default(),
            fix: self.fix,
        }
    }

    /// A candidate of this rule about a task and its group.
    pub(super) fn task_candidate(
        &self,
        now_ns: u64,
        task: &TaskStats,
        measure: u64,
        sentence: String,
    ) -> Finding {
        let subject = FindingSubject::Group(task.meta.group.clone());
        Finding {
            task: Some(task.key),
            task_id: Some(task.meta.id),
            location: Some(task.meta.location.clone()),
            ..self.candidate(now_ns, subject, measure, sentence)
        }
    }
}

/// How a rule detects candidates.
#[derive(Debug)]
pub(super) enum Check {
    /// Checks each task separately. The worst task of a group represents the group.
    Tasks {
        /// The measure of a task, in the unit of the threshold; `None` if the rule does not apply.
        measure: fn(&RuleContext<'_>, &TaskStats, TaskRates) -> Option<u64>,
        /// Describes a group.
        describe: fn(&RuleContext<'_>, &AffectedGroup<'_>) -> Finding,
    },
    /// Checks the snapshot as a whole.
    Snapshot(fn(&RuleContext<'_>) -> Vec<Finding>),
    /// Checks the snapshot as a whole and keeps state between snapshots.
    Stateful(fn() -> Box<dyn RuleState>),
}

/// The state of a rule, one per model.
pub(super) trait RuleState: fmt::Debug + Send + Sync + CloneState {
    /// Checks the next snapshot.
    fn check(&mut self, ctx: &RuleContext<'_>) -> Vec<Finding>;
}

/// Lets a boxed [`RuleState`] be cloned.
pub(super) trait CloneState {
    fn boxed_clone(&self) -> Box<dyn RuleState>;
}

impl<T: RuleState + Clone + 'static> CloneState for T {
    fn boxed_clone(&self) -> Box<dyn RuleState> {
        Box::new(self.clone())
    }
}

impl Clone for Box<dyn RuleState> {
    fn clone(&self) -> Self {
        (**self).boxed_clone()
    }
}

/// The tasks of one group to which a rule applies.
#[derive(Debug)]
pub(super) struct AffectedGroup<'a> {
    /// The worst task.
    pub task: &'a TaskStats,
    /// Its measure.
    pub measure: u64,
    /// The number of tasks.
    pub tasks: usize,
    /// The number of these that entered their state after the previous snapshot.
    pub new: u64,
}

impl AffectedGroup<'_> {
    /// The name of the only task, or the group with the number of its tasks: `conn-7`,
    /// `12 tasks of conn`.
    pub(super) fn subject(&self, ctx: &RuleContext<'_>) -> String {
        match self.tasks {
            1 => ctx.name(self.task),
            n => format!("{n} tasks of {}", self.task.meta.group),
        }
    }
}
