//! A finding: one problem of a target.

use std::{fmt, sync::Arc};

use super::RuleId;
use crate::{
    model::lines::Lines,
    snapshot::{LongPoll, TargetId, TaskKey},
};

/// Spans that follow each other faster than this are one.
const SPAN_RESOLUTION_NS: u64 = 250_000_000;
/// Maximum number of spans of a finding.
const MAX_SPANS: usize = 256;

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// For information.
    Info,
    /// Costs performance.
    Warning,
    /// Stops other tasks.
    Critical,
}

impl Severity {
    /// The name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }
}

/// The subject of a finding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FindingSubject {
    /// A group of tasks. A task whose name no other one has is a group of its own.
    Group(Arc<str>),
    /// A resource, by its type and the location at which it was created.
    Resource(Arc<str>),
    /// The blocking pool of the runtime.
    BlockingPool,
    /// The runtime as a whole.
    Runtime,
    /// The machine or the container.
    Machine,
}

impl fmt::Display for FindingSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FindingSubject::Group(name) | FindingSubject::Resource(name) => name,
            FindingSubject::BlockingPool => "blocking pool",
            FindingSubject::Runtime => "runtime",
            FindingSubject::Machine => "machine",
        })
    }
}

/// Identifies a finding across snapshots.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FindingId {
    /// The rule.
    pub rule: RuleId,
    /// The target.
    pub target: TargetId,
    /// The subject.
    pub subject: FindingSubject,
}

/// A span of time in which a finding was above its threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveSpan {
    /// Start, in nanoseconds on the target's clock.
    pub from_ns: u64,
    /// End.
    pub to_ns: u64,
}

/// A task that a finding delays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AffectedTask {
    /// Key of the task.
    pub task: u64,
    /// Name of the task.
    pub name: Arc<str>,
    /// Its current scheduling delay, or how long it has waited for the resource, in nanoseconds.
    pub delay_ns: u64,
}

/// A problem of a target, active or resolved.
///
/// Rules return candidates; a candidate whose rule fires becomes a finding, which follows the
/// candidates of the next snapshots until it is resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The rule that fired.
    pub rule: RuleId,
    /// The severity.
    pub severity: Severity,
    /// Whether it is active; otherwise it is resolved.
    pub active: bool,
    /// The rule that covers it: its finding reports the same polls and is listed instead.
    pub part_of: Option<RuleId>,
    /// The subject.
    pub subject: FindingSubject,
    /// Key of the offending task; of several tasks, the worst.
    pub task: Option<u64>,
    /// The id of that task for display.
    pub task_id: Option<u64>,
    /// The target and its epoch. The rule set fills in both.
    pub target: TargetId,
    pub(super) epoch: u32,
    /// A sentence with the current numbers or, once it is resolved, those of the worst snapshot.
    pub sentence: String,
    /// The sentence once it is resolved, if it differs.
    pub(super) sentence_when_resolved: Option<String>,
    /// The value compared with the threshold, in the unit of the rule.
    pub measure: u64,
    /// When it began, in nanoseconds on the target's clock.
    pub first_seen_ns: u64,
    /// When its latest occurrence began: equal to `first_seen_ns` unless it was resolved before.
    pub latest_ns: u64,
    /// When it was last above the threshold, in nanoseconds on the target's clock.
    pub last_seen_ns: u64,
    /// The number of events (long polls, panics) or, for a condition, how often it became active.
    /// A candidate has the number of new events; 0 for a condition.
    pub count: u64,
    /// When it was above the threshold, oldest first.
    pub spans: Vec<ActiveSpan>,
    /// The number of tasks that it delays.
    pub affected_tasks: usize,
    /// The tasks with the longest delays.
    pub affected: Vec<AffectedTask>,
    /// Where the task was spawned, or else the line of its future.
    pub location: Option<Arc<str>>,
    /// Whether the location is that of the future. The rule set fills it in.
    pub(super) is_of_future: bool,
    /// The long poll that caused it, with stack and cause if a watchdog has sampled them.
    pub evidence: Option<Arc<LongPoll>>,
    /// The lines at which its polls block.
    pub(super) lines: Lines,
    /// The suggested fix.
    pub fix: &'static str,
}

