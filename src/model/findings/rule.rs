//! What a rule is.

use std::fmt;

use super::{Finding, FindingSubject, RuleContext, RuleId, Severity};
use crate::{
    model::TaskRates,
    snapshot::{Description, FieldId, TargetId, TaskStats},
};

/// What a threshold counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds, written with a unit: `100ms`.
    Time,
    /// Bytes, written as `16KiB`.
    Bytes,
    /// Percent, written as `60%`.
    Percent,
    /// So many a second, written as `1000/s`.
    PerSecond,
    /// So many, written as `50`.
    Count,
}

/// Something that can be wrong, and how to find it.
#[derive(Debug)]
pub struct Rule {
    /// Its id.
    pub id: RuleId,
    /// Its name on the command line and in reports.
    pub name: &'static str,
    /// What it means, in one line.
    pub meaning: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What its threshold counts.
    pub unit: Unit,
    /// The threshold unless it is set.
    pub default: u64,
    /// What is compared with the threshold, in some words.
    pub measure: &'static str,
    /// The fields without which it cannot be evaluated.
    pub needs: &'static [FieldId],
    /// For how long it must reach the threshold before a finding becomes active.
    pub(super) raise_ns: u64,
    /// For how long it must be below the threshold before a finding is resolved; 0 for an event
    /// that is over when it is reported.
    pub(super) clear_ns: u64,
    /// What to do about it, unless the evidence of a finding tells a better fix.
    pub(super) fix: &'static str,
    /// Rules whose findings about the same polls are part of a finding of this rule.
    pub(super) covers: &'static [RuleId],
    /// Rules that would report the same polls and leave them to this rule. With the same measure: a
    /// poll that blocks its worker is a long poll.
    pub implies: &'static [RuleId],
    pub(super) check: Check,
}

impl Rule {
    /// Why it cannot be evaluated for a target; `None` if it can be.
    pub fn unavailable<'a>(&self, description: &'a Description) -> Option<&'a str> {
        self.needs.iter().find_map(|field| description.reason(*field))
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
            last_seen_ns: now_ns,
            count: 0,
            affected_tasks: 0,
            affected: Vec::new(),
            location: None,
            evidence: None,
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

/// How a rule finds candidates.
#[derive(Debug)]
pub(super) enum Check {
    /// Examines each task by itself. The worst task of a group stands for its group.
    Tasks {
        /// The measure of a task, in the unit of the threshold; `None` if the rule does not apply.
        measure: fn(&RuleContext<'_>, &TaskStats, TaskRates) -> Option<u64>,
        /// Describes a group.
        describe: fn(&RuleContext<'_>, &AffectedGroup<'_>) -> Finding,
    },
    /// Examines the snapshot as a whole.
    Snapshot(fn(&RuleContext<'_>) -> Vec<Finding>),
    /// Examines the snapshot as a whole, and keeps state from snapshot to snapshot.
    Stateful(fn() -> Box<dyn RuleState>),
}

/// The state of a rule, one per model.
pub(super) trait RuleState: fmt::Debug + Send + Sync + CloneState {
    /// Examines the next snapshot.
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
    /// How many of them entered their state after the previous snapshot.
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
