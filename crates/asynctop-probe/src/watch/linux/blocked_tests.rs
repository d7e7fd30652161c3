//! Stacks that were copied while their threads slept, against those that the same threads
//! copied themselves, on a signal, in the same calls.

use std::{
    cell::Cell,
    fs::File,
    hint::{black_box, spin_loop},
    io::{Read, Write},
    mem::MaybeUninit,
    os::{
        fd::{AsRawFd, RawFd},
        unix::net::UnixStream,
    },
    process::{ChildStdin, Command, Stdio},
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::Duration,
};

use asynctop_stack::{Unwinder, Unwound};

use super::{
    blocked::{BlockedThreads, Copied},
    fire::{SIGNAL, alone, sent},
    os::{self, CallReport, this_thread},
    signal,
};
use crate::watch::judge::Whereabouts;

/// A kind of call that blocks its thread.
struct Kind {
    /// The system calls that it may block in.
    calls: &'static [&'static str],
    /// Makes the next `block` block.
    prepare: Box<dyn FnMut()>,
    /// Blocks, on the thread.
    block: Box<dyn FnMut() + Send>,
    /// Ends it.
    release: Box<dyn FnMut()>,
}

impl Kind {
    fn new(
        calls: &'static [&'static str],
        block: impl FnMut() + Send + 'static,
        release: impl FnMut() + 'static,
    ) -> Self {
        let (block, release) = (Box::new(block), Box::new(release));
        Kind { calls, prepare: Box::new(|| ()), block, release }
    }
}

/// The thread that blocks, one call for each step.
#[derive(Default)]
struct Blocker {
    thread: AtomicU32,
    /// The call that it may be in.
    step: AtomicU64,
    /// The last call that has returned.
    done: AtomicU64,
    stop: AtomicBool,
}

impl Blocker {
    fn run(&self, mut block: impl FnMut()) {
        self.thread.store(this_thread(), SeqCst);
        let mut step = 0;
        while !self.stop.load(SeqCst) {
            let next = self.step.load(SeqCst);
            if next == step {
                spin_loop();
                continue;
            }
            step = next;
            at_depth(step % 7, &mut block);
            self.done.store(step, SeqCst);
        }
    }
}

/// Frames of different sizes, full of what earlier calls left on the stack.
#[inline(never)]
fn at_depth(depth: u64, work: &mut dyn FnMut()) -> u64 {
    let scratch = MaybeUninit::<[u64; 150]>::uninit();
    black_box(&scratch);
    match depth {
        0 => work(),
        1 => return at_depth(depth - 1, work) + at_depth(0, &mut || ()),
        _ => return at_depth(depth - 1, work) + 1,
    }
    depth
}

/// The stack of a thread that sleeps in one of `calls`.
fn copy(
    thread: u32,
    calls: &[&str],
    blocked: &mut BlockedThreads,
    unwinder: &mut Unwinder,
) -> Option<Unwound> {
    let report = CallReport::read(thread);
    let Whereabouts::Call(call) = report.whereabouts() else { return None };
    if !call.name.is_some_and(|name| calls.contains(&&*name)) {
        return None;
    }
    match blocked.copy(thread, report, None, unwinder) {
        Copied::Stack(unwound, _) => Some(unwound),
        Copied::Moved => None,
        Copied::None(why) => panic!("{why}"),
    }
}

/// The stack that the thread copies itself.
fn capture(thread: u32, unwinder: &mut Unwinder) -> Unwound {
    let ticket = sent(signal::ask(SIGNAL, thread, None));
    loop {
        match ticket.copied() {
            Some(copied) => return unwinder.unwind(&copied.expect("a stack").stack()),
            None => thread::yield_now(),
        }
    }
}

fn cpu_time() -> u64 {
    os::cpu_time(this_thread()).expect("this thread lives")
}

