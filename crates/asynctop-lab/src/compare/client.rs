//! The client: closed-loop connections, each of which sends its next request after the answer.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    sync::Semaphore,
    task::JoinSet,
};

use super::{CompareError, MeasureError};
use crate::lock::lock;

/// Connections that are opened at the same time: fewer than the listener's backlog.
const MAX_CONNECTING: usize = 64;
/// After this time, a connection has failed.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// The warm-up lasts the duration of the measurement divided by this.
pub(super) const WARM_UP_DIVISOR: u32 = 4;

pub(super) struct LoadTest {
    pub address: SocketAddr,
    pub connections: usize,
    pub duration: Duration,
}

pub(super) struct LoadResult {
    pub requests: u64,
    pub elapsed: Duration,
    /// Time from request to answer in ns.
    pub latency: Histogram<u64>,
}

/// Shared by all connections.
struct Progress {
    is_measuring: AtomicBool,
    is_over: AtomicBool,
    latency: Mutex<Histogram<u64>>,
}

impl LoadTest {
    /// Opens the connections, warms up and measures. Calls `sample` at the beginning and at the end
    /// of the measurement.
    pub(super) fn run(
        &self,
        sample: impl FnMut(),
    ) -> Result<Result<LoadResult, MeasureError>, CompareError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(CompareError::Runtime)?;
        Ok(runtime.block_on(self.measure(sample)))
    }

    async fn measure(&self, mut sample: impl FnMut()) -> Result<LoadResult, MeasureError> {
        let latency = Histogram::new_with_bounds(1, 60_000_000_000, 3);
        let latency = latency.map_err(|error| MeasureError::Client(error.to_string()))?;
        let progress = Arc::new(Progress {
            is_measuring: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            latency: Mutex::new(latency),
        });
        let mut tasks = JoinSet::new();
        for stream in self.connect().await? {
            tasks.spawn(send_requests(stream, progress.clone()));
        }
        tokio::time::sleep(self.duration / WARM_UP_DIVISOR).await;
        sample();
        progress.is_measuring.store(true, Ordering::Relaxed);
        let started = Instant::now();
        tokio::time::sleep(self.duration).await;
        progress.is_measuring.store(false, Ordering::Relaxed);
        let elapsed = started.elapsed();
        sample();
        progress.is_over.store(true, Ordering::Relaxed);
        let mut first_error = None;
        while let Some(ended) = tasks.join_next().await {
            if let Ok(Err(error)) = ended {
                first_error.get_or_insert(error);
            }
        }
        if let Some(error) = first_error {
            return Err(MeasureError::Broken(error.to_string()));
        }
        let latency = lock(&progress.latency).clone();
        Ok(LoadResult { requests: latency.len(), elapsed, latency })
    }

    async fn connect(&self) -> Result<Vec<TcpStream>, MeasureError> {
        let permits = Arc::new(Semaphore::new(MAX_CONNECTING));
        let mut connecting = JoinSet::new();
        for _ in 0..self.connections {
            let (permits, address) = (permits.clone(), self.address);
            connecting.spawn(async move {
                let _permit = permits.acquire().await;
                let stream = tokio::time::timeout(CONNECT_TIMEOUT, connect(address)).await;
                stream.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            });
        }
        let mut streams = Vec::with_capacity(self.connections);
        while let Some(connected) = connecting.join_next().await {
            match connected {
                Ok(Ok(stream)) => streams.push(stream),
                Ok(Err(error)) => {
                    let reason = error.to_string();
                    return Err(MeasureError::Connections { opened: streams.len(), reason });
                }
                Err(error) => return Err(MeasureError::Client(error.to_string())),
            }
        }
        Ok(streams)
    }
}

/// Opens a connection and waits for a first answer: only then has the service accepted it.
async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    stream.write_all(b"0\n").await?;
    let mut line = String::new();
    BufReader::new(&mut stream).read_line(&mut line).await?;
    if line.starts_with("200 ") { Ok(stream) } else { Err(io::ErrorKind::ConnectionReset.into()) }
}

async fn send_requests(stream: TcpStream, progress: Arc<Progress>) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let mut line = String::new();
    while !progress.is_over.load(Ordering::Relaxed) {
        let sent = Instant::now();
        writer.write_all(b"7\n").await?;
        line.clear();
        if reader.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if progress.is_measuring.load(Ordering::Relaxed) {
            let nanos = u64::try_from(sent.elapsed().as_nanos()).unwrap_or(u64::MAX);
            lock(&progress.latency).saturating_record(nanos);
        }
    }
    Ok(())
}
