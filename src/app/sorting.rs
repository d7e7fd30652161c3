//! The order of the rows.

use std::time::Duration;

use super::App;
use crate::model::{Column, FieldKind, GroupColumn, Query, RowQuery};

/// The message for a screen whose rows cannot be sorted.
const FIXED_ORDER: &str = "this screen has a fixed order; screens 1 and 2 can be sorted";

impl App {
    /// Sorts by a column of the task table, or reverses the order if that is the column already.
    pub(super) fn sort_tasks_by(&mut self, column: Column, now: Duration) {
        match &mut self.screen_mut().query {
            RowQuery::Tasks(Query { sort, descending, .. }) if *sort != column => {
                (*sort, *descending) = (column, is_statistic(column));
                self.update_rows();
            }
            _ => self.reverse(now),
        }
    }

    /// Sorts by a column of the group table, or reverses the order if that is the column already.
    pub(super) fn sort_groups_by(&mut self, column: GroupColumn, now: Duration) {
        match &mut self.screen_mut().query {
            RowQuery::Groups { sort, descending, .. } if *sort != column => {
                (*sort, *descending) = (column, is_descending(column));
                self.update_rows();
            }
            _ => self.reverse(now),
        }
    }

    /// Sorts by the column that is `by` columns to the right.
    pub(super) fn sort(&mut self, by: isize, now: Duration) {
        let tasks: Vec<_> = Column::all().filter(|c| self.has_column(*c)).collect();
        let groups: Vec<_> =
            GroupColumn::ALL.into_iter().filter(|c| self.has_group_column(*c)).collect();
        match &mut self.screen_mut().query {
            RowQuery::Tasks(Query { sort, descending, .. }) => {
                *sort = neighbor(&tasks, *sort, by);
                *descending = is_statistic(*sort);
            }
            RowQuery::Groups { sort, descending, .. } => {
                *sort = neighbor(&groups, *sort, by);
                *descending = is_descending(*sort);
            }
            _ => return self.notify(FIXED_ORDER, now),
        }
        self.update_rows();
    }

    /// Reverses the order.
    pub(super) fn reverse(&mut self, now: Duration) {
        match &mut self.screen_mut().query {
            RowQuery::Tasks(Query { descending, .. }) | RowQuery::Groups { descending, .. } => {
                *descending = !*descending;
            }
            _ => return self.notify(FIXED_ORDER, now),
        }
        self.update_rows();
    }
}

/// Whether the largest values of a column come first.
fn is_statistic(column: Column) -> bool {
    column.entry().kind == FieldKind::Statistic
}

/// Whether the largest values of a column come first.
fn is_descending(column: GroupColumn) -> bool {
    !matches!(column, GroupColumn::Name | GroupColumn::Target | GroupColumn::Location)
}

/// The element `by` places from `current`, or the one at that end.
fn neighbor<T: Copy + PartialEq>(all: &[T], current: T, by: isize) -> T {
    let at = all.iter().position(|one| *one == current).unwrap_or(0);
    all[at.saturating_add_signed(by).min(all.len() - 1)]
}
