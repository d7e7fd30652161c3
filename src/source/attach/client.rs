//! The client of a program with console-subscriber, on its own Tokio runtime.
//!
//! It never sends `Pause`, which stops the updates for all clients, even after it disconnects.

use std::{
    collections::HashMap,
    future::pending,
    sync::{Arc, Mutex, MutexGuard, OnceLock},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use console_api::instrument::{State, StateRequest, Temporality};
use prost::Message;
use tokio::{sync::watch, time};
use tonic::{
    Code, Status, Streaming,
    client::Grpc,
    codegen::http::uri::PathAndQuery,
    transport::{Channel, Endpoint},
};

use super::{
    codec::RawCodec, connection::ConnectionState, details::DetailStreams, limits, state::Program,
};
use crate::{lock::lock, snapshot::Distributions};

/// Timeout for a connection, and for the response to a request.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Interval of HTTP/2 pings.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

const UPDATES: &str = "/rs.tokio.console.instrument.Instrument/WatchUpdates";
const STATE: &str = "/rs.tokio.console.instrument.Instrument/WatchState";

/// The state that the client writes and the source reads. The lock is held no longer than it takes
/// to apply one update.
pub(super) struct Client {
    state: Mutex<ClientState>,
    /// The task whose details are requested, by its id in the protocol.
    pub requested_details: watch::Sender<Option<u64>>,
    listener: OnceLock<Listener>,
    clock: Clock,
}

/// Called when the state of the connection has changed.
type Listener = Box<dyn Fn() + Send + Sync>;

pub(super) struct ClientState {
    pub program: Program,
    pub connection: ConnectionState,
    /// The latest details of the tasks for which they are received, by id in the protocol.
    pub details: HashMap<u64, Distributions>,
}

/// Nanoseconds since 1970 by the system clock at the start, then monotonic.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    started: Instant,
    started_ns: i64,
}

impl Clock {
    pub(super) fn start() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let started_ns = i64::try_from(since.as_nanos()).unwrap_or(0);
        Clock { started: Instant::now(), started_ns }
    }

    pub(super) fn now(&self) -> i64 {
        let elapsed = i64::try_from(self.started.elapsed().as_nanos()).unwrap_or(i64::MAX);
        self.started_ns.saturating_add(elapsed)
    }
}

impl Client {
    pub(super) fn new(program: Program, clock: Clock) -> Self {
        let (connection, details) = (ConnectionState::new(clock.now()), HashMap::new());
        let state = ClientState { program, connection, details };
        let (requested_details, _) = watch::channel(None);
        Client { state: Mutex::new(state), requested_details, listener: OnceLock::new(), clock }
    }

    /// Sets the function to call when the connection has changed. Later calls have no effect.
    pub(super) fn set_listener(&self, listener: Listener) {
        let _ = self.listener.set(listener);
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, ClientState> {
        lock(&self.state)
    }

    /// Changes the state and calls the listener.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut ClientState, i64) -> T) -> T {
        let now = self.clock.now();
        let result = change(&mut self.lock(), now);
        self.notify();
        result
    }

    /// Applies an update. Calls the listener only if the connection status changes: a busy program
    /// sends many updates per second, which the next regular sample contains.
    fn apply(&self, update: &[u8]) {
        let now = self.clock.now();
        let is_change = {
            let state = &mut *self.lock();
            // The program counts updates that are malformed.
            let _ = state.program.apply(update, now);
            state.connection.update_received(now)
        };
        if is_change {
            self.notify();
        }
    }

    fn notify(&self) {
        if let Some(listener) = self.listener.get() {
            listener();
        }
    }
}

/// Connects to a program, receives its updates and reconnects, forever.
pub(super) async fn run(client: Arc<Client>, endpoint: Endpoint) {
    let endpoint = endpoint
        .connect_timeout(TIMEOUT)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(4 << 20)
        .initial_connection_window_size(8 << 20);
    loop {
        client.change(|state, now| state.connection.attempt(now));
        let reason = match time::timeout(TIMEOUT, endpoint.connect()).await {
            Ok(Ok(channel)) => receive(&client, channel).await,
            Ok(Err(error)) => root_cause(&error),
            Err(_) => "it does not accept the connection".to_owned(),
        };
        let pause = client.change(|state, now| state.connection.failed(now, &reason));
        time::sleep(pause).await;
    }
}

const WRONG_PROTOCOL: &str = "the server does not use the tokio-console protocol";

