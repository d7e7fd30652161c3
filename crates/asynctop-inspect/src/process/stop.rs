//! The stack of a thread that is running: the thread is stopped while its registers and its stack
//! are copied, which takes some 10 µs.
//!
//! A helper process stops it, not this one, so that nothing can leave it stopped: the kernel resumes
//! a thread when the process that stopped it ends, for whatever reason. This process being killed or
//! suspended does not concern the helper, the terminal's signals (Ctrl-Z) do not reach it, and a
//! timer ends it.
//!
//! Being stopped interrupts a system call, and some, like `epoll_wait`, return an error then. So a
//! thread is stopped only if it was outside of any immediately before. That leaves a window of some
//! microseconds; [`Stopped::in_system_call`] tells when it was hit.
#![allow(unsafe_code)]

use std::{fs::File, io, os::fd::AsRawFd, ptr, time::Duration};

use asynctop_stack::Registers;
use libc::{c_int, c_long, c_void, pid_t};

use crate::process::identity::Identity;

/// Maximum number of bytes copied of a stack: the longer, the longer the thread is stopped.
pub(crate) const MAX_STACK: usize = 1 << 16;
const PAGE: usize = 4096;
/// The helper ends after this time in any case. A thread that waits for a CPU stops only when it
/// gets one.
const MAX_TIME: Duration = Duration::from_millis(200);

/// A stop of a thread, to read its stack. It is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Stopped {
    /// How long it was, from the moment at which the stop was known.
    #[cfg_attr(feature = "serde", serde(rename = "nanoseconds", serialize_with = "nanoseconds"))]
    pub length: Duration,
    /// The thread had just begun a system call. If it was one that is not restarted, like
    /// `epoll_wait`, it has returned the error `EINTR`.
    pub in_system_call: bool,
}

#[cfg(feature = "serde")]
pub(crate) fn nanoseconds<S: serde::Serializer>(
    duration: &Duration,
    s: S,
) -> Result<S::Ok, S::Error> {
    s.serialize_u64(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
}

/// What a thread was doing when it was stopped.
pub(crate) struct Copied {
    pub registers: Registers,
    /// The stack from the stack pointer up.
    pub bytes: Vec<u8>,
    pub stopped: Stopped,
}

/// Why a thread was not stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotStopped {
    /// It is no longer running, or no longer in the same poll.
    Changed,
    /// It has ended.
    Gone,
    /// Another process traces it.
    Traced,
    /// The kernel does not allow it.
    Denied,
    /// There is no helper, or it was killed, or its time was up.
    Failed,
}

impl NotStopped {
    pub(crate) fn reason(self) -> &'static str {
        match self {
            NotStopped::Changed => "it did not go on running until it could be stopped",
            NotStopped::Gone => "it has ended",
            NotStopped::Traced => "it is running, and another program (a debugger) traces it",
            NotStopped::Denied => {
                "it is running, and the kernel does not allow a helper process to stop it"
            }
            NotStopped::Failed => "it is running, and could not be stopped",
        }
    }
}

/// What the helper found, in memory that both processes share.
#[repr(C)]
struct Report {
    outcome: c_int,
    in_system_call: c_int,
    registers: [u64; 3],
    held_ns: u64,
    length: usize,
    bytes: [u8; MAX_STACK],
}

const DONE: c_int = 1;
const CHANGED: c_int = 2;
const GONE: c_int = 3;
const DENIED: c_int = 4;

/// Memory for a report, shared with a helper.
struct Shared(*mut Report);

impl Shared {
    fn new() -> io::Result<Shared> {
        let (read, write) = (libc::PROT_READ, libc::PROT_WRITE);
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping, which overlaps nothing.
        let memory =
            unsafe { libc::mmap(ptr::null_mut(), size_of::<Report>(), read | write, flags, -1, 0) };
        if memory == libc::MAP_FAILED {
            Err(io::Error::last_os_error())
        } else {
            Ok(Shared(memory.cast()))
        }
    }

