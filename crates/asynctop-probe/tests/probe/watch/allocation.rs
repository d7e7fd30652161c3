//! The watchdog's signal handler may interrupt an allocation, so it must not allocate.
//!
//! The allocator is that of all tests of this binary, but counts only the calls of one thread.

#![cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
#![allow(unsafe_code, reason = "a counting allocator")]

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

/// The system's allocator, with a count of the calls of one thread.
struct Counting;

/// The thread whose calls are counted; 0 for none.
static COUNTED_THREAD: AtomicI32 = AtomicI32::new(0);
static CALLS: AtomicU64 = AtomicU64::new(0);

fn count() {
    let counted = COUNTED_THREAD.load(SeqCst);
    // SAFETY: no arguments, cannot fail.
    if counted != 0 && counted == unsafe { libc::gettid() } {
        CALLS.fetch_add(1, SeqCst);
    }
}

// SAFETY: calls the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: guaranteed by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count();
        // SAFETY: guaranteed by the caller.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn handler_does_not_allocate() {
    let registry = Registry::leak();
    let watchdog = Watchdog::start(registry, WatchOptions::default()).expect("a thread");
    let handle = watchdog.handle().clone();
    let hog = pin!(registry.instrument("hog", async {
        // SAFETY: no arguments, cannot fail.
        COUNTED_THREAD.store(unsafe { libc::gettid() }, SeqCst);
        // The loop does not allocate, so only allocations of the handler are counted.
        while handle.stats().captured < 20 {
            spin_loop();
        }
        let calls = CALLS.load(SeqCst);
        drop(black_box(Box::new(1)));
        COUNTED_THREAD.store(0, SeqCst);
        (calls, CALLS.load(SeqCst))
    }));
    let mut context = Context::from_waker(Waker::noop());
    let std::task::Poll::Ready((calls, with_box)) = hog.poll(&mut context) else {
        panic!("it awaits nothing");
    };
    assert_eq!(calls, 0, "the handler has called the allocator");
    assert_eq!(with_box, 2, "the box is counted when it is allocated and when it is freed");
}
