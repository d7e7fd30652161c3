//! A program to be watched: it carries console-subscriber and has as many tasks as asked
//! for.
//!
//! ```sh
//! cargo run --release --example target -- 127.0.0.1:6669 1000
//! asynctop attach 127.0.0.1:6669        # in another terminal; or tokio-console
//! ```
//!
//! Its tasks sleep, one second after the other. A `lock-holder` keeps a lock that three
//! `lock-waiter`s want; with a third argument (a time, in ms) a `blocker` blocks its worker
//! for that long after each second.

use std::{env, path::Path, process, sync::Arc, time::Duration};

use console_subscriber::ConsoleLayer;
use tokio::{
    sync::Mutex,
    time::{interval, sleep},
};
use tracing_subscriber::prelude::*;

fn main() {
    let mut args = env::args().skip(1);
    let address = args.next().unwrap_or_else(|| "127.0.0.1:6669".to_owned());
    let number = |text: Option<String>, usual| text.map_or(Some(usual), |text| text.parse().ok());
    let (Some(tasks), Some(block_ms)) = (number(args.next(), 100), number(args.next(), 0)) else {
        println!("usage: target [ADDRESS [TASKS [BLOCK-MS]]]");
        process::exit(2);
    };
    let builder = ConsoleLayer::builder().retention(Duration::from_secs(60));
    let builder = match address.parse::<std::net::SocketAddr>() {
        Ok(address) => builder.server_addr(address),
        Err(_) => {
            let path = Path::new(address.strip_prefix("unix:").unwrap_or(&address));
            let _ = std::fs::remove_file(path);
            builder.server_addr(path)
        }
    };
    tracing_subscriber::registry().with(builder.spawn()).init();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    match runtime.worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime.block_on(run(tasks, Duration::from_millis(block_ms))),
        Err(error) => println!("no runtime: {error}"),
    }
}

async fn run(tasks: u64, block: Duration) {
    let lock = Arc::new(Mutex::new(0u64));
    let held = Arc::clone(&lock);
    spawn("lock-holder".to_owned(), async move {
        let _guard = held.lock().await;
        std::future::pending::<()>().await;
    });
    for n in 0..3 {
        let lock = Arc::clone(&lock);
        spawn(format!("lock-waiter-{n}"), async move {
            sleep(Duration::from_millis(100)).await;
            *lock.lock().await += 1;
        });
    }
    if !block.is_zero() {
        spawn("blocker".to_owned(), async move {
            loop {
                sleep(Duration::from_secs(1)).await;
                std::thread::sleep(block);
            }
        });
    }
    for n in 0..tasks {
        spawn(format!("sleeper-{n}"), async move {
            // Not all of them at the same moment.
            sleep(Duration::from_micros(n % 1_000 * 1_000)).await;
            let mut ticks = interval(Duration::from_secs(1));
            loop {
                ticks.tick().await;
            }
        });
        if n % 1_000 == 999 {
            tokio::task::yield_now().await;
        }
    }
    println!("{tasks} tasks");
    std::future::pending().await
}

fn spawn(name: String, future: impl Future<Output = ()> + Send + 'static) {
    #[cfg(tokio_unstable)]
    let _ = tokio::task::Builder::new().name(&name).spawn(future);
    #[cfg(not(tokio_unstable))]
    let _ = (name, tokio::spawn(future));
}
