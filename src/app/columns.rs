//! The columns of the tables.

use std::collections::BTreeMap;

use super::App;
use crate::model::{Column, Field, Row};

/// The columns that the user has chosen, in their order, by the name of the table. A table without an
/// entry has its default columns.
pub type ChosenColumns = BTreeMap<&'static str, Vec<Column>>;

impl App {
    /// The columns of a table, from left to right: those that the user has chosen, or else those that
    /// are shown by default; without the ones that no target has values for, unless rows are sorted
    /// by them.
    pub fn columns<R: Row>(&self) -> Vec<&'static Field<R>> {
        let fields = || R::fields().iter();
        let sort = self.row_query().query().map(|query| query.sort);
        let is_shown = |field: &&'static Field<R>| match field.name {
            "target" => self.has_several_targets(),
            name => Some(name) == sort || self.has_field(field.id),
        };
        match self.chosen_columns.get(R::TABLE) {
            Some(chosen) => chosen
                .iter()
                .filter_map(|name| fields().find(|field| field.name == *name))
                .filter(is_shown)
                .collect(),
            None => fields().filter(|field| field.rank > 0).filter(is_shown).collect(),
        }
    }
}
