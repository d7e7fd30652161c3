//! A service: real TCP over the loopback interface, one task (or one thread) per connection, and
//! clients that wait for the reply before they send the next request.

mod threads;

use std::{convert::Infallible, io, net::SocketAddr, time::Duration};

use asynctop_probe::stage;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::sleep,
};

use super::{
    Context, Instance, Param, ParamType, Params, Workload, WorkloadKind,
    kind::{millis, secs},
    net::{self, Attempts, NO_REPLY, describe, failure_stage},
};
use crate::{counter::Counter, failure::Failure, spawner::Spawner};

/// Maximum length of a line, because other programs can connect to the port.
const MAX_LINE: u64 = 1024;

pub(super) static KIND: WorkloadKind = WorkloadKind {
    name: "tcp",
    about: "a TCP service on the loopback interface with real client connections",
    unit: Some("request"),
    params: &[&SERVE, &THINK],
    max_tasks,
    open: |Context { spawner, done, failure, params, count, .. }| {
        net::allow_connections(count, 2)?;
        let service = match params.word(&SERVE) {
            "threads" => Service::Threads(threads::Service::start(failure.clone())?),
            _ => Service::Tasks(serve_with_tasks(&spawner, failure.clone())?),
        };
        Ok(Box::new(Tcp { spawner, done, failure, service, think: params.duration(&THINK) }))
    },
};

static SERVE: Param = Param {
    name: "serve",
    about: "one task per connection, or one thread per connection",
    param_type: ParamType::Choice(&["tasks", "threads"]),
};

static THINK: Param = Param {
    name: "think",
    about: "minimum pause of a client after each reply; the pauses differ",
    param_type: ParamType::Duration { default: millis(5), min: millis(1), max: secs(60) },
};

/// A client and its connection each, and one task that accepts. Threads are not tasks.
fn max_tasks(count: usize, params: &Params) -> usize {
    match params.word(&SERVE) {
        "threads" => count,
        _ => count.saturating_mul(2).saturating_add(1),
    }
}

struct Tcp {
    spawner: Spawner,
    done: Counter,
    failure: Failure,
    service: Service,
    think: Duration,
}

/// The server side.
enum Service {
    /// Tasks of the runtime under test, and their address.
    Tasks(SocketAddr),
    Threads(threads::Service),
}

impl Service {
    fn address(&self) -> SocketAddr {
        match self {
            Service::Tasks(address) => *address,
            Service::Threads(service) => service.address,
        }
    }
}

/// Starts to accept on a free port.
fn serve_with_tasks(spawner: &Spawner, failure: Failure) -> io::Result<SocketAddr> {
    let (listener, address) = net::listen(spawner.handle())?;
    let accept = net::accept(listener, spawner.clone(), failure, |stream| serve(stream, || ()));
    spawner.spawn("accept", accept);
    Ok(address)
}

impl Workload for Tcp {
    fn start(&mut self, number: usize) -> Instance {
        let client = Client {
            number,
            address: self.service.address(),
            done: self.done.clone(),
            failure: self.failure.clone(),
            // With equal pauses, all clients would send at the same time.
            think: self.think + Duration::from_millis(number as u64 % 6),
        };
        self.spawner.spawn(&format!("client-{number}"), client.run()).into()
    }
}

/// Serves one connection until the client disconnects. Calls `replied` after each reply.
pub(super) async fn serve(stream: TcpStream, replied: impl FnMut()) {
    match reply_to_all(stream, replied).await {
        Ok(()) => stage("its client has disconnected"),
        Err(error) => stage(failure_stage(&error)),
    }
}

async fn reply_to_all(stream: TcpStream, mut replied: impl FnMut()) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut request = String::new();
    let mut served = 0u64;
    loop {
        stage("waits for a request");
        if !read_message(&mut stream, &mut request).await? {
            return Ok(());
        }
        served += 1;
        let reply = reply(&request, served);
        stage("writes the reply");
        stream.get_mut().write_all(reply.as_bytes()).await?;
        replied();
    }
}

fn reply(request: &str, served: u64) -> String {
    match request.lines().next().and_then(|line| line.strip_prefix("GET ")) {
        Some(item) => format!("200 OK\nitem: {item}\nserved: {served}\n\n"),
        None => "400 bad request\n\n".to_owned(),
    }
}

struct Client {
    number: usize,
    address: SocketAddr,
    done: Counter,
    failure: Failure,
    think: Duration,
}

impl Client {
    /// Sends requests forever, and reconnects when the connection is lost.
    async fn run(self) {
        let mut attempts = Attempts::default();
        loop {
            stage("connects");
            let lost = match TcpStream::connect(self.address).await {
                Ok(stream) => {
                    let Err(error) = self.send_requests(stream, &mut attempts).await;
                    error
                }
                Err(error) => error,
            };
            stage(failure_stage(&lost));
            sleep(attempts.failed(|| self.failure.report(|| describe(NO_REPLY, &lost)))).await;
        }
    }

    async fn send_requests(
        &self,
        stream: TcpStream,
        attempts: &mut Attempts,
    ) -> io::Result<Infallible> {
        stream.set_nodelay(true)?;
        let mut stream = BufReader::new(stream);
        let request = format!("GET item-{0}\nfrom: client-{0}\n\n", self.number);
        let mut reply = String::new();
        loop {
            stage("writes a request");
            stream.get_mut().write_all(request.as_bytes()).await?;
            stage("waits for the reply");
            if !read_message(&mut stream, &mut reply).await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if !reply.starts_with("200 ") {
                return Err(io::ErrorKind::InvalidData.into());
            }
            self.done.increment();
            attempts.succeeded();
            stage("thinks");
            sleep(self.think).await;
        }
    }
}

/// Reads lines up to an empty one. Returns `false` if the connection was closed before the first.
pub(super) async fn read_message(
    stream: &mut BufReader<TcpStream>,
    message: &mut String,
) -> io::Result<bool> {
    message.clear();
    loop {
        let before = message.len();
        (&mut *stream).take(MAX_LINE).read_line(message).await?;
        if let Some(is_complete) = is_complete(message, before)? {
            return Ok(is_complete);
        }
    }
}

/// Checks the last line of a message, which starts at byte `line`: `Some(true)` if it is the empty
/// line at the end, `None` if more lines follow, `Some(false)` if the connection was closed before
/// the first line.
fn is_complete(message: &str, line: usize) -> io::Result<Option<bool>> {
    match &message[line..] {
        "" if line == 0 => Ok(Some(false)),
        "\n" => Ok(Some(true)),
        last if !last.ends_with('\n') => Err(io::ErrorKind::UnexpectedEof.into()),
        _ if message.len() as u64 > 8 * MAX_LINE => Err(io::ErrorKind::InvalidData.into()),
        _ => Ok(None),
    }
}
