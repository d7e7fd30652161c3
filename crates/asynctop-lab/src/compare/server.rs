//! The service, in both styles: it reads a line, does a little work, writes a line.

use std::{
    hint::black_box,
    io::{self, BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    thread,
};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt};

use super::Style;

/// Bytes that a connection buffers, in both styles.
const BUFFER: usize = 1024;

/// Serves until the process ends; the port stands alone on the first line of `out`.
///
/// # Errors
/// If no port of 127.0.0.1 can be bound, or the runtime does not start.
pub fn serve(style: Style, mut out: impl Write) -> io::Result<()> {
    die_with_parent();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    writeln!(out, "{}", listener.local_addr()?.port())?;
    out.flush()?;
    match style {
        Style::Threads => with_threads(&listener),
        Style::Async => with_tasks(listener),
    }
}

/// A client that is killed leaves no service behind.
fn die_with_parent() {
    #[cfg(target_os = "linux")]
    if let Err(error) =
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))
    {
        // The service still ends with the comparison, only not if that is killed.
        let _ = writeln!(io::stderr(), "warning: the service may outlive a killed client: {error}");
    }
}

/// The work of a request: some microseconds of arithmetic, and the answer.
fn answer(request: &str) -> String {
    let seed = request.trim().parse::<u64>().unwrap_or_default();
    let sum = (0..1_000u64).fold(seed, |sum, n| black_box(sum.rotate_left(5) ^ n));
    format!("200 {sum}\n")
}

fn with_threads(listener: &TcpListener) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept()?;
        let thread = thread::Builder::new().spawn(move || {
            // A connection that breaks ends its thread, and nothing else.
            let _ = converse(stream);
        });
        if thread.is_err() {
            // No more threads: the connection is dropped, which the client reports.
            continue;
        }
    }
}

fn converse(stream: TcpStream) -> io::Result<()> {
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
            tokio::spawn(converse_async(stream));
        }
    })
}

async fn converse_async(stream: tokio::net::TcpStream) -> io::Result<()> {
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
