//! `asynctop_probe::testing`: the messages of tests that block a worker or hang, and tests that pass.

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

/// The message of a test that fails.
fn failure(runtime: &Runtime, test: impl Future<Output = ()>) -> String {
    let panic = catch_unwind(AssertUnwindSafe(|| runtime.block_on(test))).unwrap_err();
    panic.downcast_ref::<String>().expect("a message").clone()
}

/// No poll takes this long, however busy the machine is.
const GENEROUS: Duration = Duration::from_secs(60);
/// Longer than any other poll, even on a slow machine.
const LIMIT: Duration = Duration::from_millis(500);

const NAP: std::ops::Range<u32> = line!()..line!() + 4;
#[inline(never)]
fn nap() {
    thread::sleep(Duration::from_millis(1500));
}

fn assert_names_the_nap(message: &str) {
    assert!(message.contains("blocked its worker for "), "{message}");
    assert!(message.contains("the limit is 500ms"), "{message}");
    if cfg!(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))) {
        assert!(message.contains("sleeping in clock_nanosleep"), "{message}");
        let mut lines = NAP.map(|line| format!("testing::nap at {}:{line}", file!()));
        assert!(lines.any(|line| message.contains(&line)), "{message}");
    }
}

#[test]
fn message_names_the_line_of_a_test_that_blocks() {
    let message = failure(&current_thread(), testing::run(LIMIT, async { nap() }));
    assert!(message.starts_with("the test blocked its worker"), "{message}");
    assert_names_the_nap(&message);
}

