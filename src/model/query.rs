//! Selects and sorts tasks.

use super::{
    Filter, Grouping, Scope, TargetModel, TaskRow,
    fields::{Column, field},
};

/// The rows to show, and their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The column to sort by. Ties keep their order, so that rows keep their places.
    pub sort: Column,
    /// Whether the largest come first.
    pub descending: bool,
    /// The rows that pass.
    pub filter: Filter,
    /// How tasks are grouped.
    pub grouping: Grouping,
    /// Limits tasks to those of a scope.
    pub scope: Option<Scope>,
}

impl Default for Query {
    fn default() -> Self {
        Query {
            sort: "busy_share",
            descending: true,
            filter: Filter::default(),
            grouping: Grouping::default(),
            scope: None,
        }
    }
}

impl Query {
    /// All resources, those with most waiting tasks first.
    pub fn of_resources() -> Self {
        Query { sort: "waiters", ..Query::default() }
    }
}

/// The tasks of all targets that the query asks for, in its order. Rows without the value to sort by
/// come last, ties in the order of their ids.
pub(super) fn select(targets: &[TargetModel], query: &Query) -> Vec<TaskRow> {
    let mut rows: Vec<TaskRow> = Vec::new();
    for (target, position) in targets.iter().zip(0u32..) {
        let scope = query.scope.as_ref();
        if scope.is_some_and(|scope| scope.target() != target.target().id) {
            continue;
        }
        let matcher = query.filter.of::<TaskRow>(target);
        let tasks = target.target().tasks.iter().zip(0u32..);
        rows.extend(tasks.filter_map(|(task, at)| {
            let row = TaskRow { target: position, task: at };
            let is_in_scope =
                scope.is_none_or(|scope| scope.has(target, task.key, Some(&task.meta)));
            (is_in_scope && matcher.passes(target, &row)).then_some(row)
        }));
    }
    let Some(field) = field::<TaskRow>(query.sort) else { return rows };
    let with_ids = rows.iter().map(|row| {
        let target = &targets[row.target as usize];
        (target, row, target.target().tasks[row.task as usize].meta.id)
    });
    let order = field.sort(query.descending, with_ids);
    order.into_iter().map(|at| rows[at as usize]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{
            Model,
            fields::{FieldKind, Row},
            testing::{snapshot, task},
        },
        snapshot::TaskStats,
    };

    fn names(tasks: &[TaskStats], sort: Column, descending: bool) -> Vec<String> {
        let mut model = Model::default();
        model.advance(&snapshot(0, tasks.iter().cloned()).into());
        let query = Query { sort, descending, ..Query::default() };
        let selected = model.only().tasks(&query);
        selected.map(|row| tasks[row.task as usize].meta.name.to_string()).collect()
    }

    #[test]
    fn numbers_in_names_sort_as_numbers() {
        let tasks = [task(1, "conn-10"), task(2, "conn-9"), task(3, "accept")];
        assert_eq!(names(&tasks, "name", false), ["accept", "conn-9", "conn-10"]);
        assert_eq!(names(&tasks, "name", true), ["conn-10", "conn-9", "accept"]);
    }

    #[test]
    fn ties_are_sorted_by_id_in_both_directions() {
        let tasks = [task(1, "a"), task(2, "b"), task(3, "c")];
        for descending in [false, true] {
            assert_eq!(names(&tasks, "polls", descending), ["a", "b", "c"]);
        }
    }

    #[test]
    fn tasks_are_sorted_by_every_column() {
        let mut tasks = [task(1, "a"), task(2, "b")];
        let larger = &mut tasks[1];
        for field in [
            &mut larger.polls,
            &mut larger.busy_ns,
            &mut larger.scheduled_ns,
            &mut larger.idle_ns,
            &mut larger.max_poll_ns,
            &mut larger.max_delay_ns,
            &mut larger.wakes,
            &mut larger.self_wakes,
            &mut larger.lifetime_ns,
        ] {
            *field = 1 << 40;
        }
        (larger.live_wakers, larger.since_ns) = (Some(7), 0);
        for field in TaskRow::fields() {
            let is_equal = ["state_ns", "future_bytes"].contains(&field.name);
            let differs = field.kind.is_number() && !is_equal;
            let expected = match differs || ["name", "group"].contains(&field.name) {
                true => ["b", "a"],
                false => ["a", "b"],
            };
            assert_eq!(names(&tasks, field.name, true), expected, "{}", field.name);
            assert!(field.kind != FieldKind::Graph || !differs);
        }
    }
}
