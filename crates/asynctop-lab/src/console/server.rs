//! The subscriber of this process, and the server on a thread of its own.

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

use super::{Address, ConsoleError, cost::added_ns_per_poll};

/// How long ended tasks are kept for clients yet to come. console-subscriber's own hour
/// is memory without end for a lab whose tasks sleep a thousand times a second, and each
/// sleep is a resource.
const RETENTION: Duration = Duration::from_secs(5);

/// The tasks of this process are being served.
#[derive(Clone, Debug)]
pub struct Served {
    address: SocketAddr,
    added_ns_per_poll: u64,
    ended: Arc<OnceLock<Arc<str>>>,
}

impl Served {
    /// What there is to show of it.
    pub fn figures(&self) -> ConsoleStats {
        ConsoleStats {
            address: self.address,
            added_ns_per_poll: self.added_ns_per_poll,
            ended: self.ended.get().cloned(),
        }
    }
}

/// Begins to serve the tasks of this process, those of runtimes that start from now on. It
/// goes on until the process ends.
///
/// # Errors
/// If nothing can listen at the address, if others could reach it and nobody said that they
/// may, or if the program has another subscriber for `tracing`.
pub fn serve(address: Address) -> Result<Served, ConsoleError> {
    let socket = address.check()?;
    let bind = |error| ConsoleError::Bind { address: socket, error };
    // Before all else: a server that found its port taken later could tell nobody.
    let listener = TcpListener::bind(socket).map_err(bind)?;
    listener.set_nonblocking(true).map_err(bind)?;
    let address = listener.local_addr().map_err(bind)?;

    // Of a subscriber that nobody hears of, so that no client sees the tasks that measure.
    let (trial, _) = subscriber();
    let added_ns_per_poll = added_ns_per_poll(&trial).map_err(ConsoleError::Start)?;

    let (dispatch, parts) = subscriber();
    let ended = Arc::new(OnceLock::new());
    serve_on_a_thread(listener, parts, Arc::clone(&ended))?;
    tracing::dispatcher::set_global_default(dispatch).map_err(|_| ConsoleError::Subscribed)?;
    Ok(Served { address, added_ns_per_poll, ended })
}

fn subscriber() -> (Dispatch, ServerParts) {
    let (layer, server) = ConsoleLayer::builder().retention(RETENTION).build();
    let subscriber = registry().with(layer.with_filter(filter_fn(is_of_tokio)));
    (Dispatch::new(subscriber), server.into_parts())
}

/// What console-subscriber wants to hear; for all the rest nothing is to be paid.
fn is_of_tokio(of: &Metadata<'_>) -> bool {
    let by_name = if of.is_event() { of.target() } else { of.name() };
    by_name.starts_with("runtime") || of.target().starts_with("tokio")
}

fn serve_on_a_thread(
    listener: TcpListener,
    parts: ServerParts,
    ended: Arc<OnceLock<Arc<str>>>,
) -> Result<(), ConsoleError> {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(ConsoleError::Start)?;
    let serve = async move {
        let ServerParts { instrument_server, aggregator, .. } = parts;
        let incoming = TcpIncoming::from(tokio::net::TcpListener::from_std(listener)?);
        // Under Tokio's budget it takes in 127 events at each turn, once a second, and the
        // rest is lost: tasks that began would never show.
        let aggregation = tokio::spawn(unconstrained(aggregator.run()));
        let served = Server::builder().add_service(instrument_server).serve_with_incoming(incoming);
        let result: Result<(), Box<dyn std::error::Error + Send + Sync>> = tokio::select! {
            result = served => result.map_err(Into::into),
            result = aggregation => result.map_err(Into::into),
        };
        result
    };
    let thread = thread::Builder::new().name("asynctop-console".into()).spawn(move || {
        // The server's own tasks are not what anybody wants to see.
        let result =
            tracing::subscriber::with_default(NoSubscriber::default(), || runtime.block_on(serve));
        let why = result.err().map_or("it has stopped".to_owned(), |e| e.to_string());
        // Nobody else sets it.
        let _ = ended.set(why.into());
    });
    thread.map(drop).map_err(ConsoleError::Start)
}
