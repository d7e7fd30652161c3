//! A finding: one thing that is wrong.

use std::{fmt, sync::Arc};

use super::RuleId;
use crate::snapshot::Evidence;

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
pub enum Suspect {
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

impl fmt::Display for Suspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Suspect::Group(name) => name,
            Suspect::BlockingPool => "blocking pool",
            Suspect::Runtime => "runtime",
            Suspect::Machine => "machine",
        })
    }
}

/// What makes a finding the same one from look to look: its rule and whom it is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FindingId {
    /// The rule.
    pub rule: RuleId,
    /// Whom it is about.
    pub suspect: Suspect,
}

/// A task that waits for a worker because of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiter {
    /// The task's key.
    pub task: u64,
    /// Its name.
    pub name: Arc<str>,
    /// How long it has waited.
    pub waited_ns: u64,
}

/// One thing that is wrong, or was.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The rule that found it.
    pub rule: RuleId,
    /// How bad it is.
    pub severity: Severity,
    /// Whom it is about.
    pub suspect: Suspect,
    /// The key of the task that is to blame; of several, the worst.
    pub task: Option<u64>,
    /// The number of that task that people see.
    pub task_id: Option<u64>,
    /// The program that the task is of, where several may be watched; else empty.
    pub target: Arc<str>,
    /// A plain sentence with the numbers: those of now, or, if it is over, of the worst moment.
    pub sentence: String,
    /// How bad it is, in the unit of the rule's threshold.
    pub measure: u64,
    /// Where the task was spawned.
    pub location: Option<Arc<str>>,
    /// Where the program is, and why it stays there, if a watchdog has looked.
    pub evidence: Option<Arc<Evidence>>,
    /// Who waits because of it, those that wait longest.
    pub waiters: Vec<Waiter>,
    /// How many wait in all.
    pub waiting: usize,
    /// What to do about it.
    pub cure: &'static str,
    /// When it was seen first, on the source's clock.
    pub first_seen_ns: u64,
    /// When it was seen last.
    pub last_seen_ns: u64,
    /// How often it happened: long polls, panics; else how often it came.
    pub count: u64,
    /// It is so now.
    pub active: bool,
    /// The rule that tells more of the same polls, and is told instead.
    pub part_of: Option<RuleId>,
}

impl Finding {
    /// What makes it the same one from look to look.
    pub fn id(&self) -> FindingId {
        FindingId { rule: self.rule, suspect: self.suspect.clone() }
    }

    /// The line that is to blame, or else where the task was spawned.
    pub fn place(&self) -> Option<&str> {
        let line = self.evidence.as_ref().and_then(|evidence| evidence.place());
        line.or(self.location.as_deref())
    }
}
