//! Await points of idle tasks: a query finds them with their lines and does not affect the task.
//!
//! Each test runs in a separate process: a query needs several of the process's few mailboxes.

#![cfg_attr(
    not(all(tokio_unstable, feature = "await-points")),
    allow(dead_code, unused_imports, reason = "await points require both")
)]
#![cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]

use std::{thread, time::Duration};

use asynctop_probe::{
    Reading, Registry, State,
    watch::{AwaitPoint, AwaitState, WatchOptions, Watchdog},
};
use tokio::{
    runtime::{Builder, Runtime},
    sync::mpsc,
    time::sleep,
};

use crate::support::{TIMEOUT, in_own_process, wait_for};

struct Setup {
    registry: &'static Registry,
    watchdog: Watchdog,
    runtime: Runtime,
}

impl Setup {
    fn new() -> Self {
        let registry = Registry::leak();
        let watchdog = Watchdog::start(registry, WatchOptions::default()).unwrap();
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Setup { registry, watchdog, runtime }
    }

    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> u64 {
        let task = self.registry.instrument_task("task", future);
        let key = task.key();
        self.runtime.spawn(task);
        wait_for(|| (self.reading(key)?.state == State::Idle).then_some(()));
        key
    }

    fn reading(&self, key: u64) -> Option<Reading> {
        let mut found = None;
        self.registry.scan(self.registry.now(), |task| {
            if task.key() == key {
                found = Some(task.reading);
            }
        });
        found
    }

    /// The statistics of an idle task, without those that grow while it is idle.
    fn idle_stats(&self, key: u64) -> Reading {
        let reading = wait_for(|| self.reading(key).filter(|now| now.state == State::Idle));
        Reading { lifetime: 0, idle: 0, ..reading }
    }

    /// Runs the scheduled tasks of the only worker.
    fn run_scheduled(&self) {
        let yields = async {
            for _ in 0..16 {
                tokio::task::yield_now().await;
            }
        };
        self.runtime.block_on(self.runtime.spawn(yields)).unwrap();
    }

    fn answer(&self, key: u64) -> AwaitPoint {
        let handle = self.watchdog.handle();
        wait_for(|| handle.await_point(key).filter(|point| point.state != AwaitState::Requested))
    }

    /// Repeats the query until it succeeds: the number of mailboxes is limited.
    fn query(&self, key: u64) -> Vec<String> {
        wait_for(|| {
            self.watchdog.handle().request_await_point(key);
            let point = self.answer(key);
            matches!(point.state, AwaitState::At(_)).then(|| point.lines())
        })
    }
}

const NAP: u32 = line!() + 2;
async fn nap() {
    sleep(Duration::from_secs(3600)).await;
}

const OUTER: u32 = line!() + 2;
async fn outer() {
    nap().await;
}

#[cfg(all(tokio_unstable, feature = "await-points"))]
mod traced {
    use super::*;

    #[test]
    fn await_point_has_the_chain_of_awaits_with_their_lines() {
        in_own_process(|| {
            let setup = Setup::new();
            let lines = setup.query(setup.spawn(outer()));
            assert!(lines[0].starts_with("waits in Sleep::poll"), "{lines:#?}");
            assert_eq!(lines[1], format!("  awaits::nap at {}:{NAP}", file!()), "{lines:#?}");
            assert_eq!(lines[2], format!("  awaits::outer at {}:{OUTER}", file!()), "{lines:#?}");
        });
    }

    #[test]
    fn query_does_not_affect_the_task_or_its_statistics() {
        in_own_process(|| {
            let setup = Setup::new();
            let (sender, mut receiver) = mpsc::channel(1);
            let (done, is_done) = std::sync::mpsc::channel();
            let key = setup.spawn(async move {
                while let Some(n) = receiver.recv().await {
                    done.send(n).unwrap();
                }
            });
            for n in 0..20 {
                let before = setup.idle_stats(key);
                setup.query(key);
                // Tokio may poll it once more, and such a poll would be counted.
                setup.run_scheduled();
                assert_eq!(setup.idle_stats(key), before, "the same as without the query");
                sender.blocking_send(n).unwrap();
                assert_eq!(is_done.recv_timeout(TIMEOUT), Ok(n));
                wait_for(|| setup.reading(key).filter(|now| now.state == State::Idle));
            }
            drop(sender);
            wait_for(|| (setup.reading(key)?.state == State::Completed).then_some(()));
        });
    }

    #[test]
    fn query_of_a_nested_measured_future_is_not_counted() {
        in_own_process(|| {
            let setup = Setup::new();
            let (inner, neighbor) = (
                setup.registry.instrument("inner", outer()),
                setup.registry.instrument("neighbor", nap()),
            );
            let (inner_key, neighbor_key) = (inner.key(), neighbor.key());
            let key = setup.spawn(async {
                tokio::join!(inner, neighbor);
            });
            let keys = [key, inner_key, neighbor_key];
            let before = keys.map(|key| setup.idle_stats(key));
            for queried in keys {
                setup.query(queried);
                setup.run_scheduled();
                assert_eq!(keys.map(|key| setup.idle_stats(key)), before, "{queried} was queried");
            }
            let threads = setup.registry.threads(setup.registry.now());
            let (polls, busy) = threads
                .iter()
                .fold((0, 0), |sum, thread| (sum.0 + thread.polls, sum.1 + thread.busy));
            let counted: u64 = before.iter().map(|stats| stats.polls).sum();
            assert_eq!(polls, counted);
            assert_eq!(
                busy,
                setup.reading(key).unwrap().busy,
                "the polls of the others are nested in its polls"
            );
        });
    }

