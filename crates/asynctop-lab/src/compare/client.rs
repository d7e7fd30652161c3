//! The client: closed-loop connections, each of which sends the next request when it is answered.

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

use super::{CompareError, Refusal};
use crate::lock::lock;

/// Connections that are opened at the same time: below the listener's backlog.
const OPENING: usize = 64;
/// A connection that does not stand by then never will.
const CONNECT_LIMIT: Duration = Duration::from_secs(20);

/// The warming up is this part of the measurement.
pub(super) const WARM_UP: u32 = 4;

/// What to do.
pub(super) struct Run {
    pub address: SocketAddr,
    pub connections: usize,
    pub duration: Duration,
}

/// What came of it.
pub(super) struct Asked {
    pub requests: u64,
    pub elapsed: Duration,
    /// Time from question to answer, in ns.
    pub latency: Histogram<u64>,
}

/// Shared by all connections of a run.
struct Shared {
    counts: AtomicBool,
    over: AtomicBool,
    latency: Mutex<Histogram<u64>>,
}

impl Run {
    /// Opens the connections, lets them warm up and measures them. `look` is called at the
    /// beginning and at the end of the measurement.
    pub(super) fn drive(&self, look: impl FnMut()) -> Result<Result<Asked, Refusal>, CompareError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(CompareError::Runtime)?;
        Ok(runtime.block_on(self.ask(look)))
    }

    async fn ask(&self, mut look: impl FnMut()) -> Result<Asked, Refusal> {
        let latency = Histogram::new_with_bounds(1, 60_000_000_000, 3);
        let latency = latency.map_err(|error| Refusal::Client(error.to_string()))?;
        let shared = Arc::new(Shared {
            counts: AtomicBool::new(false),
            over: AtomicBool::new(false),
            latency: Mutex::new(latency),
        });
        let mut tasks = JoinSet::new();
        for stream in self.connect().await? {
            tasks.spawn(converse(stream, shared.clone()));
        }
        tokio::time::sleep(self.duration / WARM_UP).await;
        look();
        shared.counts.store(true, Ordering::Relaxed);
        let started = Instant::now();
        tokio::time::sleep(self.duration).await;
        shared.counts.store(false, Ordering::Relaxed);
        let elapsed = started.elapsed();
        look();
        shared.over.store(true, Ordering::Relaxed);
        let mut broken = None;
        while let Some(ended) = tasks.join_next().await {
            if let Ok(Err(error)) = ended {
                broken.get_or_insert(error);
            }
        }
        if let Some(error) = broken {
            return Err(Refusal::Broken(error.to_string()));
        }
        let latency = lock(&shared.latency).clone();
        Ok(Asked { requests: latency.len(), elapsed, latency })
    }

    async fn connect(&self) -> Result<Vec<TcpStream>, Refusal> {
        let places = Arc::new(Semaphore::new(OPENING));
        let mut opening = JoinSet::new();
        for _ in 0..self.connections {
            let (places, address) = (places.clone(), self.address);
            opening.spawn(async move {
                let _place = places.acquire().await;
                let stream = tokio::time::timeout(CONNECT_LIMIT, first_answer(address)).await;
                stream.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            });
        }
        let mut streams = Vec::with_capacity(self.connections);
        while let Some(opened) = opening.join_next().await {
            match opened {
                Ok(Ok(stream)) => streams.push(stream),
                Ok(Err(error)) => {
                    return Err(Refusal::Connections {
                        opened: streams.len(),
                        why: error.to_string(),
                    });
                }
                Err(error) => return Err(Refusal::Client(error.to_string())),
            }
        }
        Ok(streams)
    }
}

/// A connection that has been answered once: the service has really taken it.
async fn first_answer(address: SocketAddr) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    stream.write_all(b"0\n").await?;
    let mut line = String::new();
    BufReader::new(&mut stream).read_line(&mut line).await?;
    if line.starts_with("200 ") { Ok(stream) } else { Err(io::ErrorKind::ConnectionReset.into()) }
}

async fn converse(stream: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let mut line = String::new();
    while !shared.over.load(Ordering::Relaxed) {
        let asked = Instant::now();
        writer.write_all(b"7\n").await?;
        line.clear();
        if reader.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if shared.counts.load(Ordering::Relaxed) {
            let nanos = u64::try_from(asked.elapsed().as_nanos()).unwrap_or(u64::MAX);
            lock(&shared.latency).saturating_record(nanos);
        }
    }
    Ok(())
}
