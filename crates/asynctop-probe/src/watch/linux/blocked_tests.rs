//! Compares stacks that were copied while their threads slept with those that the same threads copied
//! on a signal, in the same calls.

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
    blocked::{BlockedThreads, CopyOutcome},
    os::{self, CallReport, this_thread},
    signal,
    signal_stress_tests::{SIGNAL, exclusive, sent},
};
use crate::watch::cause::Activity;

/// A call that blocks its thread.
struct BlockingCall {
    /// The system calls in which it may block.
    calls: &'static [&'static str],
    /// Runs before `block`.
    prepare: Box<dyn FnMut()>,
    /// Blocks; runs on the thread.
    block: Box<dyn FnMut() + Send>,
    /// Ends `block`.
    release: Box<dyn FnMut()>,
}

impl BlockingCall {
    fn new(
        calls: &'static [&'static str],
        block: impl FnMut() + Send + 'static,
        release: impl FnMut() + 'static,
    ) -> Self {
        let (block, release) = (Box::new(block), Box::new(release));
        BlockingCall { calls, prepare: Box::new(|| ()), block, release }
    }
}

/// The thread that blocks, in one call per step.
#[derive(Default)]
struct Blocker {
    thread: AtomicU32,
    /// The requested step.
    step: AtomicU64,
    /// The last completed step.
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

/// Frames of different sizes, with remains of earlier calls.
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
    let Activity::Call(call) = report.activity() else { return None };
    if !call.name.is_some_and(|name| calls.contains(&&*name)) {
        return None;
    }
    match blocked.copy(thread, report, None, unwinder) {
        CopyOutcome::Stack(unwound, _) => Some(unwound),
        CopyOutcome::Moved => None,
        CopyOutcome::Failed(why) => panic!("{why}"),
    }
}

/// The stack copied by the thread itself.
fn copy_by_signal(thread: u32, unwinder: &mut Unwinder) -> Unwound {
    let ticket = sent(signal::request_copy(SIGNAL, thread, None));
    loop {
        match ticket.copied() {
            Some(copied) => return unwinder.unwind(&copied.expect("a stack").stack()),
            None => thread::yield_now(),
        }
    }
}

fn cpu_time() -> u64 {
    os::cpu_time(this_thread()).expect("this thread is running")
}

/// Compares the stacks of `count` calls; fewer if the call rarely blocks.
fn compare(call: BlockingCall, count: usize) {
    let _exclusive = exclusive();
    let BlockingCall { calls, mut prepare, mut block, mut release } = call;
    let blocker = Arc::new(Blocker::default());
    let on_thread = blocker.clone();
    let thread = thread::spawn(move || on_thread.run(&mut *block));
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
            let signaled = copy_by_signal(id, &mut unwinder);
            // The system call instruction, or the one after it.
            let (here, there) = (copied.addresses[0], signaled.addresses[0]);
            if here.abs_diff(there) > 4 {
                continue;
            }
            assert_eq!(copied.addresses[1..], signaled.addresses[1..], "{calls:?}");
            assert_eq!((copied.cut, signaled.cut), (None, None), "complete");
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
fn sleep() {
    let sleep = || thread::sleep(Duration::from_millis(30));
    compare(BlockingCall::new(&["clock_nanosleep", "nanosleep"], sleep, || ()), CALLS);
}

#[test]
fn pipe_read() {
    let (mut reader, mut writer) = std::io::pipe().expect("a pipe");
    let read = move || reader.read_exact(&mut [0]).expect("a byte");
    let write = move || writer.write_all(&[1]).expect("space");
    compare(BlockingCall::new(&["read"], read, write), CALLS);
}

fn poll(fd: RawFd) -> i32 {
    let mut readable = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: a valid array of one descriptor.
    unsafe { libc::poll(&raw mut readable, 1, -1) }
}

#[test]
fn poll_of_a_pipe() {
    let (mut reader, mut writer) = std::io::pipe().expect("a pipe");
    let wait = move || {
        while poll(reader.as_raw_fd()) < 1 {}
        reader.read_exact(&mut [0]).expect("a byte");
    };
    let write = move || writer.write_all(&[1]).expect("space");
    compare(BlockingCall::new(&["poll", "ppoll"], wait, write), CALLS);
}

#[test]
fn mutex_lock() {
    let mutex: &'static Mutex<()> = Box::leak(Box::default());
    let guard = Rc::new(Cell::new(None));
    let prepared = guard.clone();
    let lock = move || drop(mutex.lock());
    let unlock = move || drop(guard.take());
    let mut call = BlockingCall::new(&["futex"], lock, unlock);
    call.prepare = Box::new(move || prepared.set(Some(mutex.lock().expect("no panic"))));
    compare(call, CALLS);
}

#[test]
fn channel_receive() {
    let (sender, receiver) = mpsc::channel();
    let receive = move || receiver.recv().expect("a message");
    compare(BlockingCall::new(&["futex"], receive, move || sender.send(()).expect("open")), CALLS);
}

#[test]
fn socket_read_with_a_timeout() {
    let (mut here, mut there) = UnixStream::pair().expect("sockets");
    here.set_read_timeout(Some(Duration::from_secs(600))).expect("a timeout");
    // The signal ends the call, so it is repeated.
    let read = move || while here.read(&mut [0]).is_err() {};
    let write = move || there.write_all(&[1]).expect("space");
    compare(BlockingCall::new(&["recvfrom", "read"], read, write), CALLS);
}

#[test]
fn wait_for_a_child_process() {
    let stdin = Arc::new(Mutex::new(None::<ChildStdin>));
    let child_stdin = stdin.clone();
    let wait = move || {
        let mut cat = Command::new("cat").stdin(Stdio::piped()).spawn().expect("a process");
        *child_stdin.lock().expect("no panic") = cat.stdin.take();
        cat.wait().expect("it ends");
    };
    let close = move || drop(stdin.lock().expect("no panic").take());
    compare(BlockingCall::new(&["wait4", "waitid"], wait, close), CALLS);
}

#[test]
fn fsync() {
    let path = std::env::temp_dir().join(format!("asynctop-fsync-{}", std::process::id()));
    let mut file = File::create(&path).expect("a file");
    std::fs::remove_file(&path).expect("it exists");
    let sync = move || {
        file.write_all(&[1; 4096]).expect("space");
        file.sync_all().expect("it succeeds");
    };
    compare(BlockingCall::new(&["fsync"], sync, || ()), CALLS);
}

#[test]
fn idle_tokio_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let notify = Arc::new(tokio::sync::Notify::new());
    let notified = notify.clone();
    let wait = move || runtime.block_on(notified.notified());
    compare(
        BlockingCall::new(&["epoll_wait", "epoll_pwait"], wait, move || notify.notify_one()),
        CALLS,
    );
}

#[test]
fn sleep_of_the_c_library() {
    // SAFETY: no pointers.
    let sleep = || assert!(unsafe { libc::usleep(30_000) } <= 0);
    compare(BlockingCall::new(&["clock_nanosleep", "nanosleep"], sleep, || ()), CALLS);
}

/// Functions with frame pointers, as in a program compiled with them. Parts of their frames that are
/// never written still contain the frames of calls that have returned.
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
        compare(BlockingCall::new(&["clock_nanosleep", "nanosleep"], sleep, || ()), CALLS);
    }
}