    #[test]
    fn wake_during_a_query_is_counted() {
        in_own_process(|| {
            let setup = Setup::new();
            let (sender, mut receiver) = mpsc::channel(1);
            let (done, is_done) = std::sync::mpsc::channel();
            let key = setup.spawn(async move {
                while let Some(()) = receiver.recv().await {
                    done.send(()).unwrap();
                }
            });
            let before = setup.idle_stats(key);
            for _ in 0..100 {
                thread::scope(|scope| {
                    scope.spawn(|| setup.watchdog.handle().request_await_point(key));
                    sender.blocking_send(()).unwrap();
                });
                is_done.recv_timeout(TIMEOUT).unwrap();
            }
            let after = wait_for(|| setup.reading(key).filter(|now| now.state == State::Idle));
            assert!(after.wakes - before.wakes >= 1, "{after:?}");
            assert_eq!(after.lifetime, after.busy + after.scheduled + after.idle);
        });
    }

    #[test]
    fn all_branches_of_a_select_are_await_points() {
        in_own_process(|| {
            let setup = Setup::new();
            let key = setup.spawn(async {
                let (_sender, mut receiver) = mpsc::channel::<()>(1);
                tokio::select! {
                    () = nap() => {}
                    _ = receiver.recv() => {}
                }
            });
            let lines = setup.query(key).join("\n");
            assert_eq!(lines.matches("waits in").count(), 2, "{lines}");
            assert!(lines.contains("waits in Sleep::poll"), "{lines}");
            assert!(lines.contains("waits in Receiver::recv"), "{lines}");
        });
    }

    #[test]
    fn future_of_another_crate_has_no_await_point() {
        in_own_process(|| {
            let setup = Setup::new();
            let key = setup.spawn(std::future::pending());
            assert_not_traced(&setup.query(key));
        });
    }

    fn assert_not_traced(lines: &[String]) {
        let [line] = lines else { panic!("{lines:#?}") };
        assert!(line.starts_with("– await point unknown: it awaits a future that"), "{line}");
    }

    #[test]
    fn future_of_tokio_is_named_or_reported_as_not_traced() {
        in_own_process(|| {
            let setup = Setup::new();
            let accepts = setup.spawn(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                listener.accept().await.unwrap();
            });
            let receives = setup.spawn(async {
                let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
                socket.recv_from(&mut [0]).await.unwrap();
            });
            let joins = setup.spawn(async {
                let mut set = tokio::task::JoinSet::new();
                set.spawn(std::future::pending::<()>());
                set.join_next().await;
            });
            for (key, name) in [(accepts, "accept"), (receives, "recv_from"), (joins, "join_next")]
            {
                let lines = setup.query(key);
                match lines[0].contains(name) && lines[0].starts_with("waits in ") {
                    true => {}
                    false => assert_not_traced(&lines),
                }
            }
        });
    }

    #[test]
    fn future_in_a_join_is_named() {
        in_own_process(|| {
            let setup = Setup::new();
            let key = setup.spawn(async {
                let long = Duration::from_secs(3600);
                tokio::join!(sleep(long), sleep(long));
            });
            let lines = setup.query(key);
            assert!(lines[0].starts_with("waits in Sleep::poll"), "{lines:#?}");
            let key = setup.spawn(async {
                let sleeps = (0..2).map(|_| sleep(Duration::from_secs(3600)));
                futures_util::future::join_all(sleeps).await;
            });
            let lines = setup.query(key);
            assert!(lines[0].starts_with("waits in Sleep::poll"), "{lines:#?}");
        });
    }

    #[test]
    fn concurrent_queries_keep_statistics_coherent() {
        in_own_process(|| {
            let setup = Setup::new();
            let keys: Vec<_> = (0..50).map(|_| setup.spawn(outer())).collect();
            thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| {
                        for key in keys.iter().cycle().take(500) {
                            setup.watchdog.handle().request_await_point(*key);
                        }
                    });
                }
            });
            for key in keys {
                let reading =
                    wait_for(|| setup.reading(key).filter(|now| now.state == State::Idle));
                assert_eq!(reading.lifetime, reading.busy + reading.scheduled + reading.idle);
            }
        });
    }
}

#[test]
fn task_that_is_not_idle_is_not_queried() {
    in_own_process(|| {
        let setup = Setup::new();
        let (stop, is_stopped) = std::sync::mpsc::channel::<()>();
        let task = setup.registry.instrument_task("polls", async move {
            let _ = is_stopped.recv();
        });
        let key = task.key();
        setup.runtime.spawn(task);
        wait_for(|| (setup.reading(key)?.state == State::Polling).then_some(()));
        setup.watchdog.handle().request_await_point(key);
        let AwaitPoint { state: AwaitState::Unavailable(why), .. } = setup.answer(key) else {
            panic!("the task is not idle")
        };
        if cfg!(all(tokio_unstable, feature = "await-points")) {
            assert_eq!(&*why, "the task is not idle");
        }
        drop(stop);
        wait_for(|| (setup.reading(key)?.state == State::Completed).then_some(()));
        setup.watchdog.handle().request_await_point(key);
        assert!(matches!(setup.answer(key).state, AwaitState::Unavailable(_)));
    });
}

#[cfg(not(all(tokio_unstable, feature = "await-points")))]
#[test]
fn without_task_dumps_the_reason_is_reported() {
    in_own_process(|| {
        let setup = Setup::new();
        let key = setup.spawn(outer());
        setup.watchdog.handle().request_await_point(key);
        let lines = setup.answer(key).lines();
        assert!(lines[0].starts_with("– await point unknown: "), "{lines:?}");
        assert_eq!((NAP, OUTER), (NAP, OUTER));
    });
}
