//! Queries to the database: off the workers, as they should be, or on them.

use std::{
    io,
    num::NonZero,
    sync::{Arc, mpsc},
    thread,
};

use tokio::sync::{Semaphore, oneshot};

use super::super::db::{Database, User};
use crate::{failure::Failure, mode::Mode};

/// Each query runs on a thread of the blocking pool.
pub(super) const SPAWN_BLOCKING: &str = "spawn-blocking";
/// One thread owns the database; queries and results go through channels.
pub(super) const THREAD: &str = "thread";
/// The task runs the query itself, which blocks its worker.
pub(super) const ON_THE_WORKER: &str = "on-the-worker";

/// Maximum number of users in a result.
const MAX_USERS: usize = 20;

#[derive(Clone, Copy, Debug)]
pub(super) enum Query {
    /// The users with the highest scores.
    Best,
    /// The user with this ID.
    User(u64),
}

type QueryResult = io::Result<Vec<User>>;

/// Runs the queries of all connections.
#[derive(Clone)]
pub(super) struct DatabaseClient {
    database: ReportingDatabase,
    mode: Option<Mode>,
    thread: mpsc::Sender<(Query, oneshot::Sender<QueryResult>)>,
    /// Two per core, so that no core is idle between queries. More concurrent queries would only
    /// take CPU time from the worker.
    permits: Arc<Semaphore>,
}

impl DatabaseClient {
    /// Starts the thread of the mode [`THREAD`], as the mode can change at any time. The thread
    /// ends with the last client.
    pub(super) fn start(
        database: Arc<Database>,
        mode: Option<Mode>,
        failure: Failure,
    ) -> io::Result<Self> {
        let (thread, queries) = mpsc::channel::<(Query, oneshot::Sender<QueryResult>)>();
        let database = ReportingDatabase { database, failure };
        let thread_database = database.clone();
        thread::Builder::new().name("asynctop-database".into()).spawn(move || {
            for (query, sender) in queries {
                // The receiver is gone if the connection was closed.
                let _ = sender.send(thread_database.run(query));
            }
        })?;
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let permits = Arc::new(Semaphore::new(2 * cores));
        Ok(DatabaseClient { database, mode, thread, permits })
    }

    pub(super) async fn query(&self, query: Query) -> QueryResult {
        match self.mode.as_ref().map_or(SPAWN_BLOCKING, Mode::name) {
            ON_THE_WORKER => self.database.run(query),
            THREAD => {
                let (sender, result) = oneshot::channel();
                // If the thread has ended, the sender is dropped with the error.
                let _ = self.thread.send((query, sender));
                result.await.unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))
            }
            _ => {
                let permit = self.permits.acquire().await;
                let database = self.database.clone();
                let result = tokio::task::spawn_blocking(move || database.run(query)).await;
                drop(permit);
                result.unwrap_or_else(|error| Err(io::Error::other(error)))
            }
        }
    }
}

/// A database whose errors are reported as failures of the workload.
#[derive(Clone)]
struct ReportingDatabase {
    database: Arc<Database>,
    failure: Failure,
}

impl ReportingDatabase {
    fn run(&self, query: Query) -> QueryResult {
        let result = match query {
            Query::Best => self.database.best(MAX_USERS),
            Query::User(id) => self.database.user(id).map(|user| user.into_iter().collect()),
        };
        result.inspect_err(|error| self.failure.report(|| error.to_string()))
    }
}
