//! The service in both styles: it reads a line, computes briefly and writes a line.

use std::{
    hint::black_box,
    io::{self, BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    thread,
};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt};

use super::ServiceStyle;

/// Size of the read buffer of a connection, in both styles.
const BUFFER: usize = 1024;

/// Serves until the process ends. The first line of `out` is the port.
///
/// # Errors
/// If no port of 127.0.0.1 can be bound, or the runtime does not start.
pub fn serve(style: ServiceStyle, mut out: impl Write) -> io::Result<()> {
    end_with_parent();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    writeln!(out, "{}", listener.local_addr()?.port())?;
    out.flush()?;
    match style {
        ServiceStyle::Threads => with_threads(&listener),
        ServiceStyle::Async => with_tasks(listener),
    }
}

/// Ends this process when the client's ends, even if the client is killed.
fn end_with_parent() {
    #[cfg(target_os = "linux")]
    if let Err(error) =
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))
    {
        // The client still ends the service, unless it is killed.
        let _ = writeln!(io::stderr(), "warning: the service may outlive a killed client: {error}");
    }
}

/// Handles a request with some microseconds of arithmetic.
fn answer(request: &str) -> String {
    let seed = request.trim().parse::<u64>().unwrap_or_default();
    let sum = (0..1_000u64).fold(seed, |sum, n| black_box(sum.rotate_left(5) ^ n));
    format!("200 {sum}\n")
}

fn with_threads(listener: &TcpListener) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept()?;
        let thread = thread::Builder::new().spawn(move || {
            // A lost connection ends only its thread.
            let _ = serve_connection(stream);
        });
        if thread.is_err() {
            // Without a thread the connection is dropped, which the client reports.
            continue;
        }
    }
}

fn serve_connection(stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::with_capacity(BUFFER, &stream);
    let mut writer = &stream;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 0 {
        writer.write_all(answer(&line).as_bytes())?;
        line.clear();
    }
    Ok(())
}

fn with_tasks(listener: TcpListener) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(serve_connection_async(stream));
        }
    })
}

async fn serve_connection_async(stream: tokio::net::TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (reader, mut writer) = stream.into_split();
    let mut reader = tokio::io::BufReader::with_capacity(BUFFER, reader);
    let mut line = String::new();
    while reader.read_line(&mut line).await? > 0 {
        writer.write_all(answer(&line).as_bytes()).await?;
        line.clear();
    }
    Ok(())
}
