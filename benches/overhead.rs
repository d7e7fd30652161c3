//! The cost of measuring a task, compared with other tools.
//!
//! All variants run in one process, alternating, so that a slower second of a shared machine affects
//! all of them. The runs are short and many. The minimum is the cost of the code without disturbance;
//! the median of the differences to the bare task of the same iteration is the cost on this machine.
//! `cargo bench --bench overhead` takes well under a minute and prints the tables of
//! `docs/overhead.md`.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    future::Future,
    pin::Pin,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use asynctop::{
    probe::{LocalSampler, Registry},
    snapshot::Subscription,
};
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinHandle,
};
use tokio_metrics::TaskMonitor;
use tracing_subscriber::prelude::*;

const TASKS: u64 = 64;
const YIELDS: u64 = 100;
const SPAWNS: u64 = 640;
const ITERATIONS: usize = 301;

/// Counts the allocated bytes.
struct Counting;
static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

// SAFETY: calls the system's allocator.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: guaranteed by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: guaranteed by the caller.
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
    /// With a recording of every poll for the timeline.
    Timeline,
    TaskMonitor,
    Console,
}

const VARIANTS: [(Variant, &str); 5] = [
    (Variant::Bare, "bare task"),
    (Variant::Asynctop, "asynctop instrument"),
    (Variant::Timeline, "the same, timeline on"),
    (Variant::TaskMonitor, "tokio-metrics TaskMonitor"),
    (Variant::Console, "console-subscriber, no client"),
];

async fn yield_repeatedly() {
    for _ in 0..YIELDS {
        tokio::task::yield_now().await;
    }
}

/// Each variant spawns a boxed future, so that the cost of the box cancels out.
fn spawn(variant: Variant, registry: &'static Registry, work: Work) -> JoinHandle<()> {
    match variant {
        Variant::Bare | Variant::Console => tokio::spawn(work),
        Variant::Asynctop | Variant::Timeline => {
            tokio::spawn(registry.instrument_task("yields", work))
        }
        Variant::TaskMonitor => {
            // One monitor per task, as needed for statistics per task.
            tokio::spawn(TaskMonitor::new().instrument(work))
        }
    }
}

/// Nanoseconds per poll of `TASKS` tasks that only yield.
async fn polls(variant: Variant, registry: &'static Registry) -> f64 {
    let started = Instant::now();
    let tasks: Vec<_> =
        (0..TASKS).map(|_| spawn(variant, registry, Box::pin(yield_repeatedly()))).collect();
    for task in tasks {
        let _ = task.await;
    }
    started.elapsed().as_nanos() as f64 / (TASKS * (YIELDS + 1)) as f64
}

/// Nanoseconds per task that is spawned, returns immediately and is joined.
async fn spawns(variant: Variant, registry: &'static Registry) -> f64 {
    let started = Instant::now();
    for _ in 0..SPAWNS / TASKS {
        let tasks: Vec<_> =
            (0..TASKS).map(|_| spawn(variant, registry, Box::pin(async {}))).collect();
        for task in tasks {
            let _ = task.await;
        }
        // Clears ended tasks. A dashboard scans only a few times per second.
        registry.scan(registry.now(), |_| {});
    }
    started.elapsed().as_nanos() as f64 / SPAWNS as f64
}

/// A multi-thread runtime with this number of workers, or a current-thread one; traced by
/// console-subscriber if `console` is given.
fn runtime(workers: Option<usize>, console: Option<&tracing::Dispatch>) -> Runtime {
    let mut builder = match workers {
        Some(_) => Builder::new_multi_thread(),
        None => Builder::new_current_thread(),
    };
    if let Some(workers) = workers {
        builder.worker_threads(workers);
    }
    if let Some(console) = console.cloned() {
        // Workers do not inherit the dispatcher of the thread that builds them.
        builder.on_thread_start(move || {
            std::mem::forget(tracing::dispatcher::set_default(&console));
        });
    }
    builder.enable_all().build().expect("a runtime")
}

