//! The rows of a table. They are computed on the thread that advances the model, not on the one
//! that handles keys: sorting a million tasks takes a tenth of a second.

use std::sync::Arc;

use super::{FilterError, GroupRow, Model, Query, ResourceRow, TaskRow};

/// The rows that a screen shows, and their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RowQuery {
    /// A screen whose rows are neither sorted nor filtered.
    #[default]
    None,
    /// The tasks that a query selects.
    Tasks(Query),
    /// The groups of tasks that a query selects.
    Groups(Query),
    /// The resources that a query selects.
    Resources(Query),
}

impl RowQuery {
    /// The query, if the rows are sorted and filtered.
    pub fn query(&self) -> Option<&Query> {
        match self {
            RowQuery::None => None,
            RowQuery::Tasks(query) | RowQuery::Groups(query) | RowQuery::Resources(query) => {
                Some(query)
            }
        }
    }

    /// The query, if the rows are sorted and filtered.
    pub fn query_mut(&mut self) -> Option<&mut Query> {
        match self {
            RowQuery::None => None,
            RowQuery::Tasks(query) | RowQuery::Groups(query) | RowQuery::Resources(query) => {
                Some(query)
            }
        }
    }

    /// The first term of the filter that cannot be applied to these rows.
    pub fn filter_error(&self) -> Option<FilterError> {
        match self {
            RowQuery::None => None,
            RowQuery::Tasks(query) => query.filter.error::<TaskRow>(),
            RowQuery::Groups(query) => query.filter.error::<GroupRow>(),
            RowQuery::Resources(query) => query.filter.error::<ResourceRow>(),
        }
    }

    /// The reason why no row of `model` can pass the filter: a term about a field that no target has.
    pub fn unavailable_term(&self, model: &Model) -> Option<String> {
        let targets = model.targets();
        match self {
            RowQuery::None => None,
            RowQuery::Tasks(query) => query.filter.unavailable::<TaskRow>(targets),
            RowQuery::Groups(query) => query.filter.unavailable::<GroupRow>(targets),
            RowQuery::Resources(query) => query.filter.unavailable::<ResourceRow>(targets),
        }
    }
}

/// The rows that a [`RowQuery`] selects, in its order.
#[derive(Clone, Debug, Default)]
pub enum Rows {
    /// No rows.
    #[default]
    None,
    /// Tasks.
    Tasks(Vec<TaskRow>),
    /// Groups of tasks.
    Groups(Vec<GroupRow>),
    /// Resources.
    Resources(Vec<ResourceRow>),
}

/// The model after a snapshot, with the rows of the screen.
#[derive(Clone, Debug)]
pub struct Refresh {
    /// The model.
    pub model: Arc<Model>,
    /// The query of `rows`.
    pub query: RowQuery,
    /// The rows that `query` selects from `model`.
    pub rows: Rows,
}

impl Refresh {
    /// A copy of the model, and the rows that `query` selects from it.
    pub fn new(model: &Model, query: RowQuery) -> Self {
        Refresh { model: Arc::new(model.clone()), rows: model.rows(&query), query }
    }
}

impl Model {
    /// The rows that a query selects.
    pub fn rows(&self, query: &RowQuery) -> Rows {
        match query {
            RowQuery::None => Rows::None,
            RowQuery::Tasks(query) => Rows::Tasks(self.tasks(query)),
            RowQuery::Groups(query) => Rows::Groups(self.groups(query)),
            RowQuery::Resources(query) => Rows::Resources(self.resources(query)),
        }
    }
}
