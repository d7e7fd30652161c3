//! One task, one group of tasks or those of one workload, to which the rows of tables, the polls of the
//! timeline and the findings can be limited.

use std::{collections::HashSet, sync::Arc};

use super::{Finding, FindingSubject, Grouping, OffenderRow, TargetModel, TimelinePoll};
use crate::{
    snapshot::{GroupKey, TargetId, TaskKey, TaskMeta},
    text::file_and_folder,
};

/// A task, a group of tasks, or the tasks of a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One task.
    Task {
        /// The task.
        key: TaskKey,
        /// Its name, which is known after it has ended.
        name: Arc<str>,
    },
    /// The tasks of one group.
    Group {
        /// The group.
        key: GroupKey,
        /// The property that its tasks have in common.
        grouping: Grouping,
    },
    /// The tasks that a workload of the lab has spawned.
    Workload {
        /// The lab.
        target: TargetId,
        /// The name of the workload.
        name: Arc<str>,
    },
}

impl Scope {
    /// The group of tasks with this name.
    pub fn named(target: TargetId, name: &Arc<str>) -> Self {
        let key = GroupKey { target, name: Arc::clone(name) };
        Scope::Group { key, grouping: Grouping::Name }
    }

    /// The target.
    pub fn target(&self) -> TargetId {
        match self {
            Scope::Task { key, .. } => key.target,
            Scope::Group { key, .. } => key.target,
            Scope::Workload { target, .. } => *target,
        }
    }

    /// The name of the task, the group or the workload.
    pub fn name(&self) -> &str {
        match self {
            Scope::Task { name, .. } | Scope::Workload { name, .. } => name,
            // Groups by location have paths as names.
            Scope::Group { key, .. } => file_and_folder(&key.name),
        }
    }

    /// Whether a task of a target is in the scope. A task without `meta` is in no group.
    pub fn has(&self, model: &TargetModel, id: u64, meta: Option<&TaskMeta>) -> bool {
        match self {
            Scope::Task { key, .. } => model.target().task_key(id) == *key,
            Scope::Group { key, grouping } => meta.is_some_and(|meta| {
                model.target().id == key.target
                    && grouping.group_of(model.name(), meta) == &*key.name
            }),
            Scope::Workload { target, name } => meta.is_some_and(|meta| {
                model.target().id == *target && model.is_of_workload(name, &meta.group)
            }),
        }
    }

    /// Whether a finding is about a task of the scope, or lists one among the tasks with the longest
    /// delays.
    pub fn has_finding(&self, model: &TargetModel, finding: &Finding) -> bool {
        let is_subject = match (self, &finding.subject) {
            (Scope::Group { key, grouping: Grouping::Name }, FindingSubject::Group(name)) => {
                model.target().id == key.target && *name == key.name
            }
            (Scope::Workload { target, name }, FindingSubject::Group(group)) => {
                model.target().id == *target && model.is_of_workload(name, group)
            }
            _ => false,
        };
        let affected = finding.affected.iter().map(|affected| affected.task);
        let mut tasks = finding.task.into_iter().chain(affected);
        is_subject || tasks.any(|id| self.has(model, id, model.task_meta(id)))
    }

    /// Whether a row of the impact table has long polls of the scope.
    pub fn has_offender(&self, row: &OffenderRow<'_>) -> bool {
        let id = |poll: &super::LongPollEntry| poll.evidence.task;
        row.polls().any(|poll| self.has(row.target, id(poll), poll.meta.as_deref()))
    }
}

/// The polls of a scope on the timeline; by default, all polls.
#[derive(Clone, Debug, Default)]
pub struct PollScope(Option<HashSet<u64>>);

impl PollScope {
    /// The polls of these tasks.
    pub(super) fn of(tasks: impl IntoIterator<Item = u64>) -> Self {
        PollScope(Some(tasks.into_iter().collect()))
    }

    /// Whether it has all polls.
    pub fn is_all(&self) -> bool {
        self.0.is_none()
    }

    /// Whether a poll is in the scope.
    pub(super) fn has(&self, poll: &TimelinePoll) -> bool {
        self.0.as_ref().is_none_or(|tasks| tasks.contains(&poll.key))
    }
}

impl TargetModel {
    /// The properties of a task that is listed, has polls on the timeline or had long polls in the
    /// last minute.
    fn task_meta(&self, id: u64) -> Option<&TaskMeta> {
        let listed = self.target().task(id).map(|task| &task.meta);
        let known = listed.or_else(|| self.timeline().task(id));
        known.or_else(|| self.impact_table().task(id)).map(|meta| &**meta)
    }

    /// Whether a workload of this name has spawned tasks of a group.
    fn is_of_workload(&self, name: &str, group: &str) -> bool {
        let mut workloads = self.target().lab.iter().flat_map(|lab| &lab.workloads);
        let workload = workloads.find(|workload| &*workload.name == name);
        workload.is_some_and(|workload| workload.groups.iter().any(|one| &**one == group))
    }

    /// The polls of a scope on the timeline.
    pub fn poll_scope(&self, scope: &Scope) -> PollScope {
        match scope {
            Scope::Task { key, .. } => {
                let is_here = self.target().task_key(key.id) == *key;
                PollScope::of(is_here.then_some(key.id))
            }
            Scope::Group { .. } | Scope::Workload { .. } => {
                let tasks = self.timeline().tasks();
                let tasks = tasks.filter(|(id, meta)| scope.has(self, *id, Some(meta)));
                PollScope::of(tasks.map(|(id, _)| id))
            }
        }
    }
}
