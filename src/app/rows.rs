//! The rows of a screen, and their identity.

use std::collections::HashSet;

use unicode_width::UnicodeWidthStr;

use super::App;
use crate::{
    model::{
        Filter, FindingId, GroupRow, Model, OffenderId, Query, ResourceRow, RowQuery, Rows, TaskRow,
    },
    snapshot::{GroupKey, ResourceKey, TargetId, TaskKey},
    text::file_and_folder,
};

/// The kinds of rows. Screens with rows of the same kind share the selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// Tasks.
    Tasks,
    /// Groups of tasks.
    Groups,
    /// Resources.
    Resources,
    /// Findings, in the order of the model, and below them the impact table.
    Findings,
    /// Workers of the selected target, the busiest first if there are many.
    Workers,
    /// The same workers, on the timeline.
    Tracks,
    /// Workloads of the lab.
    Workloads,
}

impl List {
    /// Whether screens with these rows share the selection.
    pub(super) fn shares_selection_with(self, other: List) -> bool {
        let of_workers = |list| matches!(list, List::Workers | List::Tracks);
        self == other || of_workers(self) && of_workers(other)
    }

    /// Whether the rows are limited to the pinned task or group, or are what is pinned.
    pub(super) fn has_pin(self) -> bool {
        match self {
            List::Tasks | List::Groups | List::Findings | List::Tracks => true,
            List::Resources | List::Workers | List::Workloads => false,
        }
    }

    /// The query before the user sorts or filters.
    pub(super) fn query(self) -> RowQuery {
        match self {
            List::Tasks => RowQuery::Tasks(Query::default()),
            List::Groups => RowQuery::Groups(Query::default()),
            List::Resources => RowQuery::Resources(Query::of_resources()),
            List::Findings | List::Workers | List::Tracks | List::Workloads => RowQuery::None,
        }
    }
}

/// The identity of a row, which stays the same when rows move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowKey {
    /// A task.
    Task(TaskKey),
    /// A group.
    Group(GroupKey),
    /// A resource.
    Resource(ResourceKey),
    /// A finding.
    Finding(FindingId),
    /// A row of the impact table.
    Offender(OffenderId),
    /// The index of a worker.
    Worker(usize),
    /// The position of a workload.
    Workload(usize),
}

impl RowKey {
    /// The target of the row, if rows of several targets are on one screen.
    pub(super) fn target(&self) -> Option<TargetId> {
        match self {
            RowKey::Task(key) => Some(key.target),
            RowKey::Group(key) => Some(key.target),
            RowKey::Resource(key) => Some(key.target),
            RowKey::Finding(id) => Some(id.target),
            RowKey::Offender(id) => Some(id.target),
            RowKey::Worker(_) | RowKey::Workload(_) => None,
        }
    }
}

impl App {
    /// The number of rows of the screen.
    pub fn row_count(&self) -> usize {
        match (&self.rows, self.list()) {
            (Rows::Tasks(rows), _) => rows.len(),
            (Rows::Groups(rows), _) => rows.len(),
            (Rows::Resources(rows), _) => rows.len(),
            (Rows::None, List::Findings) => self.findings().len() + self.offenders().len(),
            (Rows::None, List::Workloads) => self.lab_stats().map_or(0, |lab| lab.workloads.len()),
            (Rows::None, _) => self.worker_rows().len(),
        }
    }

