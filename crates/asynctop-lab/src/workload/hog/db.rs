//! The database that a hog queries.

use std::{io, sync::Arc};

use asynctop_probe::stage;

use super::{again_and_again, ask_database};
use crate::{hog::Orders, workload::db::Database};

/// Users that each question looks at.
const USERS: u64 = 5_000;

/// The hogs' way to their database, which is gone with the last of them.
#[derive(Clone)]
pub(super) struct Questions(Arc<Database>);

impl Questions {
    pub(super) fn open() -> io::Result<Questions> {
        Database::open(USERS).map(Arc::new).map(Questions)
    }

    pub(super) fn round(&self, orders: &Orders) -> Result<(), String> {
        stage("queries the database");
        again_and_again(orders, || ask_database(&self.0).map_err(|error| error.to_string()))
    }
}
