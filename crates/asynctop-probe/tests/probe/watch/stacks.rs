//! Stacks and causes of long polls on a real runtime: blocking tasks are found at the right line and
//! with the right cause, and no other task is captured. Each test waits for the expected result.
#![cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]

use std::{
    hint::black_box,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use asynctop_probe::{
    Registry,
    watch::{
        CallKind, Cause, FrameKind, PollRecord, StackSample, SystemCall, WatchOptions, Watchdog,
    },
};
use tokio::runtime::{Builder, Runtime};

use crate::support::{wait_for, wait_until};

/// A registry with its own watchdog, and a runtime.
struct Setup {
    registry: &'static Registry,
    watchdog: Watchdog,
    runtime: Runtime,
    stop: Arc<AtomicBool>,
}

impl Setup {
    fn new() -> Self {
        let registry = Registry::leak();
        let watchdog = Watchdog::start(registry, WatchOptions::default()).unwrap();
        assert_eq!(watchdog.handle().no_stacks(), None, "stacks are available");
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        Setup { registry, watchdog, runtime, stop: Arc::default() }
    }

    /// Spawns a task whose only poll lasts until `stop` is set.
    fn hog(&self, work: impl FnOnce(Arc<AtomicBool>) + Send + 'static) -> u64 {
        let stop = self.stop.clone();
        let hog = self.registry.instrument_task("hog", async move { work(stop) });
        let key = hog.key();
        self.runtime.spawn(hog);
        key
    }

    /// Waits for a record of the task's running poll that meets a condition, then ends the poll.
    fn until(&self, task: u64, condition: impl Fn(&PollRecord) -> bool) -> Arc<PollRecord> {
        let found =
            wait_for(|| self.watchdog.handle().current(task).filter(|poll| condition(poll)));
        self.stop.store(true, Relaxed);
        found
    }
}

impl Drop for Setup {
    /// Stops the hog, also if the test fails: the runtime waits for its end.
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
    }
}

/// Function, file and line of the offending frame.
fn offending(poll: &PollRecord) -> (String, String, u32) {
    let (stack, _) = poll.stacks.first().expect("a stack");
    let frame = stack.offending_frame().unwrap_or_else(|| panic!("no offending frame in\n{stack}"));
    (frame.name.to_string(), frame.path.as_deref().unwrap().to_owned(), frame.line.unwrap())
}

/// Whether most stacks are in `function`.
fn is_in(poll: &PollRecord, function: &str) -> bool {
    poll.long_poll().function() == Some(function)
}

/// Whether the poll computes, or lacks a CPU on a busy machine.
fn computes(poll: &PollRecord) -> bool {
    matches!(poll.cause(), Cause::Computing | Cause::NoCpu)
}

const SPIN: std::ops::Range<u32> = line!()..line!() + 12;
#[inline(never)]
fn spin(stop: &AtomicBool) -> u64 {
    let mut sum = 1_u64;
    while !stop.load(Relaxed) {
        for i in 0..1000_u64 {
            sum = black_box(sum.wrapping_mul(i | 1).rotate_left(7));
        }
    }
    sum
}

#[test]
fn computing_hog_is_found_at_its_line() {
    let setup = Setup::new();
    let hog = setup.hog(|stop| {
        black_box(spin(&stop));
    });
    let poll = setup.until(hog, |poll| poll.captures() >= 5 && is_in(poll, "stacks::spin"));
    let (function, file, line) = offending(&poll);
    assert_eq!((&*function, &*file), ("stacks::spin", file!()));
    assert!(SPIN.contains(&line), "{line} in {SPIN:?}");
    assert!(computes(&poll), "{}", poll.cause());
    assert_eq!(poll.long_poll().function(), Some("stacks::spin"));
    assert!(poll.long_poll().stack.unwrap().cut.is_none(), "complete");
    assert!(poll.thread_name.starts_with("tokio-"), "{}", poll.thread_name);
}

const SHORT: std::ops::Range<u32> = line!()..line!() + 10;
#[inline(never)]
fn compute_shortly() -> u64 {
    let began = Instant::now();
    let mut sum = 1_u64;
    while began.elapsed() < Duration::from_millis(2) {
        sum = black_box(sum.wrapping_mul(3).rotate_left(7));
    }
    sum
}

