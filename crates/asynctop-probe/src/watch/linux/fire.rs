//! The handler under fire: threads that do what a handler must not disturb, signalled
//! thousands of times meanwhile.

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

use super::{os, os::this_thread, signal, signal::Asked};
use crate::{accounting::Registry, lock::lock, watch::judge::Whereabouts};

pub(super) const SIGNAL: i32 = libc::SIGURG;

/// One test at a time: they share the mailboxes.
pub(super) fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    signal::install(SIGNAL).expect("SIGURG takes a handler");
    lock(&TURN)
}

/// A thread's number, once it has one.
#[derive(Default)]
struct Target {
    thread: AtomicU32,
    stop: AtomicBool,
    rounds: AtomicU64,
}

impl Target {
    /// Runs `work` on a thread of its own again and again, under `shots` signals, and
    /// unwinds each copy.
    fn fire(shots: usize, work: impl FnMut() + Send) {
        let target = Target::default();
        thread::scope(|scope| {
            scope.spawn(|| target.run(work));
            target.shoot(shots);
            target.stop.store(true, SeqCst);
        });
    }

    fn run(&self, mut work: impl FnMut()) {
        self.thread.store(this_thread(), SeqCst);
        while !self.stop.load(SeqCst) {
            work();
            self.rounds.fetch_add(1, SeqCst);
        }
    }

    /// Signals until `shots` copies were made and the thread got somewhere meanwhile.
    fn shoot(&self, shots: usize) {
        let mut unwinder = Unwinder::new();
        let mut hits = 0;
        let began = Instant::now();
        while hits < shots || self.rounds.load(SeqCst) < 10 {
            let thread = self.thread.load(SeqCst);
            assert!(began.elapsed() < Duration::from_secs(120), "it is gone, or deaf");
            let Some(frames) = (thread != 0).then(|| capture(&mut unwinder, thread)).flatten()
            else {
                thread::yield_now();
                continue;
            };
            assert!(frames > 0, "at least the place where it was");
            hits += 1;
        }
    }
}

/// How many frames a thread's stack has; `None` if there is no such thread.
fn capture(unwinder: &mut Unwinder, thread: u32) -> Option<usize> {
    let ticket = match signal::ask(SIGNAL, thread, None) {
        Asked::Sent(ticket) => ticket,
        Asked::NoThread => return None,
        Asked::NoRoom => panic!("mailboxes leak"),
        Asked::Refused(why) => panic!("{why}"),
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
fn a_thread_that_allocates_all_the_time() {
    let _alone = alone();
    Target::fire(1000, || {
        let mut kept: Vec<Vec<u8>> = (1..64).map(|i| vec![1; i * 37]).collect();
        kept.retain(|bytes| bytes.len() % 2 == 0);
        black_box(&kept);
    });
}

#[test]
fn threads_that_start_and_exit_all_the_time() {
    let _alone = alone();
    let target = Target::default();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !target.stop.load(SeqCst) {
                    let short = thread::spawn(this_thread);
                    target.thread.store(short.join().expect("no panic"), SeqCst);
                    scope.spawn(|| target.thread.store(this_thread(), SeqCst));
                    target.rounds.fetch_add(1, SeqCst);
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
fn a_thread_that_looks_for_symbols_and_loads_modules() {
    let _alone = alone();
    Target::fire(500, || {
        drop(black_box(std::backtrace::Backtrace::force_capture()));
        // SAFETY: the C library's own modules, loaded and given back.
        unsafe {
            let module = libc::dlopen(c"libutil.so.1".as_ptr(), libc::RTLD_NOW);
            if !module.is_null() {
                libc::dlclose(module);
            }
        }
    });
}

/// A signal that comes in the middle of a poll whose thread holds every lock that there is in
/// reach: a handler that took one of them would wait for itself for ever.
#[test]
fn the_handler_takes_no_lock() {
    let _alone = alone();
    let registry = Registry::leak();
    let mut slots = Vec::new();
    let hog = pin!(registry.instrument("hog", async {
        registry.thread_slots(&mut slots);
        let _turn = signal::TURN.lock();
        #[cfg(all(feature = "await-points", tokio_unstable))]
        let _answers = super::leaf::ANSWERS_OF_ALL.lock();
        let _printed = (std::io::stdout().lock(), std::io::stderr().lock());
        registry.while_all_is_locked(|| {
            let ticket = sent(signal::ask(SIGNAL, this_thread(), Some(slots[0])));
            let copied = ticket.copied().expect("a signal to oneself comes at once");
            copied.expect("a stack").poll()
        })
    }));
    let Poll::Ready(poll) = hog.poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("it awaits nothing");
    };
    assert!(poll.is_some(), "it has looked which poll it was in");
}

static SPOILED: AtomicU64 = AtomicU64::new(0);

/// A handler of the program's that leaves another errno behind.
extern "C" fn spoil(_signal: i32) {
    // SAFETY: no such descriptor: an error and nothing else.
    unsafe { libc::close(-1) };
    SPOILED.fetch_add(1, SeqCst);
}

#[test]
fn errno_is_what_it_was() {
    let _alone = alone();
    // SAFETY: the handler does only what a handler may do.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = spoil as extern "C" fn(i32) as usize;
        libc::sigaction(libc::SIGUSR2, &raw const action, ptr::null_mut());
    }
    signal::install(libc::SIGUSR2).expect("SIGUSR2 takes a handler");
    let target = Target::default();
    thread::scope(|scope| {
        let works = scope.spawn(|| {
            target.run(|| {
                assert!(std::fs::metadata("/there/is/no/such/file").is_err());
                for _ in 0..2000 {
                    let errno = std::io::Error::last_os_error().raw_os_error();
                    assert_eq!(errno, Some(libc::ENOENT));
                }
            });
        });
        for shot in 1..=2000 {
            while target.thread.load(SeqCst) == 0 {
                thread::yield_now();
            }
            let thread = target.thread.load(SeqCst);
            // SAFETY: a signal to a thread of this process, which handles it.
            unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, libc::SIGUSR2) };
            while SPOILED.load(SeqCst) < shot && !works.is_finished() {
                thread::yield_now();
            }
        }
        target.stop.store(true, SeqCst);
    });
}

