//! What a rule is.

use std::{collections::HashMap, sync::Arc};

use super::{Look, RuleId, Severity, Suspect, Waiter, growth::Growth, rules::Saturation};
use crate::{
    model::{TaskRates, TaskStats},
    snapshot::Evidence,
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
    /// What a program tells over a connection is enough for it.
    pub on_the_wire: bool,
    /// For how long it must hold before it is raised.
    pub(super) raise_ns: u64,
    /// For how long it must be gone before it is lowered; 0 for an event that is over when it is
    /// reported.
    pub(super) clear_ns: u64,
    /// What to do about it, unless the claim knows better.
    pub(super) cure: &'static str,
    pub(super) check: Check,
}

/// How a rule looks.
#[derive(Debug)]
pub(super) enum Check {
    /// At each task by itself; what is said of the worst is said of its group.
    Task {
        /// How bad it is, in the threshold's unit; `None` if it is not.
        of: fn(&Look<'_>, &TaskStats, TaskRates) -> Option<u64>,
        /// What to say of a group.
        tell: fn(&Look<'_>, &Case<'_>) -> Claim,
    },
    /// At the moment as a whole.
    Moment(fn(&Look<'_>, &mut Memory) -> Vec<Claim>),
}

/// The tasks of one group that a rule is about.
#[derive(Debug)]
pub(super) struct Case<'a> {
    /// The worst of them.
    pub task: &'a TaskStats,
    /// How bad that is.
    pub measure: u64,
    /// How many they are.
    pub tasks: usize,
    /// How many of them are in their state since the look before.
    pub fresh: u64,
}

impl Case<'_> {
    /// The worst task's name, or the group with the number of its tasks: `conn-7`,
    /// `12 tasks of conn`.
    pub(super) fn who(&self) -> String {
        let meta = &self.task.meta;
        match self.tasks {
            1 => meta.name.to_string(),
            n => format!("{n} tasks of {}", meta.group),
        }
    }
}

/// What a rule says of a moment.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub suspect: Suspect,
    pub task: Option<u64>,
    pub task_id: Option<u64>,
    pub target: Arc<str>,
    /// In the unit of the threshold. The claim counts from the threshold on, and keeps a
    /// finding that is there already from a little below it on.
    pub measure: u64,
    /// When it began, if that is known.
    pub since_ns: Option<u64>,
    /// How often it happened since the look before, for what happens and does not last.
    pub events: Option<u64>,
    pub sentence: String,
    /// The sentence when it is over, if it reads otherwise then.
    pub past: Option<String>,
    pub location: Option<Arc<str>>,
    pub evidence: Option<Arc<Evidence>>,
    pub waiters: Vec<Waiter>,
    pub waiting: usize,
    pub cure: Option<&'static str>,
}

impl Claim {
    pub(super) fn new(suspect: Suspect, measure: u64, sentence: String) -> Self {
        Claim {
            suspect,
            task: None,
            task_id: None,
            target: Arc::default(),
            measure,
            since_ns: None,
            events: None,
            sentence,
            past: None,
            location: None,
            evidence: None,
            waiters: Vec::new(),
            waiting: 0,
            cure: None,
        }
    }

    /// A claim about a task and its group.
    pub(super) fn of(task: &TaskStats, measure: u64, sentence: String) -> Self {
        Claim {
            task: Some(task.key),
            task_id: Some(task.meta.id),
            target: task.meta.target.clone(),
            location: Some(task.meta.location.clone()),
            ..Claim::new(Suspect::Group(task.meta.group.clone()), measure, sentence)
        }
    }
}

/// What rules remember from look to look.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// How many tasks each group has.
    pub leak: HashMap<Arc<str>, Growth>,
    /// How many tasks wait for a worker.
    pub queue: Option<Growth>,
    /// How long the queues are that workloads tell of.
    pub queues: HashMap<Arc<str>, Growth>,
    /// How busy workers were, and how long tasks waited for them.
    pub saturation: Saturation,
    /// When each group last had a poll that was somewhat long.
    pub long: HashMap<Arc<str>, u64>,
    /// When the last poll of each task began that was told of: as too long,
    pub slow: HashMap<u64, u64>,
    /// and as one that held its worker.
    pub held: HashMap<u64, u64>,
}
