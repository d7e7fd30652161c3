//! The watchdog's signal handler may come at any time, also in the middle of an allocation: it
//! allocates nothing itself.
//!
//! The allocator counts for all tests of this binary, but only the calls of one thread.

#![cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
#![allow(unsafe_code, reason = "an allocator that counts")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    future::Future,
    hint::{black_box, spin_loop},
    pin::pin,
    sync::atomic::{AtomicI32, AtomicU64, Ordering::SeqCst},
    task::{Context, Waker},
};

use asynctop_probe::{
    Registry,
    watch::{WatchOptions, Watchdog},
};

/// The system's allocator, which counts what one thread asks of it.
struct Counting;

/// The thread whose calls are counted; 0 for none.
static WATCHED: AtomicI32 = AtomicI32::new(0);
static CALLS: AtomicU64 = AtomicU64::new(0);

fn count() {
    let watched = WATCHED.load(SeqCst);
    // SAFETY: no arguments, cannot fail.
    if watched != 0 && watched == unsafe { libc::gettid() } {
        CALLS.fetch_add(1, SeqCst);
    }
}

// SAFETY: all of it is the system's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn the_handler_allocates_nothing() {
    let registry = Registry::leak();
    let watchdog = Watchdog::start(registry, WatchOptions::default()).expect("a thread");
    let handle = watchdog.handle().clone();
    let hog = pin!(registry.instrument("hog", async {
        // SAFETY: no arguments, cannot fail.
        WATCHED.store(unsafe { libc::gettid() }, SeqCst);
        // Nothing in here allocates, so what is counted is the handler's.
        while handle.stats().captured < 20 {
            spin_loop();
        }
        let calls = CALLS.load(SeqCst);
        drop(black_box(Box::new(1)));
        WATCHED.store(0, SeqCst);
        (calls, CALLS.load(SeqCst))
    }));
    let mut context = Context::from_waker(Waker::noop());
    let std::task::Poll::Ready((calls, with_mine)) = hog.poll(&mut context) else {
        panic!("it awaits nothing");
    };
    assert_eq!(calls, 0, "the handler has called the allocator");
    assert_eq!(with_mine, 2, "a box is counted when it comes and when it goes");
}
