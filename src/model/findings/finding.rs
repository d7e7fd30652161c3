//! A finding: one thing that is wrong.

use std::{fmt, sync::Arc};

use super::RuleId;
use crate::snapshot::{LongPoll, TargetId, TaskKey};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Costs something.
    Warning,
    /// Others stand still because of it.
    Critical,
}

impl Severity {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }
}

/// Whom a finding is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FindingSubject {
    /// The tasks of the group with this name. A task with a name like no other is a group
    /// of its own.
    Group(Arc<str>),
    /// The runtime's blocking pool.
    BlockingPool,
    /// The runtime as a whole.
    Runtime,
    /// The machine, or the container.
    Machine,
}

impl fmt::Display for FindingSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FindingSubject::Group(name) => name,
            FindingSubject::BlockingPool => "blocking pool",
            FindingSubject::Runtime => "runtime",
            FindingSubject::Machine => "machine",
        })
    }
}

/// What makes a finding the same one from snapshot to snapshot: its rule, the program and the
/// subject.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FindingId {
    /// The rule.
    pub rule: RuleId,
    /// The target.
    pub target: TargetId,
    /// Whom it is about.
    pub subject: FindingSubject,
}

/// A task that waits for a worker because of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AffectedTask {
    /// The task's key.
    pub task: u64,
    /// Its name.
    pub name: Arc<str>,
    /// How long it has waited.
    pub delay_ns: u64,
}

/// One thing that is wrong, or was.
///
/// Rules return candidates; a candidate whose rule fires becomes a finding, which follows the
/// candidates of the next snapshots until it is resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The rule that found it.
    pub rule: RuleId,
    /// How bad it is.
    pub severity: Severity,
    /// Whether it holds now.
    pub active: bool,
    /// The rule that reports the same polls in more detail, and is listed instead.
    pub part_of: Option<RuleId>,
    /// Whom it is about.
    pub subject: FindingSubject,
    /// The number of the offending task in its target; of several, the worst.
    pub task: Option<u64>,
    /// The id of that task, as it is displayed.
    pub task_id: Option<u64>,
    /// The target, in an epoch of it. A rule leaves both to the set of rules.
    pub target: TargetId,
    pub(super) epoch: u32,
    /// A sentence with the numbers: the current ones or, once it is resolved, those of the worst
    /// snapshot.
    pub sentence: String,
    /// The sentence once it is resolved, if it reads differently.
    pub(super) sentence_when_resolved: Option<String>,
    /// How bad it is, in the unit of the rule's threshold.
    pub measure: u64,
    /// When it began, in nanoseconds on the source's clock.
    pub first_seen_ns: u64,
    /// When it last held, in nanoseconds on the source's clock.
    pub last_seen_ns: u64,
    /// The number of events (long polls, panics) or, for a condition, how often it became active.
    /// A candidate has the number of new events; 0 for a condition.
    pub count: u64,
    /// How many tasks are delayed because of it.
    pub affected_tasks: usize,
    /// Those with the longest delay.
    pub affected: Vec<AffectedTask>,
    /// Where the task was spawned.
    pub location: Option<Arc<str>>,
    /// Where the program spends the time, and why, if a watchdog has sampled it.
    pub evidence: Option<Arc<LongPoll>>,
    /// What to do about it.
    pub fix: &'static str,
}

impl Finding {
    /// Takes over what a candidate states, and keeps its own life cycle.
    pub(super) fn update(&mut self, candidate: Finding) {
        let Finding { active, part_of, first_seen_ns, last_seen_ns, count, .. } = *self;
        *self = Finding { active, part_of, first_seen_ns, last_seen_ns, count, ..candidate };
    }

    /// Its identity: the same for all snapshots.
    pub fn id(&self) -> FindingId {
        FindingId { rule: self.rule, target: self.target, subject: self.subject.clone() }
    }

    /// The key of the offending task.
    pub fn task_key(&self) -> Option<TaskKey> {
        Some(TaskKey { target: self.target, epoch: self.epoch, id: self.task? })
    }

    /// Whether both are about the same subject in the same program.
    pub fn has_subject_of(&self, other: &Finding) -> bool {
        self.target == other.target && self.subject == other.subject
    }

    /// Whether this is its identity.
    pub fn is(&self, id: &FindingId) -> bool {
        self.rule == id.rule && self.target == id.target && self.subject == id.subject
    }

    /// The line that blocks or, without one, where the task was spawned.
    pub fn place(&self) -> Option<&str> {
        let line = self.evidence.as_ref().and_then(|evidence| evidence.place());
        line.or(self.location.as_deref())
    }
}
