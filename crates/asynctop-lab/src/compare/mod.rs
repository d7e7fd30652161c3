//! Thread-per-connection against async on one thread: the same service, client and machine,
//! measured one after the other, and a table of what each cost.
//!
//! The service runs in a process of its own, so that its threads, memory and context switches can
//! be measured apart from the client's, which is this process. Depends on sockets, `/proc` and
//! `limits`; not on the probe or the rest of the lab.

mod client;
mod limits;
mod process;
mod server;
mod table;

use std::{io, time::Duration};

pub use limits::Refusal;
pub use server::serve;

use process::{Server, Usage};

/// How the service handles its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A thread for each connection, and one that accepts.
    Threads,
    /// One thread; a Tokio task for each connection.
    Async,
}

impl Style {
    /// Both, in the order of the table.
    pub const ALL: [Style; 2] = [Style::Threads, Style::Async];

    /// What it is called on the command line and in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Style::Threads => "threads",
            Style::Async => "async",
        }
    }
}

/// What to compare.
#[derive(Clone, Debug)]
pub struct Options {
    /// Numbers of connections, each measured in both styles.
    pub connections: Vec<usize>,
    /// How long each is measured, after the connections stand and have warmed up.
    pub duration: Duration,
}

/// What a number of connections cost in one style.
#[derive(Clone, Debug)]
pub struct Row {
    /// How many connections were open and asking.
    pub connections: usize,
    /// How the service handled them.
    pub style: Style,
    /// What was measured, or why it could not be.
    pub outcome: Result<Measured, Refusal>,
}

/// Figures of one run. What the system does not tell is `None`.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Answered requests a second.
    pub requests_per_second: f64,
    /// Half of the requests were answered within this time, in ns.
    pub p50_ns: u64,
    /// 99 % of them were.
    pub p99_ns: u64,
    /// Threads of the service.
    pub threads: Option<u64>,
    /// Resident memory of the service in bytes.
    pub memory_bytes: Option<u64>,
    /// Context switches of the service for each request.
    pub switches_per_request: Option<f64>,
    /// Processor time of the service for each request, in ns.
    pub cpu_ns_per_request: Option<f64>,
}

/// Why there is no comparison at all.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// The service could not be started.
    #[error("cannot start the service in a process of its own: {0}")]
    Start(#[source] io::Error),
    /// The service ended or said something unexpected.
    #[error(
        "the service did not start: {0}; run `asynctop compare` again, and report a bug if it persists"
    )]
    Service(String),
    /// None of the rows could be measured.
    #[error("nothing could be measured: {connections} connections: {refusal}")]
    NothingMeasured {
        /// The connections of the first row.
        connections: usize,
        /// Why it was not measured.
        refusal: Refusal,
    },
    /// The client has no runtime.
    #[error("cannot start the client's runtime: {0}")]
    Runtime(#[source] io::Error),
}

/// How far a comparison is.
#[derive(Clone, Debug)]
pub enum Progress {
    /// The next row is being measured.
    Begins,
    /// It is done.
    Row(Row),
}

impl Options {
    /// What the rows will be, in their order.
    pub fn plan(&self) -> impl Iterator<Item = (usize, Style)> {
        self.connections.iter().flat_map(|n| Style::ALL.map(|style| (*n, style)))
    }

    /// How long a row is asked, its warming up included; the connections come before.
    pub fn row_takes(&self) -> Duration {
        self.duration + self.duration / client::WARM_UP
    }
}

/// Measures every number of connections in both styles, telling `progress` of each row.
///
/// # Errors
/// If the service cannot be started. A number of connections that the machine does not
/// allow is no error: its row says which limit stands in the way.
pub fn run(options: &Options, mut progress: impl FnMut(Progress)) -> Result<(), CompareError> {
    for (connections, style) in options.plan() {
        progress(Progress::Begins);
        let outcome = match limits::make_room(connections, style) {
            Ok(()) => measure(connections, style, options.duration)?,
            Err(refusal) => Err(refusal),
        };
        progress(Progress::Row(Row { connections, style, outcome }));
    }
    Ok(())
}

/// Checks that at least one of the rows was measured.
///
/// # Errors
/// [`CompareError::NothingMeasured`] with the reason of the first row, if there are rows and
/// none of them was.
pub fn require_measured(rows: &[Row]) -> Result<(), CompareError> {
    let first = match rows {
        [first, ..] if rows.iter().all(|row| row.outcome.is_err()) => first,
        _ => return Ok(()),
    };
    let Err(refusal) = first.outcome.clone() else { return Ok(()) };
    Err(CompareError::NothingMeasured { connections: first.connections, refusal })
}

fn measure(
    connections: usize,
    style: Style,
    duration: Duration,
) -> Result<Result<Measured, Refusal>, CompareError> {
    let server = Server::start(style)?;
    let run = client::Run { address: server.address, connections, duration };
    let mut usage: Vec<Usage> = Vec::new();
    let asked = run.drive(|| usage.push(server.usage()))?;
    Ok(asked.map(|asked| {
        let grown = |of: fn(&Usage) -> Option<u64>| {
            let [before, after] = &usage[..] else { return None };
            Some(of(after)?.saturating_sub(of(before)?) as f64 / asked.requests.max(1) as f64)
        };
        let last = usage.last().copied().unwrap_or_default();
        Measured {
            requests_per_second: asked.requests as f64 / asked.elapsed.as_secs_f64(),
            p50_ns: asked.latency.value_at_quantile(0.5),
            p99_ns: asked.latency.value_at_quantile(0.99),
            threads: last.threads,
            memory_bytes: last.memory_bytes,
            switches_per_request: grown(|usage| usage.switches),
            cpu_ns_per_request: grown(|usage| usage.cpu_ns),
        }
    }))
}

pub use table::{HEAD, better, cells, json, text, verdict};