/// Compares the stacks of `count` calls; fewer if the calls hardly ever block.
fn compare(kind: Kind, count: usize) {
    let _alone = alone();
    let Kind { calls, mut prepare, mut block, mut release } = kind;
    let blocker = Arc::new(Blocker::default());
    let its = blocker.clone();
    let thread = thread::spawn(move || its.run(&mut *block));
    while blocker.thread.load(SeqCst) == 0 {
        thread::yield_now();
    }
    let id = blocker.thread.load(SeqCst);
    let (mut blocked, mut unwinder) = (BlockedThreads::new(), Unwinder::new());
    let (mut compared, mut times) = (0, Vec::new());
    for step in 1..400 {
        prepare();
        blocker.step.store(step, SeqCst);
        while blocker.done.load(SeqCst) != step {
            let began = cpu_time();
            let Some(copied) = copy(id, calls, &mut blocked, &mut unwinder) else { continue };
            times.push(cpu_time() - began);
            let signaled = capture(id, &mut unwinder);
            // The instruction, or the one after it.
            let (here, there) = (copied.addresses[0], signaled.addresses[0]);
            if here.abs_diff(there) > 4 {
                continue;
            }
            assert_eq!(copied.addresses[1..], signaled.addresses[1..], "{calls:?}");
            assert_eq!((copied.cut, signaled.cut), (None, None), "down to the thread's first");
            assert!(copied.addresses.len() > 5, "{calls:?}");
            compared += 1;
            break;
        }
        release();
        while blocker.done.load(SeqCst) != step {
            thread::yield_now();
        }
        if compared == count {
            break;
        }
    }
    blocker.stop.store(true, SeqCst);
    thread.join().expect("no panic");
    times.sort();
    // Shown with `--nocapture`.
    println!(
        "{calls:?}: {compared} compared, median of the CPU time {:?} ns",
        times.get(times.len() / 2)
    );
    assert!(compared == count || calls == ["fsync"], "{compared} {calls:?}");
}

const CALLS: usize = 28;

#[test]
fn a_sleep() {
    let sleep = || thread::sleep(Duration::from_millis(30));
    compare(Kind::new(&["clock_nanosleep", "nanosleep"], sleep, || ()), CALLS);
}

#[test]
fn a_pipe() {
    let (mut reader, mut writer) = std::io::pipe().expect("a pipe");
    let read = move || reader.read_exact(&mut [0]).expect("a byte");
    let write = move || writer.write_all(&[1]).expect("room");
    compare(Kind::new(&["read"], read, write), CALLS);
}

fn poll(fd: RawFd) -> i32 {
    let mut readable = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: one descriptor, which is ours to write to.
    unsafe { libc::poll(&raw mut readable, 1, -1) }
}

#[test]
fn a_poll() {
    let (mut reader, mut writer) = std::io::pipe().expect("a pipe");
    let wait = move || {
        while poll(reader.as_raw_fd()) < 1 {}
        reader.read_exact(&mut [0]).expect("a byte");
    };
    let write = move || writer.write_all(&[1]).expect("room");
    compare(Kind::new(&["poll", "ppoll"], wait, write), CALLS);
}

#[test]
fn a_mutex() {
    let mutex: &'static Mutex<()> = Box::leak(Box::default());
    let guard = Rc::new(Cell::new(None));
    let held = guard.clone();
    let lock = move || drop(mutex.lock());
    let unlock = move || drop(guard.take());
    let mut kind = Kind::new(&["futex"], lock, unlock);
    kind.prepare = Box::new(move || held.set(Some(mutex.lock().expect("no panic"))));
    compare(kind, CALLS);
}

#[test]
fn a_channel() {
    let (sender, receiver) = mpsc::channel();
    let receive = move || receiver.recv().expect("a message");
    compare(Kind::new(&["futex"], receive, move || sender.send(()).expect("open")), CALLS);
}

