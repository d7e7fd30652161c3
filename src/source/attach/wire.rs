//! The connection to a target: tonic, on a Tokio runtime of its own.
//!
//! Only what is read is asked for. `Pause` is never sent: it stops the updates for every
//! client, and outlives the one that asked.

use std::{
    future::pending,
    sync::{Arc, Mutex, MutexGuard, OnceLock},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use console_api::{
    Id,
    instrument::{State, StateRequest, TaskDetailsRequest, Temporality},
    tasks::{TaskDetails, task_details::PollTimesHistogram},
};
use prost::Message;
use tokio::{sync::watch, time};
use tonic::{
    Code, Status, Streaming,
    client::Grpc,
    codegen::http::uri::PathAndQuery,
    transport::{Channel, Endpoint},
};

use super::{codec::Raw, histogram, limits, link::Link, state::Program};
use crate::{lock::lock, snapshot::Distributions};

/// How long a target may take to accept a connection, and to answer a request.
const PATIENCE: Duration = Duration::from_secs(5);
/// A connection over which nothing comes is asked this often whether it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

const UPDATES: &str = "/rs.tokio.console.instrument.Instrument/WatchUpdates";
const DETAILS: &str = "/rs.tokio.console.instrument.Instrument/WatchTaskDetails";
const STATE: &str = "/rs.tokio.console.instrument.Instrument/WatchState";

/// What the connection tells and the source reads. Nobody holds the lock for longer than
/// it takes to apply one update.
pub(super) struct Shared {
    known: Mutex<Known>,
    /// The task whose details are wanted, by its id on the wire.
    pub wanted: watch::Sender<Option<u64>>,
    /// Whom to tell that something has changed.
    listener: OnceLock<Listener>,
    clock: Clock,
}

/// Called when a connection has changed.
type Listener = Box<dyn Fn() + Send + Sync>;

/// Everything about a target.
pub(super) struct Known {
    pub target: Program,
    pub link: Link,
    /// The details that came last, with the wire's id of their task.
    pub details: Option<(u64, Distributions)>,
}

/// Nanoseconds since 1970, by the clock of the machine when it began, and never back.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    began: Instant,
    at: i64,
}

impl Clock {
    pub(super) fn start() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock { began: Instant::now(), at: i64::try_from(since.as_nanos()).unwrap_or(0) }
    }

    pub(super) fn now(&self) -> i64 {
        let elapsed = i64::try_from(self.began.elapsed().as_nanos()).unwrap_or(i64::MAX);
        self.at.saturating_add(elapsed)
    }
}

impl Shared {
    pub(super) fn new(target: Program, clock: Clock) -> Self {
        let known = Known { target, link: Link::default(), details: None };
        let (wanted, _) = watch::channel(None);
        Shared { known: Mutex::new(known), wanted, listener: OnceLock::new(), clock }
    }

