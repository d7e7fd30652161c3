//! Advances the model on the thread that assembles snapshots, so that no key waits for it.

use std::sync::{Arc, Mutex};

use crate::{
    lock::lock,
    model::{Model, Refresh, RowQuery},
    snapshot::Snapshot,
};

/// The query of the rows that the screen shows, shared between the event loop and the follower.
#[derive(Clone, Debug, Default)]
pub(super) struct SharedQuery(Arc<Mutex<RowQuery>>);

impl SharedQuery {
    pub(super) fn set(&self, query: &RowQuery) {
        lock(&self.0).clone_from(query);
    }
}

/// Follows the snapshots and returns the model after each one, with the rows of the screen.
pub(super) struct Follower {
    model: Model,
    query: SharedQuery,
    /// Models that the screen may still show. They are dropped here: dropping a million tasks
    /// takes longer than a refresh may.
    shown: Vec<Arc<Model>>,
}

impl Follower {
    pub(super) fn new(model: Model, query: SharedQuery) -> Self {
        Follower { model, query, shown: Vec::new() }
    }

    pub(super) fn advance(&mut self, snapshot: &Snapshot) -> Refresh {
        self.shown.retain(|model| Arc::strong_count(model) > 1);
        self.model.advance(snapshot);
        let query = lock(&self.query.0).clone();
        let refresh = Refresh::new(&self.model, query);
        self.shown.push(Arc::clone(&refresh.model));
        refresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fixture::World,
        model::{Query, Rows},
    };

    #[test]
    fn refresh_has_the_rows_of_the_screen() {
        let (mut world, query) = (World::new(), SharedQuery::default());
        let mut follower = Follower::new(Model::default(), query.clone());
        assert!(matches!(follower.advance(&world.step().into()).rows, Rows::None));
        query.set(&RowQuery::Tasks(Query::default()));
        let refresh = follower.advance(&world.step().into());
        let Rows::Tasks(rows) = &refresh.rows else { panic!("{:?}", refresh.rows) };
        assert_eq!(rows.len(), refresh.model.only().target().tasks.len());
    }

    #[test]
    fn model_that_is_shown_is_kept_until_the_next_snapshot() {
        let mut world = World::new();
        let mut follower = Follower::new(Model::default(), SharedQuery::default());
        let first = Arc::downgrade(&follower.advance(&world.step().into()).model);
        assert!(first.upgrade().is_some());
        follower.advance(&world.step().into());
        assert!(first.upgrade().is_none());
    }
}