#[test]
fn thread_busy_with_short_polls_is_sampled_at_its_line() {
    let setup = Setup::new();
    let stop = setup.stop.clone();
    let busy = setup.registry.instrument_task("busy", async move {
        while !stop.load(Relaxed) {
            black_box(compute_shortly());
            tokio::task::yield_now().await;
        }
    });
    let task = busy.key();
    setup.runtime.spawn(busy);
    // Some samples may be of the calling closure.
    let sample = wait_for(|| {
        let samples = setup.watchdog.handle().samples();
        samples.into_iter().find(|sample| {
            let evidence = StackSample::evidence(&[sample]).unwrap();
            evidence.function() == Some("stacks::compute_shortly")
        })
    });
    setup.stop.store(true, Relaxed);
    assert_eq!(sample.task, task);
    assert!(sample.poll_began_ns <= sample.taken_ns, "{sample:?}");
    let line = sample.stack.offending_frame().and_then(|frame| frame.line).unwrap();
    assert!(SHORT.contains(&line), "{line} in {SHORT:?}");
    assert!(sample.stack.cut.is_none(), "complete");
}

const NAP: std::ops::Range<u32> = line!()..line!() + 8;
#[inline(never)]
fn nap(stop: &AtomicBool) {
    while !stop.load(Relaxed) {
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn sleeping_hog_is_found_at_the_line_of_the_program() {
    let setup = Setup::new();
    let hog = setup.hog(|stop| nap(&stop));
    let poll = setup.until(hog, |poll| {
        let called = poll.long_poll().profile.first().and_then(|share| share.callee.clone());
        let sleeps = poll.cause().to_string() == "sleeping in clock_nanosleep";
        sleeps && called.is_some_and(|called| called.ends_with("::sleep"))
    });
    let (function, file, line) = offending(&poll);
    assert_eq!((&*function, &*file), ("stacks::nap", file!()));
    assert!(NAP.contains(&line), "{line} in {NAP:?}");
}

#[inline(never)]
fn wait_for_lock(lock: &Mutex<u32>) -> u32 {
    *lock.lock().unwrap()
}

#[test]
fn cause_of_a_mutex_is_a_lock() {
    let setup = Setup::new();
    let lock = Arc::new(Mutex::new(0));
    let held = lock.lock().unwrap();
    let hogs_lock = lock.clone();
    let hog = setup.hog(move |_| {
        wait_for_lock(&hogs_lock);
    });
    setup.until(hog, |poll| {
        let waits = poll.cause().to_string() == "waiting for a lock (futex)";
        waits && is_in(poll, "stacks::wait_for_lock")
    });
    drop(held);
}

#[test]
fn cause_of_a_pipe_is_reading() {
    let setup = Setup::new();
    let (mut reader, writer) = std::io::pipe().unwrap();
    let hog = setup.hog(move |_| {
        std::io::Read::read(&mut reader, &mut [0]).unwrap();
    });
    setup.until(hog, |poll| {
        let read =
            |call: &SystemCall| call.name.as_deref() == Some("read") && call.kind == CallKind::Read;
        poll.captures() > 0 && matches!(&poll.cause(), Cause::Call(call) if read(call))
    });
    drop(writer);
}

#[inline(always)]
fn innermost(stop: &AtomicBool) -> u64 {
    spin(stop)
}

#[inline(never)]
fn middle(stop: &AtomicBool) -> u64 {
    black_box(innermost(stop)) + 1
}

#[test]
fn stack_has_inlined_functions() {
    let setup = Setup::new();
    let hog = setup.hog(|stop| {
        black_box(middle(&stop));
    });
    let poll = setup.until(hog, |poll| is_in(poll, "stacks::spin"));
    let stack = &poll.stacks[0].0;
    let user: Vec<_> = stack.task_frames().iter().filter(|f| f.kind == FrameKind::User).collect();
    let names: Vec<_> = user.iter().map(|frame| &*frame.name).collect();
    assert_eq!(names[..3], ["stacks::spin", "stacks::innermost", "stacks::middle"], "{stack}");
    assert!(stack.frames.iter().any(|frame| frame.kind == FrameKind::Probe), "{stack}");
    assert!(stack.frames.iter().any(|frame| frame.kind == FrameKind::Runtime), "{stack}");
    let outside = &stack.frames[stack.task_frames().len()..];
    assert!(outside.iter().all(|frame| frame.kind != FrameKind::User), "{stack}");
}

/// Blocks or unblocks the watchdog's signal for the calling thread.
#[allow(unsafe_code)]
fn mask(how: i32) {
    // SAFETY: the set is initialized before it is used.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGURG);
        libc::pthread_sigmask(how, &raw const set, std::ptr::null_mut());
    }
}

#[test]
fn thread_that_blocks_the_signal_is_captured_after_it_unblocks_it() {
    let setup = Setup::new();
    let unblock = Arc::new(AtomicBool::new(false));
    let is_unblocked = unblock.clone();
    let hog = setup.hog(move |stop| {
        mask(libc::SIG_BLOCK);
        while !is_unblocked.load(Relaxed) && !stop.load(Relaxed) {
            std::hint::spin_loop();
        }
        mask(libc::SIG_UNBLOCK);
        black_box(spin(&stop));
    });
    let handle = setup.watchdog.handle();
    wait_for(|| {
        let why = handle.current(hog)?.no_stack.clone()?;
        why.contains("blocks the watchdog's signal").then_some(())
    });
    unblock.store(true, Relaxed);
    let poll = setup.until(hog, |poll| is_in(poll, "stacks::spin"));
    assert_eq!(poll.no_stack, None);
}

#[test]
fn stacks_of_one_poll_are_merged_into_a_profile() {
    let setup = Setup::new();
    let hog = setup.hog(|stop| {
        while !stop.load(Relaxed) {
            let until = Instant::now() + Duration::from_millis(20);
            spin_until(until);
            thread::sleep(Duration::from_millis(20));
        }
    });
    let poll = setup.until(hog, |poll| poll.long_poll().profile.len() > 1 && poll.captures() > 20);
    assert!(poll.stacks.len() < 20, "merged: {:?}", poll.stacks.len());
    let evidence = poll.long_poll();
    let total: f64 = evidence.profile.iter().map(|share| share.share).sum();
    assert!((0.99..1.01).contains(&total), "{evidence:?}");
    assert!(
        evidence.profile_summary().unwrap().contains("% in stacks::spin_until"),
        "{evidence:?}"
    );
}

#[inline(never)]
fn spin_until(until: Instant) {
    while Instant::now() < until {
        black_box(());
    }
}

#[test]
fn ended_poll_keeps_its_record() {
    let setup = Setup::new();
    let hog = setup.hog(|stop| {
        black_box(spin(&stop));
    });
    // A poll that lacked a CPU for most of its time is not kept.
    setup.until(hog, |poll| poll.net_ns() > 100_000_000);
    let handle = setup.watchdog.handle();
    let ended = wait_for(|| handle.records().into_iter().find(|poll| poll.ended_ns.is_some()));
    assert_eq!(ended.task, hog);
    assert!(ended.long_poll().is_ended);
    assert!(handle.current(hog).is_none());
}

#[test]
fn long_poll_of_a_nested_future_is_reported_for_that_future() {
    let setup = Setup::new();
    let stop = setup.stop.clone();
    let inner = setup.registry.instrument("inner", async move {
        black_box(spin(&stop));
    });
    let key = inner.key();
    setup.runtime.spawn(setup.registry.instrument_task("outer", inner));
    setup.until(key, |poll| is_in(poll, "stacks::spin"));
}

#[test]
fn short_polls_are_not_captured() {
    let registry = Registry::leak();
    // No poll takes this long, even on a busy machine.
    let long_poll = Duration::from_secs(30);
    let watchdog = Watchdog::start(registry, WatchOptions { long_poll, ..<_>::default() }).unwrap();
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            runtime.spawn(registry.instrument_task("bystander", async {
                for _ in 0..2000 {
                    tokio::task::yield_now().await;
                }
            }))
        })
        .collect();
    runtime.block_on(async {
        for task in tasks {
            task.await.unwrap();
        }
    });
    let stats = watchdog.handle().stats();
    assert_eq!((stats.long_polls, stats.requested), (0, 0));
    assert!(watchdog.handle().records().is_empty());
}

