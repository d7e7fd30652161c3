//! A TCP server that measures its own tasks with asynctop-probe. Every two seconds it prints the
//! busiest tasks, and each poll that blocked a worker with its line.
//!
//! ```sh
//! cargo run --example server
//! printf 'hello\nslow\n' | nc -q 1 127.0.0.1 7878     # in another terminal
//! ```
//!
//! `slow` makes it call `std::thread::sleep`, on purpose.

use std::{collections::HashSet, env, io, thread, time::Duration};

use asynctop_probe::{
    Registry, spawn_named, stage,
    watch::{WatchHandle, WatchOptions, Watchdog},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

#[tokio::main]
async fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7878".to_owned());
    let watchdog = Watchdog::start(Registry::global(), WatchOptions::default())?;
    // A thread: a task could not report that all workers are blocked.
    let handle = watchdog.handle().clone();
    thread::spawn(move || report(&handle));

    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (stream, peer) = listener.accept().await?;
        spawn_named(&format!("conn-{}", peer.port()), async move {
            if let Err(error) = echo(stream).await {
                println!("{peer}: {error}");
            }
        });
    }
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let (reader, mut writer) = stream.split();
    let mut lines = BufReader::new(reader).lines();
    stage("reads a line");
    while let Some(line) = lines.next_line().await? {
        if line == "slow" {
            stage("sleeps on the worker");
            thread::sleep(Duration::from_millis(300));
        }
        stage("writes the line");
        writer.write_all(format!("{line}\n").as_bytes()).await?;
        stage("reads a line");
    }
    Ok(())
}

fn report(watchdog: &WatchHandle) {
    let registry = Registry::global();
    let mut reported = HashSet::new();
    loop {
        thread::sleep(Duration::from_secs(2));
        // The titles and the busiest tasks.
        registry.table().to_string().lines().take(6).for_each(|line| println!("{line}"));
        for poll in watchdog.records().iter().filter(|poll| poll.ended_ns.is_some()) {
            if reported.insert((poll.task, poll.began_ns)) {
                let length = Duration::from_nanos(poll.length_ns());
                println!("a poll of {} took {length:?}:", poll.task_name);
                poll.long_poll().lines().iter().for_each(|line| println!("  {line}"));
            }
        }
    }
}
