//! A program to be watched: it runs console-subscriber and any number of tasks.
//!
//! ```sh
//! cargo xtask target 127.0.0.1:6669 1000
//! asynctop attach 127.0.0.1:6669        # in another terminal; or tokio-console
//! ```
//!
//! Its tasks sleep for one second, repeatedly. A `lock-holder` holds a lock that three
//! `lock-waiter`s wait for.

use std::{fs, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use console_subscriber::ConsoleLayer;
use tokio::{
    sync::Mutex,
    time::{interval, sleep},
};
use tracing_subscriber::prelude::*;

#[derive(clap::Args)]
pub struct Options {
    /// Where it is served: an address, or unix:PATH
    #[arg(default_value = "127.0.0.1:6669")]
    address: String,
    /// How many tasks sleep
    #[arg(default_value_t = 100)]
    tasks: u64,
    /// How long a `blocker` blocks its worker after each second, in milliseconds; 0: no blocker
    #[arg(default_value_t = 0)]
    block_ms: u64,
}

pub fn run(options: &Options) -> anyhow::Result<()> {
    let builder = ConsoleLayer::builder().retention(Duration::from_secs(60));
    let address = &*options.address;
    let builder = match address.parse::<SocketAddr>() {
        Ok(address) => builder.server_addr(address),
        Err(_) => {
            let path = Path::new(address.strip_prefix("unix:").unwrap_or(address));
            // Left by an earlier run, if there is one.
            let _ = fs::remove_file(path);
            builder.server_addr(path)
        }
    };
    tracing_subscriber::registry().with(builder.spawn()).init();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build()?;
    runtime.block_on(run_tasks(options.tasks, Duration::from_millis(options.block_ms)));
    Ok(())
}

async fn run_tasks(tasks: u64, block: Duration) {
    let lock = Arc::new(Mutex::new(0u64));
    let held = Arc::clone(&lock);
    spawn("lock-holder".to_owned(), async move {
        let _guard = held.lock().await;
        // Not `pending`: a task that no event can wake is a finding.
        sleep(Duration::from_secs(365 * 24 * 3_600)).await;
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
            // Spread over a second, so that they do not wake at the same moment.
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
