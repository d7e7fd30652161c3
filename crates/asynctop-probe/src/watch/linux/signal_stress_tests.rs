//! Stress tests of the signal handler: threads that do what a handler must not disturb are signaled
//! thousands of times.

use std::{
    future::Future,
    hint::black_box,
    pin::pin,
    ptr,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use asynctop_stack::Unwinder;

use super::{os, os::this_thread, signal, signal::RequestOutcome};
use crate::{accounting::Registry, lock::lock, watch::cause::Activity};

pub(super) const SIGNAL: i32 = libc::SIGURG;

/// Serializes the tests, which share the mailboxes.
pub(super) fn exclusive() -> MutexGuard<'static, ()> {
    static RUNNING: Mutex<()> = Mutex::new(());
    signal::install(SIGNAL).expect("SIGURG takes a handler");
    lock(&RUNNING)
}

/// The thread that is signaled.
#[derive(Default)]
struct Target {
    /// Its id; 0 before it has started.
    thread: AtomicU32,
    stop: AtomicBool,
    iterations: AtomicU64,
}

impl Target {
    /// Runs `work` repeatedly on a new thread, signals that thread `signals` times and unwinds each
    /// copy.
    fn stress(signals: usize, work: impl FnMut() + Send) {
        let target = Target::default();
        thread::scope(|scope| {
            scope.spawn(|| target.run(work));
            target.signal(signals);
            target.stop.store(true, SeqCst);
        });
    }

    fn run(&self, mut work: impl FnMut()) {
        self.thread.store(this_thread(), SeqCst);
        while !self.stop.load(SeqCst) {
            work();
            self.iterations.fetch_add(1, SeqCst);
        }
    }

    /// Signals until `signals` copies were made and the thread has made progress.
    fn signal(&self, signals: usize) {
        let mut unwinder = Unwinder::new();
        let mut copies = 0;
        let began = Instant::now();
        while copies < signals || self.iterations.load(SeqCst) < 10 {
            let thread = self.thread.load(SeqCst);
            assert!(
                began.elapsed() < Duration::from_secs(120),
                "the thread has ended or does not answer"
            );
            let Some(frames) = (thread != 0).then(|| capture(&mut unwinder, thread)).flatten()
            else {
                thread::yield_now();
                continue;
            };
            assert!(frames > 0, "at least the innermost frame");
            copies += 1;
        }
    }
}

/// Number of frames of a thread's stack; `None` if the thread has ended.
fn capture(unwinder: &mut Unwinder, thread: u32) -> Option<usize> {
    let ticket = match signal::request_copy(SIGNAL, thread, None) {
        RequestOutcome::Sent(ticket) => ticket,
        RequestOutcome::NoThread => return None,
        RequestOutcome::NoMailbox => panic!("mailboxes leak"),
        RequestOutcome::Refused(why) => panic!("{why}"),
    };
    let ended = || {
        let task = format!("/proc/self/task/{thread}");
        !std::path::Path::new(&task).exists()
    };
    loop {
        match ticket.copied() {
            Some(copied) => {
                return Some(unwinder.unwind(&copied.expect("a stack").stack()).addresses.len());
            }
            None if ended() => return None,
            None => thread::yield_now(),
        }
    }
}

#[test]
fn handler_interrupts_allocations() {
    let _exclusive = exclusive();
    Target::stress(1000, || {
        let mut kept: Vec<Vec<u8>> = (1..64).map(|i| vec![1; i * 37]).collect();
        kept.retain(|bytes| bytes.len() % 2 == 0);
        black_box(&kept);
    });
}

#[test]
fn handler_interrupts_starting_and_ending_threads() {
    let _exclusive = exclusive();
    let target = Target::default();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !target.stop.load(SeqCst) {
                    let short = thread::spawn(this_thread);
                    target.thread.store(short.join().expect("no panic"), SeqCst);
                    scope.spawn(|| target.thread.store(this_thread(), SeqCst));
                    target.iterations.fetch_add(1, SeqCst);
                }
            });
        }
        let mut unwinder = Unwinder::new();
        for _ in 0..3000 {
            let thread = target.thread.load(SeqCst);
            if thread != 0 {
                capture(&mut unwinder, thread);
            }
        }
        target.stop.store(true, SeqCst);
    });
}

#[test]
fn handler_interrupts_symbolization_and_module_loading() {
    let _exclusive = exclusive();
    Target::stress(500, || {
        drop(black_box(std::backtrace::Backtrace::force_capture()));
        // SAFETY: a module of the C library, loaded and unloaded.
        unsafe {
            let module = libc::dlopen(c"libutil.so.1".as_ptr(), libc::RTLD_NOW);
            if !module.is_null() {
                libc::dlclose(module);
            }
        }
    });
}