    fn report(&self) -> &Report {
        // SAFETY: mapped, zeroed by the kernel, valid for any content; the helper has ended.
        unsafe { &*self.0 }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`, and no reference to it exists.
        unsafe { libc::munmap(self.0.cast(), size_of::<Report>()) };
    }
}

/// Stops a thread that runs inside a poll of the task with this id, and copies its registers and
/// stack. `current` is the address of the id of the thread's current task: if it has another one
/// by then, it is not stopped.
pub(crate) fn stop(
    identity: &Identity,
    tid: u32,
    current: u64,
    task: u64,
) -> Result<Copied, NotStopped> {
    let shared = Shared::new().map_err(|_| NotStopped::Failed)?;
    let state =
        File::open(identity.path(&format!("task/{tid}/syscall"))).map_err(|_| NotStopped::Gone)?;
    let job = Job {
        pid: identity.pid() as pid_t,
        tid: tid as pid_t,
        state: state.as_raw_fd(),
        current,
        task,
    };
    wait_for(start_helper(&job, &shared).ok_or(NotStopped::Failed)?);
    let report = shared.report();
    match report.outcome {
        DONE => Ok(Copied {
            registers: registers(report.registers),
            bytes: report.bytes[..report.length.min(MAX_STACK)].to_vec(),
            stopped: Stopped {
                length: Duration::from_nanos(report.held_ns),
                in_system_call: report.in_system_call != 0,
            },
        }),
        CHANGED => Err(NotStopped::Changed),
        GONE => Err(NotStopped::Gone),
        DENIED if is_traced(identity, tid) => Err(NotStopped::Traced),
        DENIED => Err(NotStopped::Denied),
        _ => Err(NotStopped::Failed),
    }
}

fn registers([ip, sp, fp]: [u64; 3]) -> Registers {
    Registers { fp, ..Registers::pointers(ip, sp) }
}

/// Starts a helper process.
fn start_helper(job: &Job, shared: &Shared) -> Option<pid_t> {
    // SAFETY: like `fork`, without a signal for this process when the child ends. The child calls
    // only `help`, which does not return.
    let helper = unsafe { libc::syscall(libc::SYS_clone, 0, 0, 0, 0, 0) };
    if helper == 0 {
        // SAFETY: this is the child, and the report is mapped.
        unsafe { help(job, shared.0) }
    }
    pid_t::try_from(helper).ok().filter(|helper| *helper > 0)
}

/// Waits for the end of a helper.
fn wait_for(helper: pid_t) {
    let mut status = 0;
    loop {
        // SAFETY: writes the status only.
        let ended = unsafe { libc::waitpid(helper, &raw mut status, libc::__WALL) };
        if ended == helper || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return;
        }
    }
}

/// Whether a process traces this thread.
fn is_traced(identity: &Identity, tid: u32) -> bool {
    let status = std::fs::read_to_string(identity.path(&format!("task/{tid}/status")));
    let status = status.unwrap_or_default();
    let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:"));
    tracer.is_some_and(|pid| pid.trim() != "0")
}

/// What the helper is to do.
struct Job {
    pid: pid_t,
    tid: pid_t,
    /// The thread's file `syscall` in `/proc`.
    state: c_int,
    /// The address of the id of its current task.
    current: u64,
    /// The task that it polls.
    task: u64,
}

/// The helper process. It ends without a panic, a lock or an allocation.
///
/// # Safety
///
/// To be called in a child process only, with a report that is mapped.
unsafe fn help(job: &Job, report: *mut Report) -> ! {
    // SAFETY: system calls with valid arguments; `report` is mapped, by the caller's promise.
    unsafe {
        // No longer a member of the terminal's foreground group.
        libc::setsid();
        limit_time();
        // Touched now, so that copying takes no page fault.
        let bytes = (&raw mut (*report).bytes).cast::<u8>();
        for page in (0..MAX_STACK).step_by(PAGE) {
            bytes.add(page).write_volatile(0);
        }
        (*report).outcome = stop_and_copy(job, report);
        // The kernel lets go of a thread that was seized and not stopped.
        libc::_exit(0);
    }
}

/// Ends this process after [`MAX_TIME`].
///
/// # Safety
///
/// To be called in the helper only: it changes what signals do.
unsafe fn limit_time() {
    let time = libc::timeval { tv_sec: 0, tv_usec: MAX_TIME.subsec_micros() as _ };
    let timer =
        libc::itimerval { it_interval: libc::timeval { tv_sec: 0, tv_usec: 0 }, it_value: time };
    // SAFETY: the pointers are valid during the calls.
    unsafe {
        libc::signal(libc::SIGALRM, libc::SIG_DFL);
        let mut alarm: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut alarm);
        libc::sigaddset(&raw mut alarm, libc::SIGALRM);
        libc::sigprocmask(libc::SIG_UNBLOCK, &raw const alarm, ptr::null_mut());
        libc::setitimer(libc::ITIMER_REAL, &raw const timer, ptr::null_mut());
    }
}

/// # Safety
///
/// As for [`help`].
unsafe fn stop_and_copy(job: &Job, report: *mut Report) -> c_int {
    // SAFETY: by the caller's promise, and system calls with valid arguments. Of the other process,
    // memory is only read.
    unsafe {
        if ptrace(libc::PTRACE_SEIZE, job.tid, 0) != 0 {
            return if errno() == libc::ESRCH { GONE } else { DENIED };
        }
        let mut task = 0_u64;
        if read(job.pid, job.current, (&raw mut task).cast(), 8) != 8 || task != job.task {
            return CHANGED;
        }
        const RUNNING: &[u8; 7] = b"running";
        let mut state = [0_u8; RUNNING.len()];
        let length = libc::pread(job.state, state.as_mut_ptr().cast(), state.len(), 0);
        if length != RUNNING.len() as isize || state != *RUNNING {
            return CHANGED;
        }
        if ptrace(libc::PTRACE_INTERRUPT, job.tid, 0) != 0 {
            return GONE;
        }
        let mut status = 0;
        if libc::waitpid(job.tid, &raw mut status, libc::__WALL) != job.tid
            || !libc::WIFSTOPPED(status)
        {
            return GONE;
        }
        let began = now();
        let registers = registers_of(job.tid);
        let (registers, in_system_call) = registers.unwrap_or_default();
        let bytes = (&raw mut (*report).bytes).cast::<u8>();
        let length = read(job.pid, registers[1], bytes, MAX_STACK);
        // A signal that was about to be delivered is passed on. Other stops have an event.
        let signal = if status >> 16 == 0 { libc::WSTOPSIG(status) } else { 0 };
        ptrace(libc::PTRACE_DETACH, job.tid, signal as usize);
        (*report).held_ns = now().saturating_sub(began);
        (*report).registers = registers;
        (*report).in_system_call = c_int::from(in_system_call);
        (*report).length = length;
        if length > 0 { DONE } else { GONE }
    }
}

/// The instruction, stack and frame pointer of a stopped thread, and whether it is in a system
/// call.
#[cfg(target_arch = "x86_64")]
fn registers_of(tid: pid_t) -> Option<([u64; 3], bool)> {
    let nothing = ptr::null_mut::<c_void>();
    // SAFETY: any content is valid, and the kernel fills in a structure of this type.
    let (registers, result) = unsafe {
        let mut registers: libc::user_regs_struct = std::mem::zeroed();
        let into = (&raw mut registers).cast::<c_void>();
        let result = libc::ptrace(libc::PTRACE_GETREGS, tid, nothing, into);
        (registers, result)
    };
    let in_system_call = registers.orig_rax.cast_signed() >= 0;
    (result == 0).then_some(([registers.rip, registers.rsp, registers.rbp], in_system_call))
}

/// Has not been verified on this processor.
#[cfg(not(target_arch = "x86_64"))]
fn registers_of(_tid: pid_t) -> Option<([u64; 3], bool)> {
    None
}

/// # Safety
///
/// Only for requests that neither read nor write memory of this process.
unsafe fn ptrace(request: libc::c_uint, tid: pid_t, data: usize) -> c_long {
    // SAFETY: by the caller's promise.
    unsafe { libc::ptrace(request, tid, ptr::null_mut::<c_void>(), data as *mut c_void) }
}

/// Copies up to `length` bytes at `address` of another process, up to the first page that is not
/// mapped. Returns the number of bytes.
///
/// # Safety
///
/// `length` bytes at `into` are written to.
unsafe fn read(pid: pid_t, address: u64, into: *mut u8, length: usize) -> usize {
    const PIECES: usize = MAX_STACK / PAGE + 1;
    let nothing = libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 };
    let (mut pieces, mut used, mut wanted) = ([nothing; PIECES], 0, 0);
    for piece in &mut pieces {
        let at = (address as usize).wrapping_add(wanted);
        let size = (PAGE - at % PAGE).min(length - wanted);
        if size == 0 {
            break;
        }
        *piece = libc::iovec { iov_base: at as *mut c_void, iov_len: size };
        wanted += size;
        used += 1;
    }
    let into = libc::iovec { iov_base: into.cast(), iov_len: wanted };
    // SAFETY: writes into `into` only, by the caller's promise; the kernel checks the pieces.
    let copied =
        unsafe { libc::process_vm_readv(pid, &raw const into, 1, pieces.as_ptr(), used, 0) };
    usize::try_from(copied).unwrap_or(0)
}

fn errno() -> c_int {
    // SAFETY: the address is valid as long as the thread exists.
    unsafe { *libc::__errno_location() }
}

/// Nanoseconds of a clock that never goes back.
fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is valid.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64)
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use std::{
        fs,
        process::{Child, Command, Stdio},
        thread,
    };

    use super::*;
    use crate::{
        memory::MemoryExt,
        process::{identity::Stat, maps::Maps},
    };

    /// A process that runs all the time, and a word of its memory with its value, which stands for
    /// the current task.
    struct Spinning {
        child: Child,
        identity: Identity,
        current: u64,
        task: u64,
    }

    impl Spinning {
        fn start() -> Self {
            let mut command = Command::new("sh");
            command.args(["-c", "while :; do :; done"]).stdin(Stdio::null());
            let child = command.spawn().expect("sh starts");
            // Until the child has called exec, it is a copy of this program, and during the call
            // it has no memory.
            loop {
                let name = Stat::read(child.id()).expect("it runs").name;
                let identity = Identity::open(child.id()).expect("own child");
                let maps = Maps::read(&identity.path("maps")).expect("own child");
                let file = maps.iter().find(|mapping| mapping.inode != 0 && mapping.readable);
                let current = file.map_or(0, |file| file.range.start);
                match identity.word(current) {
                    Some(task) if name == "sh" => {
                        return Spinning { child, identity, current, task };
                    }
                    _ => thread::yield_now(),
                }
            }
        }

        fn tid(&self) -> u32 {
            self.child.id()
        }

        fn job(&self, state: &File) -> Job {
            let id = self.tid() as pid_t;
            Job {
                pid: id,
                tid: id,
                state: state.as_raw_fd(),
                current: self.current,
                task: self.task,
            }
        }

        /// Returns when it goes on and nobody traces it: never if it was left stopped.
        fn wait_until_it_runs(&self) {
            let path = |name| self.identity.path(name);
            let time = || fs::read_to_string(path("schedstat")).expect("it runs");
            let before = time();
            while is_traced(&self.identity, self.tid()) || time() == before {
                thread::yield_now();
            }
        }
    }

    impl Drop for Spinning {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    #[test]
    fn a_running_thread_is_copied_and_goes_on() {
        let spinning = Spinning::start();
        let Spinning { identity, current, task, .. } = &spinning;
        let copied = loop {
            match stop(identity, spinning.tid(), *current, *task) {
                Ok(copied) => break copied,
                // Without a CPU for a while, or in the kernel.
                Err(NotStopped::Failed | NotStopped::Changed) => {}
                Err(error) => panic!("{error:?}"),
            }
        };
        assert!(!copied.bytes.is_empty());
        spinning.wait_until_it_runs();
        let other = stop(identity, spinning.tid(), *current, task + 1);
        assert_eq!(other.err(), Some(NotStopped::Changed), "it polls another task");
        assert_eq!(stop(identity, spinning.tid(), 8, 0).err(), Some(NotStopped::Changed));
    }

    #[test]
    fn a_thread_that_is_traced_or_has_ended() {
        let mut spinning = Spinning::start();
        let (current, task, tid) = (spinning.current, spinning.task, spinning.tid());
        thread::scope(|scope| {
            let tracer = scope.spawn(|| {
                // SAFETY: neither reads nor writes memory. The end of this thread undoes it.
                assert_eq!(unsafe { ptrace(libc::PTRACE_SEIZE, tid as pid_t, 0) }, 0);
                stop(&spinning.identity, tid, current, task).err()
            });
            assert_eq!(tracer.join().expect("no panic"), Some(NotStopped::Traced));
        });
        spinning.child.kill().expect("own child");
        spinning.child.wait().expect("own child");
        assert_eq!(stop(&spinning.identity, tid, current, task).err(), Some(NotStopped::Gone));
    }

    #[test]
    fn a_helper_that_is_killed_leaves_no_thread_stopped() {
        let spinning = Spinning::start();
        let path = format!("task/{}/syscall", spinning.tid());
        let state = File::open(spinning.identity.path(&path)).expect("own child");
        let mut outcomes = [0; 5];
        for round in 0..1000_u32 {
            let shared = Shared::new().expect("memory");
            let helper = start_helper(&spinning.job(&state), &shared).expect("a process");
            // Moments all over its work, which takes some 100 µs.
            let began = now();
            while now() - began < u64::from(round * 7919 % 1009) * 400 {
                std::hint::spin_loop();
            }
            // SAFETY: an own child that has not been waited for.
            unsafe { libc::kill(helper, libc::SIGKILL) };
            wait_for(helper);
            outcomes[shared.report().outcome as usize] += 1;
            spinning.wait_until_it_runs();
        }
        assert_eq!(outcomes[GONE as usize] + outcomes[DENIED as usize], 0, "{outcomes:?}");
    }
}
