//! Tests that fail as they should: what `asynctop_probe::testing` says of a blocked worker and of
//! a test that hangs, and that it says nothing of the innocent.

use std::{
    hint::black_box,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use asynctop_probe::testing::{self, Check};
use tokio::{
    runtime::{Builder, Runtime},
    sync::oneshot,
    task::yield_now,
    time::sleep,
};

use crate::support::{in_own_process, own_process};

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn multi_thread() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// What a test that fails says.
fn failure(runtime: &Runtime, test: impl Future<Output = ()>) -> String {
    let failed = catch_unwind(AssertUnwindSafe(|| runtime.block_on(test))).unwrap_err();
    failed.downcast_ref::<String>().expect("a sentence").clone()
}

/// Nobody's poll takes this long, however busy the machine is.
const GENEROUS: Duration = Duration::from_secs(60);
/// Longer than any of the polls that are not meant, on a machine that is slow.
const LIMIT: Duration = Duration::from_millis(500);

const NAP: std::ops::Range<u32> = line!()..line!() + 4;
#[inline(never)]
fn nap() {
    thread::sleep(Duration::from_millis(1500));
}

fn names_the_nap(said: &str) {
    assert!(said.contains("blocked its worker for "), "{said}");
    assert!(said.contains("the limit is 500ms"), "{said}");
    if cfg!(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))) {
        assert!(said.contains("sleeping in clock_nanosleep"), "{said}");
        let mut lines =
            NAP.map(|line| format!("testing::nap at tests/probe/watch/testing.rs:{line}"));
        assert!(lines.any(|line| said.contains(&line)), "{said}");
    }
}

#[test]
fn a_test_that_blocks_is_told_where() {
    let said = failure(&current_thread(), testing::run(LIMIT, async { nap() }));
    assert!(said.starts_with("the test blocked its worker"), "{said}");
    names_the_nap(&said);
}

#[test]
fn a_task_that_blocks_is_told_with_its_name() {
    for runtime in [current_thread(), multi_thread()] {
        let said = failure(
            &runtime,
            testing::run(LIMIT, async {
                asynctop_probe::spawn_named("sleeper", async { nap() }).await.unwrap();
            }),
        );
        assert!(said.starts_with(concat!("sleeper (spawned at ", file!(), ":")), "{said}");
        names_the_nap(&said);
    }
}

/// Blocks when it is dropped.
struct Flush;

impl Drop for Flush {
    fn drop(&mut self) {
        nap();
    }
}

#[test]
fn a_destructor_that_blocks_is_reported_as_a_drop() {
    for runtime in [current_thread(), multi_thread()] {
        let report = failure(
            &runtime,
            testing::run(LIMIT, async {
                let flush = Flush;
                let writer = asynctop_probe::spawn_named("writer", async move {
                    let _flush = flush;
                    std::future::pending::<()>().await;
                });
                yield_now().await;
                writer.abort();
                let _ = writer.await;
            }),
        );
        assert!(report.starts_with(concat!("writer (spawned at ", file!(), ":")), "{report}");
        let how = "blocked its worker while its future was dropped, for ";
        assert!(report.contains(how), "{report}");
        names_the_nap(&report.replace(how, "blocked its worker for "));
    }
}

#[test]
fn the_innocent_pass_with_what_they_return() {
    for runtime in [current_thread(), multi_thread()] {
        let answer = runtime.block_on(testing::run(GENEROUS, async {
            let tasks = (0..50).map(|n| {
                asynctop_probe::spawn(async move {
                    sleep(Duration::from_millis(1)).await;
                    yield_now().await;
                    n
                })
            });
            let mut sum = 0;
            for task in tasks.collect::<Vec<_>>() {
                sum += task.await.unwrap();
            }
            sum
        }));
        assert_eq!(answer, 49 * 50 / 2);
    }
}

/// Computes for this long by the clock.
fn compute(time: Duration) {
    let began = Instant::now();
    while began.elapsed() < time {
        for n in 0..1000 {
            black_box(n);
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn time_without_a_cpu_does_not_fail_a_test() {
    let stop = Arc::new(AtomicBool::new(false));
    let cpus = thread::available_parallelism().unwrap().get();
    // Four more threads compete for each CPU: a poll of 10 ms takes 50 ms on average.
    let busy: Vec<_> = (0..4 * cpus)
        .map(|_| {
            let stop = stop.clone();
            thread::spawn(move || {
                while !stop.load(Relaxed) {
                    black_box(0);
                }
            })
        })
        .collect();
    current_thread().block_on(testing::run(Duration::from_millis(60), async {
        for _ in 0..20 {
            let polled = asynctop_probe::spawn(async { compute(Duration::from_millis(10)) });
            polled.await.unwrap();
        }
    }));
    stop.store(true, Relaxed);
    busy.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn a_test_that_panics_fails_with_its_own_words() {
    let test = async {
        nap();
        panic!("{}", "its own words".to_owned());
    };
    assert_eq!(failure(&current_thread(), testing::run(LIMIT, test)), "its own words");
    // And the next one is not accused of it.
    current_thread().block_on(testing::run(LIMIT, yield_now()));
}

const WAIT: u32 = line!() + 2;
async fn wait_for_ever(never: oneshot::Receiver<()>) {
    let _ = never.await;
}

fn says_where_all_wait(said: &str) {
    assert!(said.starts_with("the test hangs: it has not ended after 300ms"), "{said}");
    assert!(said.contains("the test: idle for"), "{said}");
    assert!(said.contains(concat!("waiter (spawned at ", file!(), ":")), "{said}");
    assert!(said.contains(", for a reply): idle for"), "{said}");
    if cfg!(all(tokio_unstable, target_os = "linux")) {
        // A oneshot's receiver does not tell; a sleep does.
        assert!(said.contains("waits in "), "{said}");
        assert!(said.contains("testing::naps at tests/probe/watch/testing.rs:"), "{said}");
    }
    let _ = WAIT;
}

async fn naps() {
    sleep(Duration::from_secs(3600)).await;
}

#[test]
fn a_test_that_hangs_says_where_all_wait() {
    in_own_process(|| {
        for runtime in [current_thread(), multi_thread()] {
            let check = Check::new(GENEROUS).hang_after(Duration::from_millis(300));
            let said = failure(
                &runtime,
                check.run(async {
                    let (_sender, never) = oneshot::channel();
                    asynctop_probe::spawn_named("napper", naps());
                    let waiter = asynctop_probe::spawn_named("waiter", async {
                        asynctop_probe::stage("for a reply");
                        wait_for_ever(never).await;
                    });
                    let _ = waiter.await;
                }),
            );
            says_where_all_wait(&said);
        }
    });
}

#[test]
fn a_test_whose_thread_is_held_ends_all_the_same() {
    let held = own_process(|| {
        let check = Check::new(GENEROUS).hang_after(Duration::from_millis(300));
        current_thread().block_on(check.run(async {
            loop {
                nap();
            }
        }));
    });
    let Some(mut held) = held else { return };
    let output = held.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(101), "{said}");
    assert!(said.contains("the test hangs"), "{said}");
    assert!(said.contains("the test: polling for"), "{said}");
}