    /// The key of a row of the screen.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row_key(&self, row: usize) -> RowKey {
        match (&self.rows, self.list()) {
            (Rows::Tasks(rows), _) => RowKey::Task(task_key(self.model(), rows[row])),
            (Rows::Groups(rows), _) => RowKey::Group(rows[row].key()),
            (Rows::Resources(rows), _) => RowKey::Resource(rows[row].key),
            (Rows::None, List::Findings) => {
                let findings = self.findings();
                match findings.get(row) {
                    Some(finding) => RowKey::Finding(finding.id()),
                    None => RowKey::Offender(self.offenders()[row - findings.len()].id()),
                }
            }
            (Rows::None, List::Workloads) => RowKey::Workload(row),
            (Rows::None, _) => RowKey::Worker(self.worker_order()[row]),
        }
    }

    pub(super) fn row_of(&self, key: &RowKey) -> Option<usize> {
        match (&self.rows, key) {
            (Rows::Tasks(rows), RowKey::Task(key)) => {
                let row = task_row(self.model(), *key)?;
                rows.iter().position(|one| *one == row)
            }
            (Rows::Groups(rows), RowKey::Group(key)) => {
                rows.iter().position(|row| row.key() == *key)
            }
            (Rows::Resources(rows), RowKey::Resource(key)) => {
                rows.iter().position(|row| row.key == *key)
            }
            (_, RowKey::Finding(id)) => self.findings().iter().position(|finding| finding.is(id)),
            (_, RowKey::Offender(id)) => {
                let row = self.offenders().iter().position(|row| row.id() == *id)?;
                Some(self.findings().len() + row)
            }
            (_, RowKey::Worker(worker)) => self.worker_order().iter().position(|one| one == worker),
            (_, RowKey::Workload(row)) => Some(*row).filter(|row| *row < self.row_count()),
            _ => None,
        }
    }

    /// The selected row; without a selection, the first visible one.
    pub fn selected_row(&self) -> Option<usize> {
        let cursor = self.cursor();
        let row = if cursor.key().is_some() { cursor.row() } else { cursor.top() };
        Some(row).filter(|row| *row < self.row_count())
    }

    /// Whether each row of the screen is one of `found`.
    pub(super) fn matches(&self, found: &Rows) -> Vec<bool> {
        match (&self.rows, found) {
            (Rows::Tasks(rows), Rows::Tasks(found)) => {
                let found: HashSet<_> = found.iter().collect();
                rows.iter().map(|row| found.contains(row)).collect()
            }
            (Rows::Groups(rows), Rows::Groups(found)) => {
                let is_found = |row: &GroupRow| found.iter().any(|one| one.key() == row.key());
                rows.iter().map(is_found).collect()
            }
            (Rows::Resources(rows), Rows::Resources(found)) => {
                let is_found = |row: &ResourceRow| found.iter().any(|one| one.key == row.key);
                rows.iter().map(is_found).collect()
            }
            _ => vec![false; self.row_count()],
        }
    }

    /// Groups tasks by the next property.
    pub(super) fn regroup(&mut self) {
        if self.list() != List::Groups {
            self.show_list(List::Groups);
        }
        let has_several_targets = self.has_several_targets();
        if let Some(query) = self.screen_mut().query.query_mut() {
            query.grouping = query.grouping.next(has_several_targets);
        }
        self.update_rows();
    }

    /// The tasks on the screen, in their order.
    pub fn task_rows(&self) -> &[TaskRow] {
        if let Rows::Tasks(rows) = &self.rows { rows } else { &[] }
    }

    /// The groups on the screen, in their order.
    pub fn group_rows(&self) -> &[GroupRow] {
        if let Rows::Groups(rows) = &self.rows { rows } else { &[] }
    }

    /// The width of the longest name among the tasks or groups on the screen or, without them, of the
    /// threads of workers, in cells; of many rows, the first ones.
    pub fn longest_name(&self) -> usize {
        const MEASURED_ROWS: usize = 1_000;
        let model = self.model();
        let task = |row: &TaskRow| Some(model.task_of_row(*row)?.1.meta.name.width());
        let tasks = self.task_rows().iter().take(MEASURED_ROWS).filter_map(task);
        // Groups by location have paths as names.
        let group = |group: &GroupRow| file_and_folder(&group.name).width();
        let groups = self.group_rows().iter().take(MEASURED_ROWS).map(group);
        let threads = self.worker_rows().iter().filter_map(|worker| worker.stats.thread.as_deref());
        let longest = tasks.chain(groups).max();
        longest.or_else(|| threads.map(UnicodeWidthStr::width).max()).unwrap_or(0)
    }

    /// The resources on the screen, in their order.
    pub fn resource_rows(&self) -> &[ResourceRow] {
        if let Rows::Resources(rows) = &self.rows { rows } else { &[] }
    }

    /// The rows of the screen, and their order.
    pub fn row_query(&self) -> &RowQuery {
        &self.screen().query
    }

    /// Computes the rows of the screen, after a change of the screen or of its query.
    pub(super) fn update_rows(&mut self) {
        let (filter, scope) = (Filter::new(&self.filter), self.pin.clone());
        let rows = &mut self.screen_mut().query;
        if let RowQuery::Tasks(query) = rows {
            query.scope = scope;
        }
        if let Some(query) = rows.query_mut() {
            query.filter = filter;
        }
        self.set_rows(self.model().rows(self.row_query()));
    }

    /// Shows these rows. The selection follows its row.
    pub(super) fn set_rows(&mut self, rows: Rows) {
        self.rows = rows;
        let mut cursor = std::mem::take(&mut self.screen_mut().cursor);
        cursor.follow(self.row_count(), |key| self.row_of(key), |row| self.row_key(row));
        self.screen_mut().cursor = cursor;
    }
}

/// The row of a task in the model.
fn task_row(model: &Model, key: TaskKey) -> Option<TaskRow> {
    let position = model.targets().iter().position(|model| model.target().id == key.target)?;
    let target = model.targets()[position].target();
    let task = Some(target).filter(|target| target.epoch == key.epoch)?.position(key.id)?;
    Some(TaskRow { target: position as u32, task: task as u32 })
}

/// The key of the task in a row.
pub(super) fn task_key(model: &Model, row: TaskRow) -> TaskKey {
    let target = model.targets()[row.target as usize].target();
    target.task_key(target.tasks[row.task as usize].key)
}