/// Runs all variants alternately and prints a table. `measure` runs as a task.
fn compare<F>(
    title: &str,
    unit: &str,
    workers: Option<usize>,
    console: &tracing::Dispatch,
    measure: impl Fn(Variant, &'static Registry) -> F,
) where
    F: Future<Output = f64> + Send + 'static,
{
    let registry = Registry::leak();
    registry.set_retention(Duration::ZERO);
    // A separate runtime for console-subscriber, whose spans stay with the tasks spawned under it.
    let (runtime, traced) = (runtime(workers, None), runtime(workers, Some(console)));
    let run = |runtime: &Runtime, variant| {
        let measured = measure(variant, registry);
        runtime.block_on(async { tokio::spawn(measured).await.unwrap_or(f64::NAN) })
    };
    let mut costs = VARIANTS.map(|_| Vec::with_capacity(ITERATIONS));
    for _ in 0..ITERATIONS {
        for (costs, (variant, _)) in costs.iter_mut().zip(VARIANTS) {
            // The threads record their polls while there is a sampler with a subscription.
            let mut sampler = LocalSampler::new("bench", registry, runtime.handle());
            let timeline = variant == Variant::Timeline;
            sampler.sample(&Subscription { timeline, ..Subscription::default() });
            costs.push(match variant {
                Variant::Console => {
                    tracing::dispatcher::with_default(console, || run(&traced, variant))
                }
                _ => run(&runtime, variant),
            });
        }
    }
    print(title, unit, &costs);
}

fn print(title: &str, unit: &str, costs: &[Vec<f64>; VARIANTS.len()]) {
    let [bare, instrumented, ..] = costs;
    let minimum = |costs: &[f64]| costs.iter().copied().fold(f64::INFINITY, f64::min);
    let added = |costs: &[f64]| minimum(costs) - minimum(bare);
    println!("\n{title}, {ITERATIONS} runs\n");
    println!("| variant | {unit}, minimum | added | added, median | asynctop adds |");
    println!("|---|--:|--:|--:|--:|");
    for (these, (variant, name)) in costs.iter().zip(VARIANTS) {
        let cost = minimum(these);
        if variant == Variant::Bare {
            println!("| {name} | {cost:.0} | | | |");
            continue;
        }
        let paired = median(these.iter().zip(bare).map(|(with, bare)| with - bare).collect());
        let share = match variant {
            Variant::Asynctop => String::new(),
            Variant::Timeline => {
                format!("{:+.1} for the timeline", added(these) - added(instrumented))
            }
            _ => format!("1/{:.1} of it", added(these) / added(instrumented)),
        };
        println!("| {name} | {cost:.0} | {:+.0} | {paired:+.0} | {share} |", added(these));
    }
}

/// Whether the allocations of a task are comparable.
fn has_memory(variant: Variant) -> bool {
    matches!(variant, Variant::Asynctop | Variant::TaskMonitor)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Prints the bytes per live task.
fn memory() {
    // A multiple of the registry's chunk size.
    const N: usize = 80 * 256;
    let registry = Registry::leak();
    let runtime = runtime(None, None);
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
    // A first run for allocations that are kept, such as the run queue.
    bytes(Variant::Bare);
    let bare = bytes(Variant::Bare);
    println!("memory: bytes allocated per idle task, {N} tasks\n");
    println!("| variant | bytes per task | added |");
    println!("|---|--:|--:|");
    println!("| bare task | {bare} | |");
    for (variant, name) in VARIANTS.iter().filter(|(variant, _)| has_memory(*variant)) {
        let with = bytes(*variant);
        println!("| {name} | {with} | +{} |", with - bare);
    }
}

fn main() {
    memory();
    let console =
        console_subscriber::ConsoleLayer::builder().server_addr(([127, 0, 0, 1], 0)).spawn();
    let console = tracing::Dispatch::new(tracing_subscriber::registry().with(console));
    let yields = format!("{TASKS} tasks that only yield");
    compare(&format!("current-thread: {yields}"), "ns per poll", None, &console, polls);
    compare(&format!("multi-thread, 1 worker: {yields}"), "ns per poll", Some(1), &console, polls);
    let title = "current-thread: tasks that are spawned, return immediately and are joined";
    compare(title, "ns per task", None, &console, spawns);
}