    /// Sets a function to call when the connection has changed. Only the first one is called.
    pub(super) fn set_listener(&self, listener: Listener) {
        let _ = self.listener.set(listener);
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Known> {
        lock(&self.known)
    }

    /// Changes what is known, and says so.
    fn change<T>(&self, change: impl FnOnce(&mut Known, i64) -> T) -> T {
        let now = self.clock.now();
        let result = change(&mut self.lock(), now);
        self.tell();
        result
    }

    /// Takes in an update. A busy target sends many a second: what is new in them shows at
    /// the next look, unless the connection itself is news.
    fn take(&self, update: &[u8]) {
        let now = self.clock.now();
        let news = {
            let known = &mut *self.lock();
            // Bytes that are no update are counted there.
            let _ = known.target.apply(update, now);
            known.link.heard(now)
        };
        if news {
            self.tell();
        }
    }

    fn tell(&self) {
        if let Some(listener) = self.listener.get() {
            listener();
        }
    }
}

/// Watches a target for ever: connects, reads, and connects again.
pub(super) async fn watch(shared: Arc<Shared>, endpoint: Endpoint) {
    let endpoint = endpoint
        .connect_timeout(PATIENCE)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(4 << 20)
        .initial_connection_window_size(8 << 20);
    loop {
        let reason = match time::timeout(PATIENCE, endpoint.connect()).await {
            Ok(Ok(channel)) => read(&shared, channel).await,
            Ok(Err(error)) => why(&error),
            Err(_) => "it does not accept the connection".to_owned(),
        };
        let pause = shared.change(|known, now| known.link.lost(now, &reason));
        time::sleep(pause).await;
    }
}

const OTHER_WIRE: &str = "the server does not use the tokio-console protocol";

/// The innermost cause, which says most.
fn why(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let text = match cause.to_string() {
        // What the parts of a connection say of bytes that are no answer.
        text if [
            "frame with",
            "invalid frame",
            "http2 error",
            "protocol error",
            "HTTP version",
        ]
        .iter()
        .any(|said| text.contains(said)) =>
        {
            OTHER_WIRE.to_owned()
        }
        text => text,
    };
    // "Connection refused (os error 111)"
    let text = text.split(" (os error").next().unwrap_or(&text);
    cut(text)
}

/// As much of a foreign sentence as a line can hold.
fn cut(text: &str) -> String {
    super::text::cut(text, 120).into_owned()
}

/// Reads a connection to its end, and says why it ended.
async fn read(shared: &Shared, channel: Channel) -> String {
    let request = Raw::request(&());
    let updates = ask(&channel, UPDATES, request, limits::UPDATE_BYTES).await;
    let mut updates = match updates {
        Ok(updates) => updates,
        Err(status) if status.code() == Code::Unimplemented => {
            return OTHER_WIRE.to_owned();
        }
        Err(status) => return say(&status),
    };
    shared.change(|known, now| {
        known.target.connected();
        known.link.connected(now);
    });
    let state = Raw::request(&StateRequest {});
    // New in console-subscriber 0.5: a target may know nothing of it.
    let mut state = ask(&channel, STATE, state, limits::DETAILS_BYTES).await.ok();
    let mut wanted = shared.wanted.subscribe();
    wanted.mark_changed();
    let mut details = None;
    loop {
        tokio::select! {
            update = updates.message() => match update {
                Ok(Some(update)) => shared.take(&update),
                Ok(None) => return "it has closed the connection".to_owned(),
                Err(status) => {
                    if status.code() == Code::OutOfRange {
                        shared.change(|known, _| known.target.missed_update());
                    }
                    return say(&status);
                }
            },
            _ = wanted.changed() => {
                let id = *wanted.borrow_and_update();
                details = match id {
                    Some(id) => watch_details(&channel, id).await,
                    None => None,
                };
            }
            message = next(&mut details) => match message {
                Some(message) => shared.change(|known, _| take_details(known, &message)),
                None => details = None,
            },
            message = next(&mut state) => match message {
                Some(message) => {
                    let state = State::decode(&message[..]).unwrap_or_default();
                    let paused = state.temporality() == Temporality::Paused;
                    // It is said again and again.
                    if shared.lock().target.is_paused() != paused {
                        shared.change(|known, _| known.target.set_paused(paused));
                    }
                }
                None => state = None,
            },
        }
    }
}

/// The next message of a stream; `None` at its end. Without a stream, never.
async fn next(stream: &mut Option<Streaming<Vec<u8>>>) -> Option<Vec<u8>> {
    match stream {
        Some(stream) => stream.message().await.ok().flatten(),
        None => pending().await,
    }
}

async fn watch_details(channel: &Channel, id: u64) -> Option<Streaming<Vec<u8>>> {
    let request = Raw::request(&TaskDetailsRequest { id: Some(Id { id }) });
    ask(channel, DETAILS, request, limits::DETAILS_BYTES).await.ok()
}

/// Asks for a stream of messages, none of them of more than `most` bytes.
async fn ask(
    channel: &Channel,
    path: &'static str,
    request: Vec<u8>,
    most: usize,
) -> Result<Streaming<Vec<u8>>, Status> {
    let mut client = Grpc::new(channel.clone()).max_decoding_message_size(most);
    let answer = async {
        client.ready().await.map_err(|error| Status::unavailable(why(&error)))?;
        let path = PathAndQuery::from_static(path);
        let response = client.server_streaming(tonic::Request::new(request), path, Raw).await?;
        Ok(response.into_inner())
    };
    let late = |_| Status::deadline_exceeded("it accepts connections but does not respond");
    time::timeout(PATIENCE, answer).await.map_err(late)?
}

/// What a status says.
fn say(status: &Status) -> String {
    match status.code() {
        Code::OutOfRange => {
            format!("an update is larger than {}MiB", limits::UPDATE_BYTES >> 20)
        }
        Code::Unavailable | Code::DeadlineExceeded if !status.message().is_empty() => {
            cut(status.message())
        }
        _ => match std::error::Error::source(status) {
            Some(source) => why(source),
            None => cut(&format!("{}: {}", status.code(), status.message())),
        },
    }
}

fn take_details(known: &mut Known, message: &[u8]) {
    let Ok(details) = TaskDetails::decode(message) else { return };
    let Some(id) = details.task_id.map(|id| id.id) else { return };
    let poll_times = match &details.poll_times_histogram {
        Some(PollTimesHistogram::Histogram(wire)) => histogram::read(wire),
        Some(PollTimesHistogram::LegacyHistogram(raw)) => histogram::read_raw(raw),
        None => None,
    };
    let delays = details.scheduled_times_histogram.as_ref().and_then(histogram::read);
    let (poll_times, delays) = (poll_times.unwrap_or_default(), delays.unwrap_or_default());
    known.details = Some((id, Distributions { poll_times, delays }));
}