/// A signal during a poll whose thread holds every lock of the probe: a handler that locked one of
/// them would deadlock.
#[test]
fn handler_takes_no_lock() {
    let _exclusive = exclusive();
    let registry = Registry::leak();
    let mut slots = Vec::new();
    let hog = pin!(registry.instrument("hog", async {
        registry.thread_slots(&mut slots);
        let _installing = signal::INSTALLING.lock();
        #[cfg(all(feature = "await-points", tokio_unstable))]
        let _traced = super::await_trace::TRACED.lock();
        let _output = (std::io::stdout().lock(), std::io::stderr().lock());
        registry.with_all_locked(|| {
            let ticket = sent(signal::request_copy(SIGNAL, this_thread(), Some(slots[0])));
            let copied =
                ticket.copied().expect("a signal to the calling thread is delivered immediately");
            copied.expect("a stack").polls().innermost
        })
    }));
    let Poll::Ready(poll) = hog.poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("it awaits nothing");
    };
    assert!(poll.is_some(), "the handler has read the current poll");
}

static ERRNO_CHANGES: AtomicU64 = AtomicU64::new(0);

/// A handler of the program that changes errno.
extern "C" fn change_errno(_signal: i32) {
    // SAFETY: fails, because the descriptor is invalid.
    unsafe { libc::close(-1) };
    ERRNO_CHANGES.fetch_add(1, SeqCst);
}

#[test]
fn handler_restores_errno() {
    let _exclusive = exclusive();
    // SAFETY: the handler is async-signal-safe.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = change_errno as extern "C" fn(i32) as usize;
        libc::sigaction(libc::SIGUSR2, &raw const action, ptr::null_mut());
    }
    signal::install(libc::SIGUSR2).expect("SIGUSR2 takes a handler");
    let target = Target::default();
    thread::scope(|scope| {
        let worker = scope.spawn(|| {
            target.run(|| {
                assert!(std::fs::metadata("/no/such/file").is_err());
                for _ in 0..2000 {
                    let errno = std::io::Error::last_os_error().raw_os_error();
                    assert_eq!(errno, Some(libc::ENOENT));
                }
            });
        });
        for signals in 1..=2000 {
            while target.thread.load(SeqCst) == 0 {
                thread::yield_now();
            }
            let thread = target.thread.load(SeqCst);
            // SAFETY: a signal to a thread of this process, which handles it.
            unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, libc::SIGUSR2) };
            while ERRNO_CHANGES.load(SeqCst) < signals && !worker.is_finished() {
                thread::yield_now();
            }
        }
        target.stop.store(true, SeqCst);
    });
}

#[test]
fn signal_that_interrupts_a_call_is_detected() {
    let _exclusive = exclusive();
    let registers = |thread| {
        let ticket = sent(signal::request_copy(SIGNAL, thread, None));
        loop {
            match ticket.copied() {
                Some(copied) => return copied.expect("a stack").stack().registers,
                None => thread::yield_now(),
            }
        }
    };
    let target = Target::default();
    thread::scope(|scope| {
        let polls = scope.spawn(|| {
            target.thread.store(this_thread(), SeqCst);
            // SAFETY: no descriptors.
            let failed = unsafe { libc::poll(ptr::null_mut(), 0, -1) };
            (failed, std::io::Error::last_os_error().kind())
        });
        let in_poll = || {
            let thread = target.thread.load(SeqCst);
            let Activity::Call(call) = os::thread_activity(thread) else { return false };
            thread != 0 && matches!(call.name.as_deref(), Some("poll" | "ppoll"))
        };
        while !in_poll() {
            thread::yield_now();
        }
        assert!(registers(target.thread.load(SeqCst)).call_was_interrupted());
        assert_eq!(polls.join().expect("no panic"), (-1, std::io::ErrorKind::Interrupted));
    });
    // This thread is in the call that sends the signal, which succeeds.
    assert!(!registers(this_thread()).call_was_interrupted());
}

#[test]
fn restartable_calls_are_restarted() {
    let _exclusive = exclusive();
    let (mut reader, mut writer) = std::io::pipe().expect("a pipe");
    let target = Target::default();
    thread::scope(|scope| {
        let reads = scope.spawn(|| {
            target.thread.store(this_thread(), SeqCst);
            std::io::Read::read(&mut reader, &mut [0])
        });
        target.iterations.store(10, SeqCst);
        target.signal(1000);
        std::io::Write::write_all(&mut writer, &[1]).expect("the other end is open");
        assert_eq!(reads.join().expect("no panic").expect("not interrupted"), 1);
    });
}