#[test]
fn signal_that_interrupts_a_call_is_detected() {
    let _alone = alone();
    let registers = |thread| {
        let ticket = sent(signal::ask(SIGNAL, thread, None));
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
            let Whereabouts::Call(call) = os::whereabouts(thread) else { return false };
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
fn calls_that_can_go_on_after_a_signal_go_on() {
    let _alone = alone();
    let (mut reader, mut writer) = std::io::pipe().expect("a pipe");
    let target = Target::default();
    thread::scope(|scope| {
        let reads = scope.spawn(|| {
            target.thread.store(this_thread(), SeqCst);
            std::io::Read::read(&mut reader, &mut [0])
        });
        target.rounds.store(10, SeqCst);
        target.shoot(1000);
        std::io::Write::write_all(&mut writer, &[1]).expect("the other end is open");
        assert_eq!(reads.join().expect("no panic").expect("not interrupted"), 1);
    });
}

/// Runs `work` on a raw thread, with a stack of its own and no signal stack, and shoots.
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
    let its = ptr::from_ref(&target).cast_mut().cast();
    // SAFETY: the attributes are initialised, the stack outlives the thread.
    let thread = unsafe {
        let mut how: libc::pthread_attr_t = std::mem::zeroed();
        assert_eq!(libc::pthread_attr_init(&raw mut how), 0);
        assert_eq!(libc::pthread_attr_setstack(&raw mut how, stack.cast(), size), 0);
        let mut thread = std::mem::zeroed();
        assert_eq!(libc::pthread_create(&raw mut thread, &raw const how, run, its), 0);
        thread
    };
    target.shoot(200);
    target.stop.store(true, SeqCst);
    // SAFETY: joined once.
    unsafe { libc::pthread_join(thread, ptr::null_mut()) };
}

#[test]
fn a_tiny_stack_with_nothing_behind_it() {
    let _alone = alone();
    const SIZE: usize = 32 * 1024;
    // SAFETY: fresh memory; a copy that went on behind the stack would run into the part
    // without access.
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

/// Blocks or lets through the signal for the calling thread.
fn mask(how: i32) {
    // SAFETY: the set is initialised before it is used.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, SIGNAL);
        libc::pthread_sigmask(how, &raw const set, ptr::null_mut());
    }
}

pub(super) fn sent(asked: Asked) -> super::mailbox::Ticket {
    match asked {
        Asked::Sent(ticket) => ticket,
        _ => panic!("it should have gone"),
    }
}

#[test]
fn a_late_signal_answers_the_request_that_stands_and_no_other() {
    let _alone = alone();
    let me = this_thread();
    mask(libc::SIG_BLOCK);
    let given_up = sent(signal::ask(SIGNAL, me, None));
    assert!(given_up.copied().is_none(), "it is blocked");
    assert_eq!(super::os::why_late(me, SIGNAL), "the thread blocks the watchdog's signal");
    drop(given_up);
    mask(libc::SIG_UNBLOCK);

    // The late one found nothing; the next is answered at once.
    let next = sent(signal::ask(SIGNAL, me, None));
    assert!(next.copied().is_some_and(|copied| copied.is_ok()));
    drop(next);

    // Of two pending requests the kernel makes one signal; the later is answered.
    mask(libc::SIG_BLOCK);
    drop(sent(signal::ask(SIGNAL, me, None)));
    let stands = sent(signal::ask(SIGNAL, me, None));
    mask(libc::SIG_UNBLOCK);
    assert!(stands.copied().is_some_and(|copied| copied.is_ok()));
}

#[test]
fn when_nobody_answers_there_is_no_room_until_somebody_gives_up() {
    let _alone = alone();
    let me = this_thread();
    mask(libc::SIG_BLOCK);
    let mut owed = Vec::new();
    let refused = loop {
        match signal::ask(SIGNAL, me, None) {
            Asked::Sent(ticket) => owed.push(ticket),
            other => break other,
        }
    };
    assert!(matches!(refused, Asked::NoRoom));
    owed.pop();
    drop(sent(signal::ask(SIGNAL, me, None)));
    drop(owed);
    mask(libc::SIG_UNBLOCK);
    assert!(matches!(signal::ask(SIGNAL, u32::MAX >> 2, None), Asked::NoThread));
}
