//! Programs that use the watchdog and handle signals with `tokio::signal`.
#![cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
#![allow(unsafe_code)]

use std::{
    hint::spin_loop,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use asynctop_probe::{
    Registry,
    watch::{WatchOptions, Watchdog},
};
use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{Signal, SignalKind, signal},
};

use crate::support::{in_own_process, wait_until};

/// A runtime whose workers are blocked most of the time, until it is dropped.
struct Load {
    runtime: Runtime,
    stop: Arc<AtomicBool>,
}

impl Load {
    /// Starts two workers with a blocking task each; returns the ids of their threads.
    fn start(registry: &'static Registry) -> (Load, Vec<i32>) {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let (ready, threads) = mpsc::channel();
        for _ in 0..2 {
            let (stop, ready) = (stop.clone(), ready.clone());
            runtime.spawn(registry.instrument_task("hog", async move {
                // SAFETY: no arguments, cannot fail.
                ready.send(unsafe { libc::gettid() }).unwrap();
                while !stop.load(SeqCst) {
                    let until = Instant::now() + Duration::from_millis(50);
                    while Instant::now() < until {
                        spin_loop();
                    }
                    tokio::task::yield_now().await;
                }
            }));
        }
        let threads = threads.iter().take(2).collect();
        (Load { runtime, stop }, threads)
    }

    fn listen(&self, number: i32) -> Signal {
        let _runtime = self.runtime.enter();
        signal(SignalKind::from_raw(number)).unwrap()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, SeqCst);
    }
}

fn send(thread: i32, number: i32) {
    // SAFETY: a signal to a thread of this process, which handles it.
    unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, number) };
}

/// Sends `number` to a thread until the listener receives it.
fn assert_receives(load: &Load, mut listener: Signal, thread: i32, number: i32) {
    let received = load.runtime.spawn(async move { listener.recv().await });
    while !received.is_finished() {
        send(thread, number);
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(load.runtime.block_on(received).unwrap(), Some(()));
}

/// Waits for ten more captures.
fn wait_for_captures(watchdog: &Watchdog) {
    let handle = watchdog.handle();
    let before = handle.stats().captured;
    wait_until("stacks are captured", || handle.stats().captured >= before + 10);
}

#[test]
fn twenty_thousand_signals_affect_neither_the_program_nor_the_watchdog() {
    in_own_process(|| {
        let registry = Registry::leak();
        let (load, threads) = Load::start(registry);
        // The handlers are installed before the watchdog's.
        let listeners = [libc::SIGWINCH, libc::SIGCONT, libc::SIGURG]
            .map(|number| (number, load.listen(number)));
        let watchdog = Watchdog::start(registry, WatchOptions::default()).unwrap();
        assert_eq!(watchdog.handle().no_stacks(), None);
        wait_for_captures(&watchdog);
        for iteration in 0..20_000 {
            for number in [libc::SIGWINCH, libc::SIGCONT, libc::SIGURG] {
                send(threads[iteration % 2], number);
            }
        }
        wait_for_captures(&watchdog);
        for (number, listener) in listeners {
            assert_receives(&load, listener, threads[0], number);
        }
    });
}

#[test]
fn listener_installed_after_the_watchdog_and_the_watchdog_both_work() {
    in_own_process(|| {
        let registry = Registry::leak();
        let number = libc::SIGUSR2;
        let options = WatchOptions { signal: number, ..WatchOptions::default() };
        let watchdog = Watchdog::start(registry, options).unwrap();
        assert_eq!(watchdog.handle().no_stacks(), None);
        let (load, threads) = Load::start(registry);
        wait_for_captures(&watchdog);
        let listener = load.listen(number);
        wait_for_captures(&watchdog);
        assert_receives(&load, listener, threads[0], number);
        wait_for_captures(&watchdog);
        // Each check of `testing` starts a watchdog.
        let options = WatchOptions { signal: number, ..WatchOptions::default() };
        let second = Watchdog::start(registry, options).unwrap();
        assert_eq!(second.handle().no_stacks(), None);
        assert_receives(&load, load.listen(number), threads[0], number);
        wait_for_captures(&second);
        wait_for_captures(&watchdog);
    });
}

#[test]
fn threads_unmap_their_signal_stacks() {
    in_own_process(|| {
        let registry = Registry::leak();
        let mappings = || std::fs::read_to_string("/proc/self/maps").unwrap().lines().count();
        let poll_on_a_thread = || {
            let poll = || {
                Builder::new_current_thread()
                    .build()
                    .unwrap()
                    .block_on(registry.instrument("short", async {}))
            };
            thread::spawn(poll).join().unwrap();
        };
        poll_on_a_thread();
        let before = mappings();
        (0..500).for_each(|_| poll_on_a_thread());
        let after = mappings();
        assert!(after < before + 500, "{before} mappings, then {after}");
    });
}
