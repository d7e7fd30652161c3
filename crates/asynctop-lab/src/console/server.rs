//! The subscriber of this process, and the server on its own thread.

use std::{
    net::{SocketAddr, TcpListener},
    sync::{Arc, OnceLock},
    thread,
    time::Duration,
};

use asynctop_snapshot::ConsoleStats;
use console_subscriber::{ConsoleLayer, ServerParts};
use tokio::{runtime::Builder, task::unconstrained};
use tonic::transport::{Server, server::TcpIncoming};
use tracing::{Dispatch, Metadata, subscriber::NoSubscriber};
use tracing_subscriber::{
    filter::filter_fn,
    layer::{Layer, SubscriberExt},
    registry,
};

use super::{ConsoleAddress, ConsoleError, cost::added_ns_per_poll};

/// How long ended tasks and resources are kept for later clients. With console-subscriber's default
/// of an hour, memory would grow without bounds: tasks of the lab sleep a thousand times per
/// second, and each sleep is a resource.
const RETENTION: Duration = Duration::from_secs(5);

/// A running server, which serves the tasks of this process.
#[derive(Clone, Debug)]
pub struct ConsoleServer {
    address: SocketAddr,
    added_ns_per_poll: u64,
    ended: Arc<OnceLock<Arc<str>>>,
}

impl ConsoleServer {
    /// The state of the server.
    pub fn stats(&self) -> ConsoleStats {
        ConsoleStats {
            address: self.address,
            added_ns_per_poll: self.added_ns_per_poll,
            ended: self.ended.get().cloned(),
        }
    }
}

/// Starts to serve the tasks of all runtimes that are started later, until the process ends.
///
/// # Errors
/// If the address cannot be bound, if it is reachable from other machines without
/// [`allow_remote`](ConsoleAddress::allow_remote), or if the program has another subscriber for
/// `tracing`.
pub fn serve(address: ConsoleAddress) -> Result<ConsoleServer, ConsoleError> {
    let socket = address.check()?;
    let bind = |error| ConsoleError::Bind { address: socket, error };
    // The port is bound first: a failure on the thread of the server could not be returned.
    let listener = TcpListener::bind(socket).map_err(bind)?;
    listener.set_nonblocking(true).map_err(bind)?;
    let address = listener.local_addr().map_err(bind)?;

    // A subscriber without a server, so that no client sees the tasks of the measurement.
    let (trial, _) = subscriber();
    let added_ns_per_poll = added_ns_per_poll(&trial).map_err(ConsoleError::Start)?;

    let (dispatch, parts) = subscriber();
    let ended = Arc::new(OnceLock::new());
    serve_on_thread(listener, parts, Arc::clone(&ended))?;
    tracing::dispatcher::set_global_default(dispatch)
        .map_err(|_| ConsoleError::SubscriberExists)?;
    Ok(ConsoleServer { address, added_ns_per_poll, ended })
}

fn subscriber() -> (Dispatch, ServerParts) {
    let (layer, server) = ConsoleLayer::builder().retention(RETENTION).build();
    let subscriber = registry().with(layer.with_filter(filter_fn(is_from_tokio)));
    (Dispatch::new(subscriber), server.into_parts())
}

/// Whether console-subscriber uses these events and spans. All others are disabled and cost nothing.
fn is_from_tokio(metadata: &Metadata<'_>) -> bool {
    let name = if metadata.is_event() { metadata.target() } else { metadata.name() };
    name.starts_with("runtime") || metadata.target().starts_with("tokio")
}

fn serve_on_thread(
    listener: TcpListener,
    parts: ServerParts,
    ended: Arc<OnceLock<Arc<str>>>,
) -> Result<(), ConsoleError> {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(ConsoleError::Start)?;
    let serve = async move {
        let ServerParts { instrument_server, aggregator, .. } = parts;
        let incoming = TcpIncoming::from(tokio::net::TcpListener::from_std(listener)?);
        // With Tokio's cooperative budget, the aggregator would process 127 events per poll, one poll
        // per second, and the rest would be dropped: new tasks would not appear.
        let aggregation = tokio::spawn(unconstrained(aggregator.run()));
        let served = Server::builder().add_service(instrument_server).serve_with_incoming(incoming);
        let result: Result<(), Box<dyn std::error::Error + Send + Sync>> = tokio::select! {
            result = served => result.map_err(Into::into),
            result = aggregation => result.map_err(Into::into),
        };
        result
    };
    let thread = thread::Builder::new().name("asynctop-console".into()).spawn(move || {
        // The tasks of the server itself are not shown.
        let result =
            tracing::subscriber::with_default(NoSubscriber::default(), || runtime.block_on(serve));
        let reason = result.err().map_or("it has stopped".to_owned(), |e| e.to_string());
        // Only this thread sets it, once.
        let _ = ended.set(reason.into());
    });
    thread.map(drop).map_err(ConsoleError::Start)
}
