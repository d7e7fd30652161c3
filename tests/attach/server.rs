//! A server of the tokio-console wire that says what a test tells it to.

use std::{
    path::PathBuf,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use console_api::{
    instrument::{
        InstrumentRequest, PauseRequest, PauseResponse, ResumeRequest, ResumeResponse, State,
        StateRequest, TaskDetailsRequest, Temporality, Update,
        instrument_server::{Instrument, InstrumentServer},
    },
    tasks::TaskDetails,
};
use futures_util::{Stream, StreamExt, stream};
use tokio::{
    net::UnixListener,
    runtime::{Builder, Runtime},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};
use tonic::{Request, Response, Status, transport::Server};

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;
type Sent<T> = UnboundedSender<Result<T, Status>>;

/// What a target may do wrong, or lacks.
#[derive(Clone, Default)]
pub struct Manners {
    /// Knows nothing of `WatchState`, as before console-subscriber 0.5.
    pub no_state: bool,
    /// Another client has stopped the updates.
    pub paused: bool,
    /// The details of every task.
    pub details: Option<TaskDetails>,
}

/// A running server. It ends, with all its connections, when it is dropped.
pub struct ConsoleServer {
    pub path: PathBuf,
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

#[derive(Default)]
struct Shared {
    manners: Manners,
    /// What a new client gets first.
    first: Mutex<Vec<Update>>,
    clients: Mutex<Vec<Sent<Update>>>,
    pauses: AtomicU32,
    details_of: Mutex<Vec<u64>>,
}

/// A place for a socket that nobody else has.
pub fn place() -> PathBuf {
    static NTH: AtomicU32 = AtomicU32::new(0);
    let nth = NTH.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("asynctop-{}-{nth}.sock", std::process::id()))
}

impl ConsoleServer {
    pub fn start(first: Update) -> ConsoleServer {
        ConsoleServer::at(place(), first, Manners::default())
    }

    pub fn at(path: PathBuf, first: Update, manners: Manners) -> ConsoleServer {
        let _ = std::fs::remove_file(&path);
        let first = Mutex::new(vec![first]);
        let shared = Arc::new(Shared { manners, first, ..Shared::default() });
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = {
            let _inside = runtime.enter();
            UnixListener::bind(&path).unwrap()
        };
        let connections = stream::unfold(listener, |listener| async {
            let connection = listener.accept().await.map(|(connection, _)| connection);
            Some((connection, listener))
        });
        let service = InstrumentServer::new(Service(Arc::clone(&shared)))
            .max_encoding_message_size(usize::MAX);
        let server = Server::builder().add_service(service);
        runtime.spawn(server.serve_with_incoming(connections));
        ConsoleServer { path, shared, runtime: Some(runtime) }
    }

    /// As it stands on a command line.
    pub fn address(&self) -> String {
        format!("unix:{}", self.path.display())
    }

    /// Sends an update to every client.
    pub fn send(&self, update: &Update) {
        self.shared
            .clients
            .lock()
            .unwrap()
            .retain(|client| client.send(Ok(update.clone())).is_ok());
    }

    /// Waits until somebody watches.
    pub fn wait_for_a_client(&self) {
        super::support::wait_until("a client", || !self.shared.clients.lock().unwrap().is_empty());
    }

    /// How often somebody asked to stop the updates for everybody.
    pub fn pauses(&self) -> u32 {
        self.shared.pauses.load(Ordering::Relaxed)
    }

    /// The tasks whose details were asked for.
    pub fn details_of(&self) -> Vec<u64> {
        self.shared.details_of.lock().unwrap().clone()
    }
}

impl Drop for ConsoleServer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        let _ = std::fs::remove_file(&self.path);
    }
}

struct Service(Arc<Shared>);

fn answers<T: Send + 'static>(receiver: UnboundedReceiver<Result<T, Status>>) -> Answers<T> {
    stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|message| (message, receiver))
    })
    .boxed()
}

/// An answer, and then nothing for ever.
fn once<T: Send + 'static>(answer: T) -> Answers<T> {
    stream::once(async { Ok(answer) }).chain(stream::pending()).boxed()
}

#[tonic::async_trait]
impl Instrument for Service {
    type WatchUpdatesStream = Answers<Update>;
    type WatchTaskDetailsStream = Answers<TaskDetails>;
    type WatchStateStream = Answers<State>;

    async fn watch_updates(
        &self,
        _: Request<InstrumentRequest>,
    ) -> Result<Response<Answers<Update>>, Status> {
        let (sender, receiver) = unbounded_channel();
        for update in self.0.first.lock().unwrap().iter() {
            let _ = sender.send(Ok(update.clone()));
        }
        self.0.clients.lock().unwrap().push(sender);
        Ok(Response::new(answers(receiver)))
    }

    async fn watch_task_details(
        &self,
        request: Request<TaskDetailsRequest>,
    ) -> Result<Response<Answers<TaskDetails>>, Status> {
        let id = request.into_inner().id.unwrap();
        self.0.details_of.lock().unwrap().push(id.id);
        let details = self.0.manners.details.clone().ok_or(Status::not_found("no such task"))?;
        Ok(Response::new(once(TaskDetails { task_id: Some(id), ..details })))
    }

    async fn watch_state(
        &self,
        _: Request<StateRequest>,
    ) -> Result<Response<Answers<State>>, Status> {
        if self.0.manners.no_state {
            return Err(Status::unimplemented("there is no such thing"));
        }
        let temporality = match self.0.manners.paused {
            true => Temporality::Paused,
            false => Temporality::Live,
        };
        Ok(Response::new(once(State { temporality: temporality.into() })))
    }

    async fn pause(&self, _: Request<PauseRequest>) -> Result<Response<PauseResponse>, Status> {
        self.0.pauses.fetch_add(1, Ordering::Relaxed);
        Ok(Response::new(PauseResponse {}))
    }

    async fn resume(&self, _: Request<ResumeRequest>) -> Result<Response<ResumeResponse>, Status> {
        Ok(Response::new(ResumeResponse {}))
    }
}
