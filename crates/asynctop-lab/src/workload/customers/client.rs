//! The customers, in their own process, which the lab controls through a pipe.

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

/// The command that adds a customer.
pub(super) const ADD: u8 = b'+';
/// The command that removes the customer added last.
pub(super) const REMOVE: u8 = b'-';

/// Customers that connect at the same time: fewer than the listener's backlog, including systems
/// with a low net.core.somaxconn.
const MAX_CONNECTING: usize = 100;
/// The read buffer of a customer. Thousands of larger buffers would waste memory.
const BUFFER: usize = 256;

struct SharedState {
    address: SocketAddr,
    every: Duration,
    connecting: Semaphore,
    reported: Once,
}

/// Runs customers of the service at `address`. Each pauses for `every` on average before its next
/// request. Their number follows the commands on stdin; the end of stdin ends them.
///
/// # Errors
/// If the system refuses a runtime, or stdin cannot be read.
pub fn run_customers(address: SocketAddr, every: Duration) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let connecting = Semaphore::new(MAX_CONNECTING);
    let shared = Arc::new(SharedState { address, every, connecting, reported: Once::new() });
    let result = runtime.block_on(follow_commands(&shared));
    // A plain drop would wait for a pending read of stdin.
    runtime.shutdown_background();
    result
}

async fn follow_commands(shared: &Arc<SharedState>) -> io::Result<()> {
    let mut customers: Vec<AbortHandle> = Vec::new();
    let (mut stdin, mut commands) = (tokio::io::stdin(), [0; 4096]);
    loop {
        let read = stdin.read(&mut commands).await?;
        if read == 0 {
            return Ok(());
        }
        for command in &commands[..read] {
            match *command {
                ADD => {
                    let customer = customer(customers.len() + 1, Arc::clone(shared));
                    customers.push(tokio::spawn(customer).abort_handle());
                }
                REMOVE => customers.pop().iter().for_each(AbortHandle::abort),
                _ => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
        // A customer that exceeds the limit retries, as with any other failure.
        let _ = limits::allow_open_files(customers.len() as u64);
    }
}

/// Connects, and reconnects when the connection is lost.
async fn customer(number: usize, shared: Arc<SharedState>) {
    let mut attempts = Attempts::default();
    loop {
        let Err(error) = send_requests(number, &shared, &mut attempts).await;
        sleep(attempts.failed(|| shared.report(&error))).await;
    }
}

impl SharedState {
    /// Reports the first failure to the lab, in a line on stdout.
    fn report(&self, error: &io::Error) {
        self.reported.call_once(|| {
            // An error means that the lab has ended.
            let _ = writeln!(io::stdout(), "{}", describe(NO_REPLY, error));
        });
    }
}

async fn send_requests(
    number: usize,
    shared: &SharedState,
    attempts: &mut Attempts,
) -> io::Result<Infallible> {
    let permit = shared.connecting.acquire().await;
    let stream = TcpStream::connect(shared.address).await?;
    stream.set_nodelay(true)?;
    let mut stream = BufReader::with_capacity(BUFFER, stream);
    send_request(&mut stream, number).await?;
    attempts.succeeded();
    drop(permit);
    loop {
        sleep(pause(number, shared.every)).await;
        send_request(&mut stream, number).await?;
    }
}

async fn send_request(stream: &mut BufReader<TcpStream>, number: usize) -> io::Result<()> {
    let request = format!("GET item-{number}\n\n");
    stream.get_mut().write_all(request.as_bytes()).await?;
    let mut reply = String::new();
    if !tcp::read_message(stream, &mut reply).await? {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if reply.starts_with("200 ") { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
}

/// 0.5 to 1.5 times `every`, constant for each customer. Different pauses keep the customers from
/// sending at the same time.
fn pause(number: usize, every: Duration) -> Duration {
    let thousandths = (number as u32).wrapping_mul(2_654_435_761) >> 16;
    every.mul_f64(0.5 + f64::from(thousandths % 1000) / 1000.0)
}