/// Signals a thread that runs on `stack` and has no signal stack.
fn on_a_bare_thread(stack: *mut u8, size: usize) {
    extern "C" fn run(target: *mut libc::c_void) -> *mut libc::c_void {
        // SAFETY: the target outlives the thread, which is joined.
        let target = unsafe { &*target.cast::<Target>() };
        target.run(|| {
            black_box(0);
        });
        ptr::null_mut()
    }
    let target = Target::default();
    let argument = ptr::from_ref(&target).cast_mut().cast();
    // SAFETY: the attributes are initialized, the stack outlives the thread.
    let thread = unsafe {
        let mut attributes: libc::pthread_attr_t = std::mem::zeroed();
        assert_eq!(libc::pthread_attr_init(&raw mut attributes), 0);
        assert_eq!(libc::pthread_attr_setstack(&raw mut attributes, stack.cast(), size), 0);
        let mut thread = std::mem::zeroed();
        assert_eq!(libc::pthread_create(&raw mut thread, &raw const attributes, run, argument), 0);
        thread
    };
    target.signal(200);
    target.stop.store(true, SeqCst);
    // SAFETY: joined once.
    unsafe { libc::pthread_join(thread, ptr::null_mut()) };
}

#[test]
fn copy_ends_at_the_end_of_the_stack() {
    let _exclusive = exclusive();
    const SIZE: usize = 32 * 1024;
    // SAFETY: a new mapping; a copy beyond the stack would fault in the part without access.
    unsafe {
        let (flags, access) = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, libc::PROT_NONE);
        let all = libc::mmap(ptr::null_mut(), 3 * SIZE, access, flags, -1, 0);
        assert_ne!(all, libc::MAP_FAILED);
        let stack = all.byte_add(SIZE);
        assert_eq!(libc::mprotect(stack, SIZE, libc::PROT_READ | libc::PROT_WRITE), 0);
        on_a_bare_thread(stack.cast(), SIZE);
        libc::munmap(all, 3 * SIZE);
    }
}

/// Blocks or unblocks the signal for the calling thread.
fn mask(how: i32) {
    // SAFETY: the set is initialized before it is used.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, SIGNAL);
        libc::pthread_sigmask(how, &raw const set, ptr::null_mut());
    }
}

pub(super) fn sent(outcome: RequestOutcome) -> super::mailbox::Ticket {
    match outcome {
        RequestOutcome::Sent(ticket) => ticket,
        _ => panic!("the signal was not sent"),
    }
}

#[test]
fn late_signal_answers_only_the_current_request() {
    let _exclusive = exclusive();
    let me = this_thread();
    mask(libc::SIG_BLOCK);
    let cancelled = sent(signal::request_copy(SIGNAL, me, None));
    assert!(cancelled.copied().is_none(), "the signal is blocked");
    assert_eq!(
        super::os::no_response_reason(me, SIGNAL),
        "the thread blocks the watchdog's signal"
    );
    drop(cancelled);
    mask(libc::SIG_UNBLOCK);

    // The late signal found no request; the next request is answered immediately.
    let next = sent(signal::request_copy(SIGNAL, me, None));
    assert!(next.copied().is_some_and(|copied| copied.is_ok()));
    drop(next);

    // The kernel merges two pending signals; the later request is answered.
    mask(libc::SIG_BLOCK);
    drop(sent(signal::request_copy(SIGNAL, me, None)));
    let current = sent(signal::request_copy(SIGNAL, me, None));
    mask(libc::SIG_UNBLOCK);
    assert!(current.copied().is_some_and(|copied| copied.is_ok()));
}

#[test]
fn mailboxes_are_limited_and_freed_by_dropped_tickets() {
    let _exclusive = exclusive();
    let me = this_thread();
    mask(libc::SIG_BLOCK);
    let mut pending = Vec::new();
    let refused = loop {
        match signal::request_copy(SIGNAL, me, None) {
            RequestOutcome::Sent(ticket) => pending.push(ticket),
            other => break other,
        }
    };
    assert!(matches!(refused, RequestOutcome::NoMailbox));
    pending.pop();
    drop(sent(signal::request_copy(SIGNAL, me, None)));
    drop(pending);
    mask(libc::SIG_UNBLOCK);
    assert!(matches!(signal::request_copy(SIGNAL, u32::MAX >> 2, None), RequestOutcome::NoThread));
}
