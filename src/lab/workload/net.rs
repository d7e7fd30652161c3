//! What services on the loopback interface share: listening, accepting, and what to say
//! when it fails.

use std::{
    future::Future,
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    runtime::Handle,
    time::sleep,
};

use crate::{lab::spawner::Spawner, limits, stage};

/// Connections that may wait to be accepted, so that many clients can begin at once. The
/// system's own limit (net.core.somaxconn) may be lower.
const BACKLOG: u32 = 4096;
/// A failed connection is tried again after this, then after twice as long, and so on.
pub(super) const FIRST_RETRY: Duration = Duration::from_millis(100);
pub(super) const LAST_RETRY: Duration = Duration::from_secs(3);

/// Makes room for so many connections, one or both `ends` of which are in this process.
pub(super) fn make_room(connections: usize, ends: u64) -> io::Result<()> {
    let room = limits::connections(connections as u64, ends);
    room.map_err(|error| io::Error::other(format!("it {error}")))
}

/// A port of the system's choice, on the loopback interface only.
pub(super) fn listen(runtime: &Handle) -> io::Result<(TcpListener, SocketAddr)> {
    // The socket registers with the runtime under test, not with the caller's.
    let _context = runtime.enter();
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    let listener = socket.listen(BACKLOG)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Spawns a task `conn-N` for each connection.
pub(super) async fn accept<F>(
    listener: TcpListener,
    spawner: Spawner,
    serve: impl Fn(TcpStream) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let mut number = 0;
    loop {
        stage("waits for a connection");
        match listener.accept().await {
            Ok((stream, _)) => {
                // An answer that waits for more to send would be none of the task's.
                let _ = stream.set_nodelay(true);
                number += 1;
                spawner.spawn(&format!("conn-{number}"), serve(stream));
            }
            Err(error) => {
                // Most likely no file descriptor is left: some will come back.
                stage(failure(&error));
                sleep(FIRST_RETRY).await;
            }
        }
    }
}

/// What went wrong, for the table. The task goes on or ends with it, but never silently.
pub(super) fn failure(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "failed: connection refused",
        io::ErrorKind::ConnectionReset => "failed: connection reset",
        io::ErrorKind::BrokenPipe => "failed: broken pipe",
        io::ErrorKind::UnexpectedEof => "failed: connection closed",
        io::ErrorKind::AddrNotAvailable => "failed: no port is free",
        io::ErrorKind::InvalidData => "failed: not understood",
        _ if error.raw_os_error().is_some_and(|code| code == EMFILE || code == ENFILE) => {
            "failed: too many open files"
        }
        _ => "failed: input or output error",
    }
}

/// The same numbers on every Unix.
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;
