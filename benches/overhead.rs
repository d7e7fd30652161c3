//! What measuring a task costs, against the other ways to do it.
//!
//! One process, the variants in turn, round after round, so that a slower second of a
//! shared machine hits all of them; medians of what each adds to the bare task of the
//! same round. `cargo bench --bench overhead` prints the table that README shows.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    future::Future,
    pin::Pin,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use asynctop::probe::Registry;
use tokio::{runtime::Runtime, task::JoinHandle};
use tokio_metrics::TaskMonitor;
use tracing_subscriber::prelude::*;

const TASKS: u64 = 64;
const YIELDS: u64 = 4_000;
const ROUNDS: usize = 41;

/// Counts what is allocated, for the memory of a task.
struct Counting;
static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

// SAFETY: hands everything to the system's allocator.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's contract is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's contract is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

#[derive(Clone, Copy, PartialEq)]
enum Variant {
    Bare,
    Asynctop,
    TaskMonitor,
    Console,
}

const VARIANTS: [(Variant, &str); 4] = [
    (Variant::Bare, "bare task"),
    (Variant::Asynctop, "asynctop instrument"),
    (Variant::TaskMonitor, "tokio-metrics TaskMonitor"),
    (Variant::Console, "console-subscriber, no client"),
];

async fn only_yield() {
    for _ in 0..YIELDS {
        tokio::task::yield_now().await;
    }
}

/// Every variant spawns one more box, so that the box itself cancels out.
fn spawn(variant: Variant, registry: &'static Registry, work: Work) -> JoinHandle<()> {
    match variant {
        Variant::Bare | Variant::Console => tokio::spawn(work),
        Variant::Asynctop => tokio::spawn(registry.instrument_task("yields", work)),
        Variant::TaskMonitor => {
            // One for each task, as figures for each task need it.
            tokio::spawn(TaskMonitor::new().instrument(work))
        }
    }
}

/// Nanoseconds for each poll of `TASKS` tasks that only yield.
fn poll_cost(runtime: &Runtime, variant: Variant, registry: &'static Registry) -> f64 {
    runtime.block_on(async {
        tokio::spawn(async move {
            let started = Instant::now();
            let tasks: Vec<_> =
                (0..TASKS).map(|_| spawn(variant, registry, Box::pin(only_yield()))).collect();
            for task in tasks {
                let _ = task.await;
            }
            started.elapsed().as_nanos() as f64 / (TASKS * (YIELDS + 1)) as f64
        })
        .await
        .unwrap_or(f64::NAN)
    })
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// One round of all variants; console-subscriber runs in a runtime of its own, because
/// its spans stay with the tasks that were spawned under it.
fn polls(name: &str, build: impl Fn() -> Runtime, console: &tracing::Dispatch) {
    let registry = Registry::leak();
    registry.set_retention(Duration::ZERO);
    let runtime = build();
    let watched = build();
    let mut costs = VARIANTS.map(|_| Vec::with_capacity(ROUNDS));
    for _ in 0..ROUNDS {
        for (slot, (variant, _)) in costs.iter_mut().zip(VARIANTS) {
            slot.push(match variant {
                Variant::Console => tracing::dispatcher::with_default(console, || {
                    poll_cost(&watched, variant, registry)
                }),
                _ => poll_cost(&runtime, variant, registry),
            });
        }
    }
    let bare = costs[0].clone();
    let added = costs.clone().map(|cost| {
        median(
            &mut cost.iter().zip(&bare).map(|(with, without)| with - without).collect::<Vec<_>>(),
        )
    });
    println!("\n{name}: {TASKS} tasks that only yield, median of {ROUNDS} rounds");
    println!("| variant | ns a poll | added | asynctop adds |");
    println!("|---|---|---|---|");
    for ((cost, added_here), (_, name)) in costs.iter_mut().zip(added).zip(VARIANTS) {
        let ratio = match name {
            "bare task" | "asynctop instrument" => "".to_owned(),
            _ => format!("1/{:.1} of it", added_here / added[1]),
        };
        println!("| {name} | {:.0} | +{added_here:.0} | {ratio} |", median(cost));
    }
}

/// Bytes for each live task, over those of a bare one.
fn memory() {
    const N: usize = 20_000;
    let registry = Registry::leak();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return };
    let bytes = |variant: Variant| {
        runtime.block_on(async {
            let before = ALLOCATED.load(Ordering::Relaxed);
            let tasks: Vec<_> = (0..N)
                .map(|_| spawn(variant, registry, Box::pin(std::future::pending())))
                .collect();
            tokio::task::yield_now().await;
            let used = ALLOCATED.load(Ordering::Relaxed) - before;
            for task in &tasks {
                task.abort();
            }
            for task in tasks {
                let _ = task.await;
            }
            used / N
        })
    };
    let bare = bytes(Variant::Bare);
    println!("\nmemory: {N} tasks that wait, bytes allocated for each");
    println!("| variant | bytes a task | added |");
    println!("|---|---|---|");
    println!("| bare task | {bare} | |");
    for (variant, name) in &VARIANTS[1..3] {
        let with = bytes(*variant);
        println!("| {name} | {with} | +{} |", with - bare);
    }
}

fn main() {
    memory();
    let console =
        console_subscriber::ConsoleLayer::builder().server_addr(([127, 0, 0, 1], 0)).spawn();
    let console = tracing::Dispatch::new(tracing_subscriber::registry().with(console));
    polls(
        "current-thread",
        || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime"),
        &console,
    );
}
