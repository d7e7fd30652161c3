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

use super::{MAX_LINE, reply};
use crate::{
    failure::Failure,
    workload::net::{Attempts, CANNOT_ACCEPT, FIRST_RETRY, describe},
};

/// A thread here needs little room, and there may be thousands.
const STACK: usize = 64 * 1024;

/// Serves until it is dropped; connections end with their clients.
pub(super) struct Service {
    pub address: SocketAddr,
    over: Arc<AtomicBool>,
}

impl Service {
    pub(super) fn start(failure: Failure) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let (address, over) = (listener.local_addr()?, Arc::new(AtomicBool::new(false)));
        let asked = Arc::clone(&over);
        thread::Builder::new()
            .name("lab-accept".into())
            .spawn(move || accept(&listener, &asked, &failure))?;
        Ok(Service { address, over })
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // It waits for a connection: this is one. Without it the thread waits on, and
        // holds nothing but its port.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_millis(100));
    }
}

/// Serves each connection on a thread of its own until the service is over.
fn accept(listener: &TcpListener, over: &AtomicBool, failure: &Failure) {
    let mut attempts = Attempts::default();
    loop {
        let served = listener.accept().and_then(|(stream, _)| match over.load(Ordering::SeqCst) {
            true => Ok(()),
            false => serve(stream),
        });
        if over.load(Ordering::SeqCst) {
            return;
        }
        match served {
            Ok(()) => attempts.succeeded(),
            Err(error) => {
                attempts.failed(|| failure.report(|| describe(CANNOT_ACCEPT, &error)));
                // Not longer: connections that end free their threads and file descriptors.
                thread::sleep(FIRST_RETRY);
            }
        }
    }
}

/// Starts a thread for the connection. Without one the connection is closed.
fn serve(stream: TcpStream) -> io::Result<()> {
    let thread = thread::Builder::new().name("lab-conn".into()).stack_size(STACK);
    thread.spawn(move || {
        // A connection that breaks ends its thread, and the client reports it.
        let _ = answer_all(stream);
    })?;
    Ok(())
}

fn answer_all(stream: TcpStream) -> io::Result<()> {
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

/// Reads lines up to an empty one. `false` if the other side has gone before the first.
fn read_message(stream: &mut BufReader<TcpStream>, message: &mut String) -> io::Result<bool> {
    message.clear();
    loop {
        let before = message.len();
        stream.take(MAX_LINE).read_line(message)?;
        match &message[before..] {
            "" if before == 0 => return Ok(false),
            "\n" => return Ok(true),
            line if !line.ends_with('\n') => return Err(io::ErrorKind::UnexpectedEof.into()),
            _ if message.len() as u64 > 8 * MAX_LINE => {
                return Err(io::ErrorKind::InvalidData.into());
            }
            _ => {}
        }
    }
}
