//! A program that uses the watchdog's signal itself, before and after the watchdog came.
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

static OURS: AtomicU64 = AtomicU64::new(0);

extern "C" fn count(_signal: i32) {
    OURS.fetch_add(1, SeqCst);
}

fn set(handler: usize) {
    // SAFETY: the handler only counts.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler;
        action.sa_flags = libc::SA_RESTART;
        assert_eq!(libc::sigaction(libc::SIGURG, &raw const action, ptr::null_mut()), 0);
    }
}

/// Ends the hog, also when the test fails: the runtime waits for it.
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

#[test]
fn a_handler_that_was_there_gets_its_signals_and_none_of_ours() {
    in_own_process(|| {
        set(count as extern "C" fn(i32) as usize);
        let registry = Registry::leak();
        let watchdog = Watchdog::start(registry, WatchOptions::default()).unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let its = stop.clone();
        let stop = Stop(stop);
        let hog = registry.instrument_task("hog", async move {
            while !its.load(SeqCst) {
                std::hint::spin_loop();
            }
        });
        let key = hog.key();
        runtime.spawn(hog);
        let handle = watchdog.handle();
        let captures = || handle.current(key).map_or(0, |poll| poll.captures());
        wait_until("five stacks are captured", || captures() >= 5);
        assert_eq!(OURS.load(SeqCst), 0, "the watchdog's signals are not the program's");

        for sent in 1..=50 {
            // SAFETY: a signal to this process, which handles it.
            unsafe { libc::kill(libc::getpid(), libc::SIGURG) };
            wait_until("the program has got its signal", || OURS.load(SeqCst) >= sent);
            assert_eq!(OURS.load(SeqCst), sent, "each once");
        }
        // Also on the thread of the hog. There the kernel merges it with a signal of the
        // watchdog's that is just on its way, as it does with any two of one number.
        let thread = handle.current(key).unwrap().os_id.unwrap();
        wait_until("the program has got fifty more", || {
            // SAFETY: a signal to a thread of this process, which handles it.
            unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, libc::SIGURG) };
            OURS.load(SeqCst) >= 100
        });
        let before = captures();
        wait_until("more stacks are captured", || captures() > before + 1);

        // Another handler that does not pass the watchdog's signals on: no stacks, and said.
        set(libc::SIG_IGN);
        drop(stop);
        wait_until("the poll has ended", || handle.current(key).is_none());
        let its = Arc::new(AtomicBool::new(false));
        let _stop = Stop(its.clone());
        let hog = registry.instrument_task("hog", async move {
            while !its.load(SeqCst) {
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
