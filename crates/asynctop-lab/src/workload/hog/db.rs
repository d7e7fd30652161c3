//! The database that a hog queries.

use std::{io, sync::Arc};

use asynctop_probe::stage;

use super::{query_database, repeat};
use crate::{hog::HogControl, workload::db::Database};

/// Users that each query reads.
const USERS: u64 = 5_000;

/// The database of all hogs of one start, which is dropped with the last of them.
#[derive(Clone)]
pub(super) struct SharedDatabase(Arc<Database>);

impl SharedDatabase {
    pub(super) fn open() -> io::Result<SharedDatabase> {
        Database::open(USERS).map(Arc::new).map(SharedDatabase)
    }

    /// Queries the database until the hold time is over.
    pub(super) fn burst(&self, control: &HogControl) -> Result<(), String> {
        stage("queries the database");
        repeat(control, || query_database(&self.0).map_err(|error| error.to_string()))
    }
}
