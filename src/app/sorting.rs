//! The order of the rows.

use std::time::Duration;

use super::App;
use crate::model::{Column, Field, FieldKind, GroupRow, ResourceRow, Row, RowQuery, TaskRow};

/// The message for a screen whose rows cannot be sorted.
const FIXED_ORDER: &str = "this screen has a fixed order; screens 1, 2 and 7 can be sorted";

impl App {
    /// Sorts by a column, or reverses the order if that is the column already.
    pub(super) fn sort_by(&mut self, column: Column, now: Duration) {
        let sortable = self.sortable();
        let Some(query) = self.screen_mut().query.query_mut() else {
            return self.notify(FIXED_ORDER, now);
        };
        if query.sort == column {
            query.descending = !query.descending;
        } else if let Some((_, descending)) = sortable.iter().find(|(name, _)| *name == column) {
            (query.sort, query.descending) = (column, *descending);
        }
        self.update_rows();
    }

    /// Sorts by the column that is `by` columns to the right.
    pub(super) fn sort(&mut self, by: isize, now: Duration) {
        let columns = self.sortable();
        match (self.row_query().query(), columns.len()) {
            (Some(query), 1..) => {
                let at = columns.iter().position(|(name, _)| *name == query.sort).unwrap_or(0);
                let (next, _) = columns[at.saturating_add_signed(by).min(columns.len() - 1)];
                if next != query.sort {
                    self.sort_by(next, now);
                }
            }
            _ => self.notify(FIXED_ORDER, now),
        }
    }

    /// Reverses the order.
    pub(super) fn reverse(&mut self, now: Duration) {
        match self.row_query().query().map(|query| query.sort) {
            Some(column) => self.sort_by(column, now),
            None => self.notify(FIXED_ORDER, now),
        }
    }

    /// The columns of the screen that rows can be sorted by, each with whether its largest values
    /// come first.
    fn sortable(&self) -> Vec<(Column, bool)> {
        fn of<R: Row>(fields: Vec<&Field<R>>) -> Vec<(Column, bool)> {
            let values = fields.into_iter().filter(|field| field.kind != FieldKind::Graph);
            values.map(|field| (field.name, field.kind.is_descending())).collect()
        }
        match self.row_query() {
            RowQuery::Tasks(_) => of(self.columns::<TaskRow>()),
            RowQuery::Groups(_) => of(self.columns::<GroupRow>()),
            RowQuery::Resources(_) => of(self.columns::<ResourceRow>()),
            RowQuery::None => Vec::new(),
        }
    }
}