#[test]
fn a_socket_with_a_timeout() {
    let (mut here, mut there) = UnixStream::pair().expect("sockets");
    here.set_read_timeout(Some(Duration::from_secs(600))).expect("a timeout");
    // The signal ends the call, so it begins again.
    let read = move || while here.read(&mut [0]).is_err() {};
    let write = move || there.write_all(&[1]).expect("room");
    compare(Kind::new(&["recvfrom", "read"], read, write), CALLS);
}

#[test]
fn a_child_process() {
    let stdin = Arc::new(Mutex::new(None::<ChildStdin>));
    let its = stdin.clone();
    let wait = move || {
        let mut cat = Command::new("cat").stdin(Stdio::piped()).spawn().expect("a process");
        *its.lock().expect("no panic") = cat.stdin.take();
        cat.wait().expect("it ends");
    };
    let close = move || drop(stdin.lock().expect("no panic").take());
    compare(Kind::new(&["wait4", "waitid"], wait, close), CALLS);
}

#[test]
fn an_fsync() {
    let path = std::env::temp_dir().join(format!("asynctop-fsync-{}", std::process::id()));
    let mut file = File::create(&path).expect("a file");
    std::fs::remove_file(&path).expect("it is there");
    let sync = move || {
        file.write_all(&[1; 4096]).expect("room");
        file.sync_all().expect("it works");
    };
    compare(Kind::new(&["fsync"], sync, || ()), CALLS);
}

#[test]
fn a_tokio_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let notify = Arc::new(tokio::sync::Notify::new());
    let its = notify.clone();
    let wait = move || runtime.block_on(its.notified());
    compare(Kind::new(&["epoll_wait", "epoll_pwait"], wait, move || notify.notify_one()), CALLS);
}

#[test]
fn a_sleep_of_the_c_library() {
    // SAFETY: no pointers.
    let sleep = || assert!(unsafe { libc::usleep(30_000) } <= 0);
    compare(Kind::new(&["clock_nanosleep", "nanosleep"], sleep, || ()), CALLS);
}

/// Functions with frame pointers, as in a program that is compiled with them. Parts of their frames
/// that are never written to still contain the frames of calls that have returned.
#[cfg(target_arch = "x86_64")]
mod frame_pointers {
    use std::arch::naked_asm;

    use super::*;

    macro_rules! function {
        ($(#[$doc:meta])* $name:ident($argument:ident: $type:ty), $($line:literal),+) => {
            $(#[$doc])*
            #[unsafe(naked)]
            extern "C" fn $name($argument: $type) {
                naked_asm!(
                    ".cfi_startproc",
                    "push rbp",
                    ".cfi_def_cfa_offset 16",
                    ".cfi_offset rbp, -16",
                    "mov rbp, rsp",
                    ".cfi_def_cfa_register rbp",
                    $($line,)+
                    "leave",
                    ".cfi_def_cfa rsp, 8",
                    "ret",
                    ".cfi_endproc",
                    own = sym $name,
                    sleep = sym sleep,
                )
            }
        };
    }

    function!(
        /// Calls itself.
        leave_frames(depth: u64),
        "sub rsp, 112",
        "sub rdi, 1",
        "jz 2f",
        "call {own}",
        "/* {sleep} */",
        "2:"
    );
    function!(
        /// Calls `sleep` from below a gap that is as large as the frames of `leave_frames`.
        sleep_in_a_large_frame(microseconds: u32),
        "sub rsp, 4096",
        "call {sleep}",
        "/* {own} */"
    );

    extern "C" fn sleep(microseconds: u32) {
        // SAFETY: no pointers.
        assert!(unsafe { libc::usleep(microseconds) } <= 0);
    }

    #[test]
    fn frames_of_returned_calls_are_not_callers() {
        let sleep = || {
            leave_frames(20);
            sleep_in_a_large_frame(30_000);
        };
        compare(Kind::new(&["clock_nanosleep", "nanosleep"], sleep, || ()), CALLS);
    }
}
