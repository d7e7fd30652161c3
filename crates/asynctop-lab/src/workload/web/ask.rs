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

/// Each question goes to a thread of the blocking pool.
pub(super) const SPAWN_BLOCKING: &str = "spawn-blocking";
/// One thread owns the database; questions and answers go through channels.
pub(super) const THREAD: &str = "thread";
/// The task asks by itself, and holds its worker until the answer is there.
pub(super) const ON_THE_WORKER: &str = "on-the-worker";

/// How many users an answer has at the most.
const MOST: usize = 20;

/// What a client wants to know.
#[derive(Clone, Copy, Debug)]
pub(super) enum Question {
    Best,
    User(u64),
}

type Answer = io::Result<Vec<User>>;

/// Asks for all connections.
#[derive(Clone)]
pub(super) struct Asker {
    database: Reporting,
    mode: Option<Mode>,
    thread: mpsc::Sender<(Question, oneshot::Sender<Answer>)>,
    /// Two for each core, so that no core waits for the next query; more queries at a time
    /// would only take CPU from the worker.
    permits: Arc<Semaphore>,
}

impl Asker {
    /// Starts the thread that owns the database in one of the modes: which of them is
    /// used may change at any time. The thread ends with the last asker.
    pub(super) fn start(
        database: Arc<Database>,
        mode: Option<Mode>,
        failure: Failure,
    ) -> io::Result<Self> {
        let (thread, questions) = mpsc::channel::<(Question, oneshot::Sender<Answer>)>();
        let database = Reporting { database, failure };
        let own = database.clone();
        thread::Builder::new().name("asynctop-database".into()).spawn(move || {
            for (question, answer) in questions {
                // The connection may have been closed.
                let _ = answer.send(own.look_up(question));
            }
        })?;
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let permits = Arc::new(Semaphore::new(2 * cores));
        Ok(Asker { database, mode, thread, permits })
    }

    pub(super) async fn ask(&self, question: Question) -> Answer {
        match self.mode.as_ref().map_or(SPAWN_BLOCKING, Mode::word) {
            ON_THE_WORKER => self.database.look_up(question),
            THREAD => {
                let (answer, answered) = oneshot::channel();
                // If the thread is gone, so is the other end of `answer`.
                let _ = self.thread.send((question, answer));
                answered.await.unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))
            }
            _ => {
                let permit = self.permits.acquire().await;
                let database = self.database.clone();
                let asked = tokio::task::spawn_blocking(move || database.look_up(question)).await;
                drop(permit);
                asked.unwrap_or_else(|error| Err(io::Error::other(error)))
            }
        }
    }
}

/// A database whose errors are reported as failures of the workload.
#[derive(Clone)]
struct Reporting {
    database: Arc<Database>,
    failure: Failure,
}

impl Reporting {
    fn look_up(&self, question: Question) -> Answer {
        let answer = look_up(&self.database, question);
        answer.inspect_err(|error| self.failure.report(|| error.to_string()))
    }
}

fn look_up(database: &Database, question: Question) -> Answer {
    match question {
        Question::Best => database.best(MOST),
        Question::User(id) => Ok(database.user(id)?.into_iter().collect()),
    }
}