#[test]
fn message_names_a_task_that_blocks() {
    for runtime in [current_thread(), multi_thread()] {
        let message = failure(
            &runtime,
            testing::run(LIMIT, async {
                asynctop_probe::spawn_named("sleeper", async { nap() }).await.unwrap();
            }),
        );
        assert!(message.starts_with(concat!("sleeper (spawned at ", file!(), ":")), "{message}");
        assert_names_the_nap(&message);
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
fn message_reports_a_destructor_that_blocks_as_a_drop() {
    for runtime in [current_thread(), multi_thread()] {
        let message = failure(
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
        assert!(message.starts_with(concat!("writer (spawned at ", file!(), ":")), "{message}");
        let effect = "blocked its worker while its future was dropped, for ";
        assert!(message.contains(effect), "{message}");
        assert_names_the_nap(&message.replace(effect, "blocked its worker for "));
    }
}

#[test]
fn run_returns_the_output_of_a_test_that_does_not_block() {
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

/// Computes for this long in wall-clock time.
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
fn run_does_not_count_time_without_a_cpu() {
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
fn task_of_plain_spawn_that_blocks_a_current_thread_runtime_is_reported() {
    let test = async {
        tokio::spawn(async { nap() }).await.unwrap();
    };
    let message = failure(&current_thread(), testing::run(LIMIT, test));
    assert!(message.starts_with("code that is not measured, such as a task of plain"), "{message}");
    assert_names_the_nap(&message);
    assert!(!message.contains("std::"), "only frames of the test's code: {message}");
}

#[test]
fn measured_polls_are_not_reported_as_code_that_is_not_measured() {
    current_thread().block_on(testing::run(GENEROUS, async {
        for _ in 0..20 {
            asynctop_probe::spawn(async { compute(Duration::from_millis(5)) }).await.unwrap();
        }
    }));
    let test = async {
        asynctop_probe::spawn_named("sleeper", async { nap() }).await.unwrap();
    };
    let message = failure(&current_thread(), testing::run(LIMIT, test));
    assert!(!message.contains("not measured"), "{message}");
}

#[test]
fn message_has_the_stage_of_the_poll() {
    let message = failure(
        &current_thread(),
        testing::run(LIMIT, async {
            let task = asynctop_probe::spawn_named("reader", async {
                asynctop_probe::stage("reads");
                nap();
                asynctop_probe::stage("writes");
            });
            task.await.unwrap();
        }),
    );
    assert!(message.contains(" in its stage \"reads\""), "{message}");
}

#[test]
fn run_passes_on_the_panic_of_the_test() {
    let test = async {
        nap();
        panic!("{}", "its own message".to_owned());
    };
    assert_eq!(failure(&current_thread(), testing::run(LIMIT, test)), "its own message");
    // The next test does not report that poll.
    current_thread().block_on(testing::run(LIMIT, yield_now()));
}

fn assert_names_all_waiting_tasks(message: &str) {
    assert!(message.starts_with("the test hangs: it has not ended after 300ms"), "{message}");
    assert!(message.contains("the test: idle for"), "{message}");
    assert!(message.contains(concat!("waiter (spawned at ", file!(), ":")), "{message}");
    assert!(message.contains("), for a reply: idle for"), "{message}");
    if cfg!(all(tokio_unstable, target_os = "linux")) {
        // A sleep is traced; the receiver of a oneshot is not.
        assert!(message.contains("waits in "), "{message}");
        assert!(message.contains(concat!("testing::sleep_long at ", file!(), ":")), "{message}");
    }
}

async fn sleep_long() {
    sleep(Duration::from_secs(3600)).await;
}

#[test]
fn message_lists_the_tasks_of_a_test_that_hangs() {
    in_own_process(|| {
        for runtime in [current_thread(), multi_thread()] {
            let check = Check::new(GENEROUS).hang_after(Duration::from_millis(300));
            let message = failure(
                &runtime,
                check.run(async {
                    let (_sender, never) = oneshot::channel::<()>();
                    asynctop_probe::spawn_named("sleeper", sleep_long());
                    let waiter = asynctop_probe::spawn_named("waiter", async {
                        asynctop_probe::stage("for a reply");
                        let _ = never.await;
                    });
                    let _ = waiter.await;
                }),
            );
            assert_names_all_waiting_tasks(&message);
        }
    });
}

#[test]
fn checks_on_one_thread_run_one_after_the_other() {
    current_thread().block_on(async {
        let check = |answer| {
            testing::run(GENEROUS, async move {
                sleep(Duration::from_millis(1)).await;
                answer
            })
        };
        assert_eq!(tokio::join!(check(1), check(2)), (1, 2));
    });
}

#[test]
fn hang_message_lists_groups_of_tasks_and_the_offender_first() {
    let hanging = own_process(|| {
        let check = Check::new(Duration::from_millis(100)).hang_after(Duration::from_secs(2));
        current_thread().block_on(check.run(async {
            for n in 0..200 {
                asynctop_probe::spawn_named(&format!("conn-{n}"), sleep_long());
            }
            sleep(Duration::from_millis(1)).await;
            asynctop_probe::spawn_named("blocker", async {
                loop {
                    nap();
                }
            });
            std::future::pending::<()>().await
        }));
    });
    let Some(mut hanging) = hanging else { return };
    let output = hanging.output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    let at = |text: &str| message.find(text).unwrap_or_else(|| panic!("no {text}: {message}"));
    assert!(at("blocker (spawned at") < at("conn-"), "{message}");
    assert!(message.contains("and 199 more: idle for up to"), "{message}");
    assert!(message.len() < 10_000, "{message}");
}

#[test]
fn hang_ends_the_process_if_the_thread_of_the_test_is_blocked() {
    let blocked = own_process(|| {
        let check = Check::new(GENEROUS).hang_after(Duration::from_millis(300));
        current_thread().block_on(check.run(async {
            loop {
                nap();
            }
        }));
    });
    let Some(mut blocked) = blocked else { return };
    let output = blocked.output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(101), "{message}");
    assert!(message.contains("the test hangs"), "{message}");
    assert!(message.contains("the test: polling for"), "{message}");
}

#[test]
fn hang_ends_the_process_if_the_runtime_cannot_be_dropped() {
    let blocked = own_process(|| {
        let check = Check::new(GENEROUS).hang_after(Duration::from_millis(300));
        multi_thread().block_on(check.run(async {
            asynctop_probe::spawn_named("blocker", async {
                loop {
                    nap();
                }
            });
            std::future::pending::<()>().await
        }));
    });
    let Some(mut blocked) = blocked else { return };
    let output = blocked.output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(101), "{message}");
    assert!(message.contains("blocker (spawned at"), "{message}");
}

#[test]
fn tasks_that_an_earlier_check_has_left_do_not_count() {
    in_own_process(|| {
        let first = multi_thread();
        first.block_on(testing::run(LIMIT, async {
            let flush = Flush;
            asynctop_probe::spawn(async move {
                let _flush = flush;
                std::future::pending::<()>().await;
            });
        }));
        current_thread().block_on(testing::run(LIMIT, async {
            let dropping = thread::spawn(move || drop(first));
            while !dropping.is_finished() {
                sleep(Duration::from_millis(1)).await;
            }
        }));
    });
}
