//! A program that handles the watchdog's signal itself, with a handler installed before or after the
//! watchdog's.
#![cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
#![allow(unsafe_code)]

use std::{
    ptr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
};

use asynctop_probe::{
    Registry,
    watch::{WatchOptions, Watchdog},
};

use crate::support::{in_own_process, wait_until};

static HANDLED: AtomicU64 = AtomicU64::new(0);

extern "C" fn count(_signal: i32) {
    HANDLED.fetch_add(1, SeqCst);
}

fn install(handler: usize) {
    // SAFETY: the handler only counts.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler;
        action.sa_flags = libc::SA_RESTART;
        assert_eq!(libc::sigaction(libc::SIGURG, &raw const action, ptr::null_mut()), 0);
    }
}

/// Stops the hog, also if the test fails: the runtime waits for its end.
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

#[test]
fn previous_handler_receives_only_the_signals_of_the_program() {
    in_own_process(|| {
        install(count as extern "C" fn(i32) as usize);
        let registry = Registry::leak();
        let watchdog = Watchdog::start(registry, WatchOptions::default()).unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let is_stopped = stop.clone();
        let stop = Stop(stop);
        let hog = registry.instrument_task("hog", async move {
            while !is_stopped.load(SeqCst) {
                std::hint::spin_loop();
            }
        });
        let key = hog.key();
        runtime.spawn(hog);
        let handle = watchdog.handle();
        let captures = || handle.current(key).map_or(0, |poll| poll.captures());
        wait_until("five stacks are captured", || captures() >= 5);
        assert_eq!(HANDLED.load(SeqCst), 0, "the watchdog's signals are not passed on");

        for sent in 1..=50 {
            // SAFETY: a signal to this process, which handles it.
            unsafe { libc::kill(libc::getpid(), libc::SIGURG) };
            wait_until("the program has handled its signal", || HANDLED.load(SeqCst) >= sent);
            assert_eq!(HANDLED.load(SeqCst), sent, "once per signal");
        }
        // Also on the thread of the hog, where the kernel may merge it with a pending signal of the
        // watchdog.
        let thread = handle.current(key).unwrap().os_id.unwrap();
        wait_until("the program has handled fifty more", || {
            // SAFETY: a signal to a thread of this process, which handles it.
            unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, libc::SIGURG) };
            HANDLED.load(SeqCst) >= 100
        });
        let before = captures();
        wait_until("more stacks are captured", || captures() > before + 1);

        // A later handler that does not call the watchdog's: no stacks, with a reason.
        install(libc::SIG_IGN);
        drop(stop);
        wait_until("the poll has ended", || handle.current(key).is_none());
        let is_stopped = Arc::new(AtomicBool::new(false));
        let _stop = Stop(is_stopped.clone());
        let hog = registry.instrument_task("hog", async move {
            while !is_stopped.load(SeqCst) {
                std::hint::spin_loop();
            }
        });
        let key = hog.key();
        runtime.spawn(hog);
        wait_until("there is a reason", || {
            let poll = handle.records().into_iter().find(|poll| poll.task == key);
            let why = poll.and_then(|poll| poll.no_stack.clone());
            why.is_some_and(|why| why.contains("has replaced the watchdog's signal handler"))
        });
    });
}
