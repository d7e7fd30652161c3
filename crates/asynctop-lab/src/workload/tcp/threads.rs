//! The same service without async: one thread per connection, and one that accepts.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use super::{MAX_LINE, is_complete, reply};
use crate::{
    failure::Failure,
    workload::net::{Attempts, CANNOT_ACCEPT, FIRST_RETRY, describe},
};

/// The threads need little stack, and there can be thousands.
const STACK: usize = 64 * 1024;

/// Serves until it is dropped; connections end with their clients.
pub(super) struct Service {
    pub address: SocketAddr,
    stopped: Arc<AtomicBool>,
}

impl Service {
    pub(super) fn start(failure: Failure) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let (address, stopped) = (listener.local_addr()?, Arc::new(AtomicBool::new(false)));
        let is_stopped = Arc::clone(&stopped);
        thread::Builder::new()
            .name("lab-accept".into())
            .spawn(move || accept(&listener, &is_stopped, &failure))?;
        Ok(Service { address, stopped })
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread from `accept`. If this fails, the thread stays, with only its port.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_millis(100));
    }
}

/// Serves each connection on its own thread until the service is dropped.
fn accept(listener: &TcpListener, stopped: &AtomicBool, failure: &Failure) {
    let mut attempts = Attempts::default();
    loop {
        let served =
            listener.accept().and_then(|(stream, _)| match stopped.load(Ordering::SeqCst) {
                true => Ok(()),
                false => serve(stream),
            });
        if stopped.load(Ordering::SeqCst) {
            return;
        }
        match served {
            Ok(()) => attempts.succeeded(),
            Err(error) => {
                attempts.failed(|| failure.report(|| describe(CANNOT_ACCEPT, &error)));
                // The pause stays short: threads and file descriptors are freed as connections end.
                thread::sleep(FIRST_RETRY);
            }
        }
    }
}

/// Starts a thread for the connection. If that fails, the connection is closed.
fn serve(stream: TcpStream) -> io::Result<()> {
    let thread = thread::Builder::new().name("lab-conn".into()).stack_size(STACK);
    thread.spawn(move || {
        // The client reports a lost connection.
        let _ = reply_to_all(stream);
    })?;
    Ok(())
}

fn reply_to_all(stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::with_capacity(1024, stream);
    let mut request = String::new();
    let mut served = 0u64;
    while read_message(&mut stream, &mut request)? {
        served += 1;
        stream.get_mut().write_all(reply(&request, served).as_bytes())?;
    }
    Ok(())
}

/// Reads lines up to an empty one. Returns `false` if the connection was closed before the first.
fn read_message(stream: &mut BufReader<TcpStream>, message: &mut String) -> io::Result<bool> {
    message.clear();
    loop {
        let before = message.len();
        stream.take(MAX_LINE).read_line(message)?;
        if let Some(is_complete) = is_complete(message, before)? {
            return Ok(is_complete);
        }
    }
}