impl Finding {
    /// Replaces everything except the state of the lifecycle; nothing if the candidate is a poll that
    /// has ended, and more polls blocked in the function that the finding names.
    pub(super) fn update(&mut self, candidate: Finding) {
        candidate.evidence.iter().for_each(|evidence| self.lines.add(evidence));
        let has_ended = candidate.evidence.as_ref().is_some_and(|evidence| evidence.is_ended);
        let polls_in = |finding: &Finding| self.lines.polls_in(finding.function());
        if has_ended && polls_in(self) > polls_in(&candidate) {
            return;
        }
        let (spans, lines) = (std::mem::take(&mut self.spans), std::mem::take(&mut self.lines));
        let Finding { active, part_of, first_seen_ns, latest_ns, last_seen_ns, count, .. } = *self;
        *self = Finding {
            active,
            part_of,
            first_seen_ns,
            latest_ns,
            last_seen_ns,
            count,
            spans,
            lines,
            ..candidate
        };
    }

    /// Adds the time of a candidate that was reported at `now`, the snapshot after `previous_ns`.
    pub(super) fn add_span(&mut self, now: u64, previous_ns: u64, candidate: &Finding) {
        let poll = candidate.evidence.as_ref().filter(|poll| poll.is_ended);
        let end_ns = poll.map_or(now, |poll| poll.began_ns.saturating_add(poll.length_ns).min(now));
        let from_ns = candidate.first_seen_ns.min(end_ns);
        // A condition lasts from one snapshot to the next. Each event has its own time.
        let is_condition = candidate.count == 0;
        match self.spans.last_mut() {
            Some(last)
                if from_ns <= last.to_ns.saturating_add(SPAN_RESOLUTION_NS)
                    || is_condition && last.to_ns >= previous_ns =>
            {
                last.to_ns = last.to_ns.max(end_ns);
                last.from_ns = last.from_ns.min(from_ns);
            }
            _ => self.spans.push(ActiveSpan { from_ns, to_ns: end_ns }),
        }
        let extra = self.spans.len().saturating_sub(MAX_SPANS);
        self.spans.drain(..extra);
    }

    /// What the location is: `spawned at` or `future at`.
    pub fn location_label(&self) -> &'static str {
        if self.is_of_future { "future at" } else { "spawned at" }
    }

    /// The identity, which is the same in all snapshots.
    pub fn id(&self) -> FindingId {
        FindingId { rule: self.rule, target: self.target, subject: self.subject.clone() }
    }

    /// The key of the offending task.
    pub fn task_key(&self) -> Option<TaskKey> {
        Some(TaskKey { target: self.target, epoch: self.epoch, id: self.task? })
    }

    /// Whether both have the same subject in the same target.
    pub fn has_subject_of(&self, other: &Finding) -> bool {
        self.target == other.target && self.subject == other.subject
    }

    /// Whether the finding has this identity.
    pub fn is(&self, id: &FindingId) -> bool {
        self.rule == id.rule && self.target == id.target && self.subject == id.subject
    }

    /// The line that blocks or, without one, where the task was spawned.
    pub fn place(&self) -> Option<&str> {
        self.blocked_at().or(self.location.as_deref())
    }

    /// The function that blocks.
    fn function(&self) -> Option<&str> {
        self.evidence.as_ref()?.function()
    }

    /// The line that blocks: the most frequent one of the polls that block in the same function. Without
    /// a stack of the latest poll, it is that of all polls.
    pub fn blocked_at(&self) -> Option<&str> {
        let of_latest = || self.evidence.as_ref().and_then(|evidence| evidence.blocked_at());
        self.lines.most_frequent(self.function()).or_else(of_latest)
    }
}
