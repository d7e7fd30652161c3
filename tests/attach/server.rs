//! A server of the tokio-console protocol that sends the updates of a test.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    path::{Path, PathBuf},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll},
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
    net::{UnixListener, UnixStream},
    runtime::{Builder, Runtime},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};
use tonic::{
    Request, Response, Status, body::Body, codegen::http, server::NamedService, transport::Server,
};

type ResponseStream<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;
type ResponseSender<T> = UnboundedSender<Result<T, Status>>;

/// How the server deviates from a normal one.
#[derive(Clone, Default)]
pub struct Behavior {
    /// Does not implement `WatchState`, as before console-subscriber 0.5.
    pub no_state: bool,
    /// Another client has paused the updates.
    pub paused: bool,
    /// The details of every task.
    pub details: Option<TaskDetails>,
}

/// A running server. Dropping it closes all connections.
pub struct ConsoleServer {
    pub path: PathBuf,
    state: Arc<ServerState>,
    runtime: Option<Runtime>,
}

#[derive(Default)]
struct ServerState {
    behavior: Behavior,
    /// Sent to each new client.
    first: Mutex<Vec<Update>>,
    clients: Mutex<Vec<ResponseSender<Update>>>,
    pauses: AtomicU32,
    requested_details: Mutex<Vec<u64>>,
}

/// A unique path for a socket.
pub fn socket_path() -> PathBuf {
    static NTH: AtomicU32 = AtomicU32::new(0);
    let nth = NTH.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("asynctop-{}-{nth}.sock", std::process::id()))
}

impl ConsoleServer {
    pub fn start(first: Update) -> ConsoleServer {
        ConsoleServer::start_at(socket_path(), first, Behavior::default())
    }

    pub fn start_at(path: PathBuf, first: Update, behavior: Behavior) -> ConsoleServer {
        let _ = std::fs::remove_file(&path);
        let first = Mutex::new(vec![first]);
        let state = Arc::new(ServerState { behavior, first, ..ServerState::default() });
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let connections = listen(&runtime, &path);
        let service = InstrumentServer::new(Service(Arc::clone(&state)))
            .max_encoding_message_size(usize::MAX);
        let server = Server::builder().add_service(service);
        runtime.spawn(server.serve_with_incoming(connections));
        ConsoleServer { path, state, runtime: Some(runtime) }
    }

    /// The address as a command-line argument.
    pub fn address(&self) -> String {
        format!("unix:{}", self.path.display())
    }

    /// Sends an update to every client.
    pub fn send(&self, update: &Update) {
        self.state.clients.lock().unwrap().retain(|client| client.send(Ok(update.clone())).is_ok());
    }

    /// Waits until a client is connected.
    pub fn wait_for_a_client(&self) {
        super::support::wait_until("a client", || !self.state.clients.lock().unwrap().is_empty());
    }

    /// The number of requests to pause the updates.
    pub fn pauses(&self) -> u32 {
        self.state.pauses.load(Ordering::Relaxed)
    }

    /// The IDs of the tasks whose details were requested.
    pub fn requested_details(&self) -> Vec<u64> {
        self.state.requested_details.lock().unwrap().clone()
    }
}

/// The connections to a socket.
fn listen(
    runtime: &Runtime,
    path: &Path,
) -> impl Stream<Item = std::io::Result<UnixStream>> + Send + use<> {
    let _context = runtime.enter();
    stream::unfold(UnixListener::bind(path).unwrap(), |listener| async {
        let connection = listener.accept().await.map(|(connection, _)| connection);
        Some((connection, listener))
    })
}

/// A server that answers every request with HTTP status 502, as a proxy without its upstream.
pub struct ProxyServer {
    path: PathBuf,
    runtime: Option<Runtime>,
}

#[derive(Clone)]
struct BadGateway;

impl NamedService for BadGateway {
    const NAME: &'static str = "rs.tokio.console.instrument.Instrument";
}

impl tonic::codegen::Service<http::Request<Body>> for BadGateway {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<Body>) -> Self::Future {
        ready(Ok(http::Response::builder().status(502).body(Body::empty()).unwrap()))
    }
}

impl ProxyServer {
    pub fn start() -> ProxyServer {
        let path = socket_path();
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let connections = listen(&runtime, &path);
        let server = Server::builder().add_service(BadGateway);
        runtime.spawn(server.serve_with_incoming(connections));
        ProxyServer { path, runtime: Some(runtime) }
    }

    /// The address as a command-line argument.
    pub fn address(&self) -> String {
        format!("unix:{}", self.path.display())
    }
}

impl Drop for ProxyServer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        let _ = std::fs::remove_file(&self.path);
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

struct Service(Arc<ServerState>);

fn stream_of<T: Send + 'static>(
    receiver: UnboundedReceiver<Result<T, Status>>,
) -> ResponseStream<T> {
    stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|message| (message, receiver))
    })
    .boxed()
}

/// A stream of one response that does not end.
fn once<T: Send + 'static>(response: T) -> ResponseStream<T> {
    stream::once(async { Ok(response) }).chain(stream::pending()).boxed()
}

#[tonic::async_trait]
impl Instrument for Service {
    type WatchUpdatesStream = ResponseStream<Update>;
    type WatchTaskDetailsStream = ResponseStream<TaskDetails>;
    type WatchStateStream = ResponseStream<State>;

    async fn watch_updates(
        &self,
        _: Request<InstrumentRequest>,
    ) -> Result<Response<ResponseStream<Update>>, Status> {
        let (sender, receiver) = unbounded_channel();
        for update in self.0.first.lock().unwrap().iter() {
            let _ = sender.send(Ok(update.clone()));
        }
        self.0.clients.lock().unwrap().push(sender);
        Ok(Response::new(stream_of(receiver)))
    }

    async fn watch_task_details(
        &self,
        request: Request<TaskDetailsRequest>,
    ) -> Result<Response<ResponseStream<TaskDetails>>, Status> {
        let id = request.into_inner().id.unwrap();
        self.0.requested_details.lock().unwrap().push(id.id);
        let details = self.0.behavior.details.clone().ok_or(Status::not_found("no such task"))?;
        Ok(Response::new(once(TaskDetails { task_id: Some(id), ..details })))
    }

    async fn watch_state(
        &self,
        _: Request<StateRequest>,
    ) -> Result<Response<ResponseStream<State>>, Status> {
        if self.0.behavior.no_state {
            return Err(Status::unimplemented("WatchState is not implemented"));
        }
        let temporality = match self.0.behavior.paused {
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
