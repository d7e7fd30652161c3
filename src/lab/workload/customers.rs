//! Thousands of customers of one service: each holds its connection open, asks now and
//! then, and rests most of the time.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncWriteExt, BufReader},
    net::TcpStream,
    sync::Semaphore,
    task::AbortHandle,
    time::sleep,
};

use super::{
    Allows, Kind, Opening, Param, Params, Workload,
    kind::{millis, secs},
    net::{self, FIRST_RETRY, LAST_RETRY, failure},
    tcp,
};
use crate::{
    lab::{gauge::Count, shared::Done, spawner::Spawner},
    stage,
};

/// Customers that come at the same time: fewer than the listener's queue holds, also
/// where the system keeps it short (net.core.somaxconn).
const COMING: usize = 100;
/// What a customer reads at a time; thousands of larger buffers would be a waste.
const BUFFER: usize = 256;

pub(super) static KIND: Kind = Kind {
    name: "customers",
    about: "a TCP service whose many clients hold their connections and ask now and then",
    unit: Some("answer"),
    params: &[&EVERY],
    tasks,
    open,
};

static EVERY: Param = Param {
    name: "every",
    about: "how long a customer rests after each answer, on average",
    allows: Allows::Duration { default: secs(5), least: millis(10), most: secs(3600) },
};

/// A customer and its connection each, and one that accepts.
fn tasks(count: usize, _: &Params) -> usize {
    count.saturating_mul(2).saturating_add(1)
}

struct Customers {
    spawner: Spawner,
    shared: Arc<Shared>,
}

struct Shared {
    address: SocketAddr,
    every: Duration,
    done: Done,
    answered: Count,
    coming: Semaphore,
}

fn open(opening: Opening) -> io::Result<Box<dyn Workload>> {
    let Opening { spawner, done, gauges, params, count, .. } = opening;
    net::make_room(count)?;
    let (listener, address) = net::listen(spawner.handle())?;
    spawner.spawn("accept", net::accept(listener, spawner.clone(), tcp::serve));
    let every = params.duration(&EVERY);
    let answered = gauges.count("customers answered");
    let shared = Shared { address, every, done, answered, coming: Semaphore::new(COMING) };
    Ok(Box::new(Customers { spawner, shared: Arc::new(shared) }))
}

impl Workload for Customers {
    fn start(&mut self, number: usize) -> AbortHandle {
        let customer = customer(number, Arc::clone(&self.shared));
        self.spawner.spawn(&format!("customer-{number}"), customer).1
    }
}

/// Comes, and comes back when the connection is lost.
async fn customer(number: usize, shared: Arc<Shared>) {
    let mut retry = FIRST_RETRY;
    loop {
        let before = shared.done.get();
        let Err(lost) = visit(number, &shared).await;
        if shared.done.get() > before {
            retry = FIRST_RETRY;
        }
        stage(failure(&lost));
        sleep(retry).await;
        retry = (retry * 2).min(LAST_RETRY);
    }
}

async fn visit(number: usize, shared: &Shared) -> io::Result<Infallible> {
    stage("waits for its turn to connect");
    let turn = shared.coming.acquire().await;
    stage("connects");
    let stream = TcpStream::connect(shared.address).await?;
    stream.set_nodelay(true)?;
    let mut stream = BufReader::with_capacity(BUFFER, stream);
    stage("waits for its first answer");
    ask(&mut stream, number, shared).await?;
    drop(turn);
    let _counted = Answered::count(&shared.answered);
    loop {
        stage("answered, rests");
        sleep(pause(number, shared.every)).await;
        stage("answered, waits for the next answer");
        ask(&mut stream, number, shared).await?;
    }
}

/// Counts a customer that has been answered, for as long as its connection lasts.
struct Answered<'a>(&'a Count);

impl<'a> Answered<'a> {
    fn count(answered: &'a Count) -> Self {
        answered.add(1);
        Answered(answered)
    }
}

impl Drop for Answered<'_> {
    fn drop(&mut self) {
        self.0.sub(1);
    }
}

async fn ask(stream: &mut BufReader<TcpStream>, number: usize, shared: &Shared) -> io::Result<()> {
    let request = format!("GET item-{number}\n\n");
    stream.get_mut().write_all(request.as_bytes()).await?;
    let mut reply = String::new();
    if !tcp::read_message(stream, &mut reply).await? {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if !reply.starts_with("200 ") {
        return Err(io::ErrorKind::InvalidData.into());
    }
    shared.done.one();
    Ok(())
}

/// Half to one and a half of the time, always the same for one customer: so they do not
/// come all at once, and never fall into step.
fn pause(number: usize, every: Duration) -> Duration {
    let thousandths = (number as u32).wrapping_mul(2_654_435_761) >> 16;
    every.mul_f64(0.5 + f64::from(thousandths % 1000) / 1000.0)
}