#[inline(never)]
fn bystander(sum: u64) -> u64 {
    black_box(sum).rotate_left(1)
}

#[test]
fn stacks_of_a_hog_have_no_frames_of_other_tasks() {
    let setup = Setup::new();
    for _ in 0..8 {
        let stop = setup.stop.clone();
        setup.runtime.spawn(setup.registry.instrument_task("bystander", async move {
            while !stop.load(Relaxed) {
                (0..10_000).fold(1, |sum, _| bystander(sum));
                tokio::task::yield_now().await;
            }
        }));
    }
    // Consecutive long polls on changing threads, so that some stacks arrive late.
    let registry = setup.registry;
    let stop = setup.stop.clone();
    setup.runtime.spawn(registry.instrument_task("hogs", async move {
        while !stop.load(Relaxed) {
            spin_until(Instant::now() + Duration::from_millis(15));
            tokio::task::yield_now().await;
        }
    }));
    let handle = setup.watchdog.handle();
    let hog_polls = || {
        let all = handle.records().into_iter();
        all.filter(|poll| is_in(poll, "stacks::spin_until")).collect::<Vec<_>>()
    };
    wait_until("there are twenty long polls", || hog_polls().len() >= 20);
    setup.stop.store(true, Relaxed);
    let hog = hog_polls()[0].task;
    for poll in handle.records() {
        let names = poll.stacks.iter().flat_map(|(stack, _)| &stack.frames).map(|f| &*f.name);
        let other = if poll.task == hog { "stacks::bystander" } else { "stacks::spin_until" };
        assert!(names.into_iter().all(|name| name != other), "{poll:?}");
    }
}
