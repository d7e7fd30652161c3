//! The customers, in their own process, which is controlled over a pipe.

use std::{
    convert::Infallible,
    io::{self, Write},
    net::SocketAddr,
    sync::{Arc, Once},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    sync::Semaphore,
    task::AbortHandle,
    time::sleep,
};

use super::super::{
    net::{Attempts, NO_REPLY, describe},
    tcp,
};
use crate::limits;

/// An order: one customer more.
pub(super) const COME: u8 = b'+';
/// An order: the last who came goes.
pub(super) const GO: u8 = b'-';

/// Customers that come at the same time: fewer than the listener's queue holds, also
/// where the system keeps it short (net.core.somaxconn).
const COMING: usize = 100;
/// What a customer reads at a time; thousands of larger buffers would be a waste.
const BUFFER: usize = 256;

struct Crowd {
    address: SocketAddr,
    every: Duration,
    coming: Semaphore,
    reported: Once,
}

/// Is the customers of the service at `address`, each of which asks `every` so often on
/// average: as many as the orders on stdin say, until these end.
///
/// # Errors
/// If the system refuses a runtime, or stdin cannot be read.
pub fn crowd(address: SocketAddr, every: Duration) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let crowd =
        Arc::new(Crowd { address, every, coming: Semaphore::new(COMING), reported: Once::new() });
    let result = runtime.block_on(obey(&crowd));
    // A read of stdin that is under way would have to end first.
    runtime.shutdown_background();
    result
}

async fn obey(crowd: &Arc<Crowd>) -> io::Result<()> {
    let mut customers: Vec<AbortHandle> = Vec::new();
    let (mut stdin, mut orders) = (tokio::io::stdin(), [0; 4096]);
    loop {
        let read = stdin.read(&mut orders).await?;
        if read == 0 {
            return Ok(());
        }
        for order in &orders[..read] {
            match *order {
                COME => {
                    let customer = customer(customers.len() + 1, Arc::clone(crowd));
                    customers.push(tokio::spawn(customer).abort_handle());
                }
                GO => customers.pop().iter().for_each(AbortHandle::abort),
                _ => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
        // Who finds no room tries again, as with any other failure.
        let _ = limits::open_files(customers.len() as u64);
    }
}

/// Comes, and comes back when the connection is lost.
async fn customer(number: usize, crowd: Arc<Crowd>) {
    let mut attempts = Attempts::default();
    loop {
        let Err(error) = visit(number, &crowd, &mut attempts).await;
        sleep(attempts.failed(|| crowd.report(&error))).await;
    }
}

impl Crowd {
    /// Reports the first failure, in a line on stdout, to the process of the service.
    fn report(&self, error: &io::Error) {
        self.reported.call_once(|| {
            // If nothing reads it, the lab has ended.
            let _ = writeln!(io::stdout(), "{}", describe(NO_REPLY, error));
        });
    }
}

async fn visit(number: usize, crowd: &Crowd, attempts: &mut Attempts) -> io::Result<Infallible> {
    let turn = crowd.coming.acquire().await;
    let stream = TcpStream::connect(crowd.address).await?;
    stream.set_nodelay(true)?;
    let mut stream = BufReader::with_capacity(BUFFER, stream);
    ask(&mut stream, number).await?;
    attempts.succeeded();
    drop(turn);
    loop {
        sleep(pause(number, crowd.every)).await;
        ask(&mut stream, number).await?;
    }
}

async fn ask(stream: &mut BufReader<TcpStream>, number: usize) -> io::Result<()> {
    let request = format!("GET item-{number}\n\n");
    stream.get_mut().write_all(request.as_bytes()).await?;
    let mut reply = String::new();
    if !tcp::read_message(stream, &mut reply).await? {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if reply.starts_with("200 ") { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
}

/// Half to one and a half of the time, always the same for one customer: so they do not
/// come all at once, and never fall into step.
fn pause(number: usize, every: Duration) -> Duration {
    let thousandths = (number as u32).wrapping_mul(2_654_435_761) >> 16;
    every.mul_f64(0.5 + f64::from(thousandths % 1000) / 1000.0)
}