/// Part of tonic's message for a response that is not one of gRPC.
const HTTP_STATUS: &str = "mapped from HTTP status code";

/// Parts of the messages that hyper and h2 report for bytes that are not an HTTP/2 response.
const NOT_HTTP2: [&str; 5] =
    ["frame with", "invalid frame", "http2 error", "protocol error", "HTTP version"];

/// Describes an error by its innermost cause, which is the most specific one.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let text = cause.to_string();
    if NOT_HTTP2.iter().any(|part| text.contains(part)) {
        return WRONG_PROTOCOL.to_owned();
    }
    // "Connection refused (os error 111)"
    truncate(text.split(" (os error").next().unwrap_or(&text))
}

/// Truncates a message of the program or the system to one line of the screen.
fn truncate(text: &str) -> String {
    super::text::truncate(text, 120).into_owned()
}

/// Receives updates until the connection ends. Returns the reason.
async fn receive(client: &Arc<Client>, channel: Channel) -> String {
    let request = RawCodec::request(&());
    let updates = open_stream(&channel, UPDATES, request, limits::UPDATE_BYTES).await;
    let mut updates = match updates {
        Ok(updates) => updates,
        Err(status) if status.code() == Code::Unimplemented => {
            return WRONG_PROTOCOL.to_owned();
        }
        Err(status) => return describe(&status),
    };
    client.lock().program.connected();
    let state = RawCodec::request(&StateRequest {});
    // console-subscriber before 0.5 does not implement it.
    let mut states = open_stream(&channel, STATE, state, limits::DETAILS_BYTES).await.ok();
    let mut requested = client.requested_details.subscribe();
    requested.mark_changed();
    let mut details = DetailStreams::new(client, &channel);
    loop {
        tokio::select! {
            update = updates.message() => match update {
                Ok(Some(update)) => {
                    client.apply(&update);
                    details.request_needed();
                }
                Ok(None) => return "it has closed the connection".to_owned(),
                Err(status) => {
                    if status.code() == Code::OutOfRange {
                        client.change(|state, _| state.program.missed_update());
                    }
                    return describe(&status);
                }
            },
            _ = requested.changed() => details.request_needed(),
            message = next(&mut states) => match message {
                Some(message) => {
                    let state = State::decode(&message[..]).unwrap_or_default();
                    let paused = state.temporality() == Temporality::Paused;
                    // The same state is sent repeatedly.
                    if client.lock().program.is_paused() != paused {
                        client.change(|state, _| state.program.set_paused(paused));
                    }
                }
                None => states = None,
            },
        }
    }
}

/// The next message of a stream; `None` at its end. Pending forever without a stream.
async fn next(stream: &mut Option<Streaming<Vec<u8>>>) -> Option<Vec<u8>> {
    match stream {
        Some(stream) => stream.message().await.ok().flatten(),
        None => pending().await,
    }
}

/// Requests a stream of messages of at most `max_bytes` each.
pub(super) async fn open_stream(
    channel: &Channel,
    path: &'static str,
    request: Vec<u8>,
    max_bytes: usize,
) -> Result<Streaming<Vec<u8>>, Status> {
    let mut client = Grpc::new(channel.clone()).max_decoding_message_size(max_bytes);
    let response = async {
        client.ready().await.map_err(|error| Status::unavailable(root_cause(&error)))?;
        let path = PathAndQuery::from_static(path);
        let request = tonic::Request::new(request);
        Ok(client.server_streaming(request, path, RawCodec).await?.into_inner())
    };
    let late = |_| Status::deadline_exceeded("it accepts connections but does not respond");
    time::timeout(TIMEOUT, response).await.map_err(late)?
}

fn describe(status: &Status) -> String {
    match status.code() {
        Code::OutOfRange => {
            format!("an update is larger than {}MiB", limits::UPDATE_BYTES >> 20)
        }
        // A proxy, or another server. Its status is the only part that tonic keeps.
        _ if status.message().contains(HTTP_STATUS) => {
            let code = status.message().rsplit(' ').next().unwrap_or_default();
            format!("{WRONG_PROTOCOL}: it answers with HTTP status {}", truncate(code))
        }
        Code::Unavailable | Code::DeadlineExceeded if !status.message().is_empty() => {
            truncate(status.message())
        }
        _ => match std::error::Error::source(status) {
            Some(source) => root_cause(source),
            None => truncate(&format!("{}: {}", status.code(), status.message())),
        },
    }
}
