//! The cost of one refresh, by part: `cargo bench --bench refresh [-- TASKS…]`.
//!
//! The tasks are measured by the probe, in a dozen groups on one thread; a fifth of them is polled
//! between two samples. Two models process the same snapshots, one with all rules and one with none;
//! the difference is the cost of the rules.
//!
//! The dashboard shows the same snapshots. "Copy and order" follows the model on the thread that
//! assembles snapshots: a copy of the model for the screen, and the order of the table. "Refresh" and
//! "key" are on the thread that handles keys: a key takes the last column until the screen is drawn,
//! or both if a refresh arrives first.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark may fail")]

use std::{
    env,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use asynctop::{
    app::Settings,
    model::{Model, RULES, Refresh, Thresholds},
    probe::{LocalSampler, Registry},
    screens,
    snapshot::{Snapshot, Subscription},
};
use crossterm::event::{KeyCode, KeyEvent};
use ratatui::{Terminal, backend::TestBackend, layout::Size};

const TASKS: [usize; 3] = [1_000, 10_000, 100_000];
/// Number of measured samples, after as many that are not measured.
const SAMPLES: usize = 20;
const GROUPS: [&str; 12] = [
    "accept", "auth", "cache", "clock", "feed", "flush", "index", "mail", "pool", "queue", "serve",
    "sync",
];

type Task = Pin<Box<dyn Future<Output = ()>>>;

fn main() {
    let given: Vec<usize> = env::args().filter_map(|arg| arg.parse().ok()).collect();
    let counts = if given.is_empty() { TASKS.to_vec() } else { given };
    println!(
        "| tasks | snapshot | model without rules | all {} rules | rules per task \
         | copy and order | refresh | key |",
        RULES.len()
    );
    println!("|--:|--:|--:|--:|--:|--:|--:|--:|");
    for tasks in counts {
        measure(tasks);
    }
}

fn measure(count: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let registry = Registry::leak();
    let mut tasks: Vec<Task> = (0..count)
        .map(|n| Box::pin(registry.instrument(GROUPS[n % GROUPS.len()], forever())) as Task)
        .collect();
    let mut source = LocalSampler::new("bench", registry, runtime.handle());
    let mut with_rules = Model::with_thresholds(Thresholds::default());
    let mut off = Thresholds::default();
    RULES.into_iter().for_each(|rule| off.set(rule.id, None));
    let mut without_rules = Model::with_thresholds(off);

    let mut app = screens::new_app(Settings::default(), Duration::from_millis(250));
    let mut terminal = Terminal::new(TestBackend::new(120, 40)).unwrap();

    let (mut samples, mut rules_on, mut rules_off) = (Vec::new(), Vec::new(), Vec::new());
    let (mut copies, mut refreshes, mut keys) = (Vec::new(), Vec::new(), Vec::new());
    let mut shown = None;
    for sample in 0..2 * SAMPLES {
        // Four of five tasks are not polled between two samples.
        for task in tasks.iter_mut().skip(sample % 5).step_by(5) {
            let pending = task.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(pending.is_pending());
        }
        let began = Instant::now();
        let subscription = Subscription { groups: true, ..Subscription::default() };
        let snapshot = source.sample(&subscription).into();
        let sampled = began.elapsed();
        assert_eq!(tasks_of(&snapshot), count);
        // Alternating order, because the second model finds the snapshot in the cache.
        let (mut first, mut second) = (&mut with_rules, &mut without_rules);
        if sample % 2 == 1 {
            (first, second) = (second, first);
        }
        let mut times = [timed(first, &snapshot), timed(second, &snapshot)];
        if sample % 2 == 1 {
            times.reverse();
        }
        let began = Instant::now();
        let refresh = Refresh::new(&with_rules, app.row_query().clone());
        let copied = began.elapsed();
        // Dropped on the thread that created it, after the screen shows the next one.
        let previous = shown.replace(Arc::clone(&refresh.model));
        let began = Instant::now();
        app.advance(refresh, Duration::ZERO);
        let refreshed = began.elapsed();
        drop(previous);
        let began = Instant::now();
        app.key(KeyEvent::from(KeyCode::Down), Duration::ZERO);
        app.set_viewport(screens::viewport(&app, Size::new(120, 40)));
        terminal.draw(|frame| drop(screens::render(&app, frame))).unwrap();
        let drawn = began.elapsed();
        if sample >= SAMPLES {
            copies.push(copied);
            refreshes.push(refreshed);
            keys.push(drawn);
            samples.push(sampled);
            rules_on.push(times[0]);
            rules_off.push(times[1]);
        }
    }
    let (sample, on, off) = (median(samples), median(rules_on), median(rules_off));
    let rules = on.saturating_sub(off);
    println!(
        "| {count} | {sample:.2?} | {off:.2?} | {rules:.2?} | {:.0} ns | {:.2?} | {:.2?} | {:.2?} |",
        rules.as_nanos() as f64 / count as f64,
        median(copies),
        median(refreshes),
        median(keys)
    );
}

fn tasks_of(snapshot: &Snapshot) -> usize {
    snapshot.targets[0].tasks.len()
}

fn timed(model: &mut Model, snapshot: &Snapshot) -> Duration {
    let began = Instant::now();
    model.advance(snapshot);
    began.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Returns pending at each poll.
async fn forever() {
    loop {
        let mut has_yielded = false;
        std::future::poll_fn(|_| match std::mem::replace(&mut has_yielded, true) {
            false => Poll::Pending,
            true => Poll::Ready(()),
        })
        .await;
    }
}
