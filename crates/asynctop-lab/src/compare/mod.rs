//! A benchmark of thread-per-connection against async on one thread: the same service, client and
//! machine, measured one after the other.
//!
//! The service has its own process, so that its threads, memory and context switches are measured
//! separately from those of the client, which is this process. Depends on sockets, `/proc` and
//! `limits`; not on the probe or the rest of the lab.

mod client;
mod limits;
mod machine;
mod process;
mod server;
mod table;

use std::{io, time::Duration};

pub use limits::MeasureError;
pub use server::serve;

use process::{Server, Usage};

/// How the service handles its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceStyle {
    /// One thread per connection, and one that accepts.
    Threads,
    /// One thread, and a Tokio task per connection.
    Async,
}

impl ServiceStyle {
    /// All styles, in the order of the table.
    pub const ALL: [ServiceStyle; 2] = [ServiceStyle::Threads, ServiceStyle::Async];

    /// The name on the command line and in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            ServiceStyle::Threads => "threads",
            ServiceStyle::Async => "async",
        }
    }
}

/// The configuration of the benchmark.
#[derive(Clone, Debug)]
pub struct Options {
    /// Numbers of connections, each of which is measured in both styles.
    pub connections: Vec<usize>,
    /// Duration of each measurement, which begins after a warm-up.
    pub duration: Duration,
}

/// The result for one number of connections in one style.
#[derive(Clone, Debug)]
pub struct Row {
    /// The number of connections that send requests.
    pub connections: usize,
    /// The style of the service.
    pub style: ServiceStyle,
    /// The measurement, or the reason why there is none.
    pub outcome: Result<Measurement, MeasureError>,
}

/// The statistics of one row. A field that is unavailable on this system is `None`.
#[derive(Clone, Debug)]
pub struct Measurement {
    /// Completed requests per second.
    pub requests_per_second: f64,
    /// Median latency of a request in ns.
    pub p50_ns: u64,
    /// 99th percentile of the latency in ns.
    pub p99_ns: u64,
    /// Threads of the service.
    pub threads: Option<u64>,
    /// Resident memory of the service in bytes.
    pub memory_bytes: Option<u64>,
    /// Context switches of the service per request.
    pub switches_per_request: Option<f64>,
    /// CPU time of the service per request in ns.
    pub cpu_ns_per_request: Option<f64>,
}

/// The reason why the benchmark has no result.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// The process of the service could not be started.
    #[error("cannot start the service in a process of its own: {0}")]
    Start(#[source] io::Error),
    /// The service ended, or printed something other than its port.
    #[error(
        "the service did not start: {0}; run `asynctop compare` again, and report a bug if it persists"
    )]
    Service(String),
    /// None of the rows could be measured.
    #[error("nothing could be measured: {connections} connections: {error}")]
    NothingMeasured {
        /// The connections of the first row.
        connections: usize,
        /// The reason why the first row was not measured.
        error: MeasureError,
    },
    /// The system refused a runtime for the client.
    #[error("cannot start the client's runtime: {0}")]
    Runtime(#[source] io::Error),
}

/// A step of the benchmark.
#[derive(Clone, Debug)]
pub enum Progress {
    /// The measurement of the next row has started.
    Started,
    /// The measurement of a row is complete.
    Row(Row),
}

impl Options {
    /// The rows, in the order in which they are measured.
    pub fn plan(&self) -> impl Iterator<Item = (usize, ServiceStyle)> {
        self.connections.iter().flat_map(|n| ServiceStyle::ALL.map(|style| (*n, style)))
    }

    /// How long a row sends requests, including the warm-up.
    pub fn row_duration(&self) -> Duration {
        self.duration + self.duration / client::WARM_UP_DIVISOR
    }
}

/// Measures each number of connections in both styles, and passes each step to `progress`.
///
/// # Errors
/// If the service cannot be started. A number of connections that exceeds a limit of the system is
/// not an error: its row names the limit.
pub fn run(options: &Options, mut progress: impl FnMut(Progress)) -> Result<(), CompareError> {
    for (connections, style) in options.plan() {
        progress(Progress::Started);
        let outcome = match limits::raise(connections, style) {
            Ok(()) => measure(connections, style, options.duration)?,
            Err(error) => Err(error),
        };
        progress(Progress::Row(Row { connections, style, outcome }));
    }
    Ok(())
}

/// Checks that at least one of the rows was measured.
///
/// # Errors
/// [`CompareError::NothingMeasured`] with the reason of the first row, if there are rows and none
/// was measured.
pub fn require_measured(rows: &[Row]) -> Result<(), CompareError> {
    let first = match rows {
        [first, ..] if rows.iter().all(|row| row.outcome.is_err()) => first,
        _ => return Ok(()),
    };
    let Err(error) = first.outcome.clone() else { return Ok(()) };
    Err(CompareError::NothingMeasured { connections: first.connections, error })
}

fn measure(
    connections: usize,
    style: ServiceStyle,
    duration: Duration,
) -> Result<Result<Measurement, MeasureError>, CompareError> {
    let server = Server::start(style)?;
    let load_test = client::LoadTest { address: server.address, connections, duration };
    let mut usage: Vec<Usage> = Vec::new();
    let result = load_test.run(|| usage.push(server.usage()))?;
    Ok(result.map(|result| {
        let per_request = |field: fn(&Usage) -> Option<u64>| {
            let [before, after] = &usage[..] else { return None };
            let used = field(after)?.saturating_sub(field(before)?);
            Some(used as f64 / result.requests.max(1) as f64)
        };
        let last = usage.last().copied().unwrap_or_default();
        Measurement {
            requests_per_second: result.requests as f64 / result.elapsed.as_secs_f64(),
            p50_ns: result.latency.value_at_quantile(0.5),
            p99_ns: result.latency.value_at_quantile(0.99),
            threads: last.threads,
            memory_bytes: last.memory_bytes,
            switches_per_request: per_request(|usage| usage.switches),
            cpu_ns_per_request: per_request(|usage| usage.cpu_ns),
        }
    }))
}

pub use machine::busy_machine;
pub use table::{COLUMNS, cells, json, ratios, text, verdict};
