//! The helper process: stops a thread, copies its registers and stack, and ends.
//!
//! It runs in a copy of a process with several threads, so nothing here may panic, take a lock or
//! allocate.

use std::{ptr, time::Duration};

use libc::{c_int, c_long, c_void, pid_t};

use super::MAX_STACK;

const PAGE: usize = 4096;
/// Time limit of the helper. A thread that waits for a CPU stops only when it gets one.
const MAX_TIME: Duration = Duration::from_millis(200);

/// The result of the helper, in memory that both processes share.
#[repr(C)]
pub(super) struct Report {
    pub outcome: c_int,
    pub in_system_call: c_int,
    pub registers: [u64; 3],
    pub stopped_ns: u64,
    /// Number of bytes copied.
    pub length: usize,
    pub bytes: [u8; MAX_STACK],
}

pub(super) const DONE: c_int = 1;
pub(super) const CHANGED: c_int = 2;
pub(super) const GONE: c_int = 3;
pub(super) const DENIED: c_int = 4;

/// The instructions for the helper.
pub(super) struct Job {
    pub pid: pid_t,
    pub tid: pid_t,
    /// The thread's opened file `syscall` in `/proc`.
    pub syscall: c_int,
    /// Address of the id of its current task.
    pub current_word: u64,
    /// Id of the task that it polls.
    pub task: u64,
}

/// Does the job and ends this process.
///
/// # Safety
///
/// Must be called in a child process, with a report that is mapped.
pub(super) unsafe fn help(job: &Job, report: *mut Report) -> ! {
    // SAFETY: system calls with valid arguments; `report` is mapped, by the caller's promise.
    unsafe {
        // Leaves the terminal's foreground group, which receives its signals.
        libc::setsid();
        limit_time();
        // Touches the pages, so that copying causes no page fault.
        let bytes = (&raw mut (*report).bytes).cast::<u8>();
        for page in (0..MAX_STACK).step_by(PAGE) {
            bytes.add(page).write_volatile(0);
        }
        (*report).outcome = stop_and_copy(job, report);
        // The kernel releases a thread that was seized and not stopped.
        libc::_exit(0);
    }
}

/// Ends this process after [`MAX_TIME`].
///
/// # Safety
///
/// Must be called in the helper: it changes the handling of signals.
unsafe fn limit_time() {
    let time = libc::timeval { tv_sec: 0, tv_usec: MAX_TIME.subsec_micros() as _ };
    let timer =
        libc::itimerval { it_interval: libc::timeval { tv_sec: 0, tv_usec: 0 }, it_value: time };
    // SAFETY: the pointers are valid during the calls.
    unsafe {
        libc::signal(libc::SIGALRM, libc::SIG_DFL);
        mask_alarm(libc::SIG_UNBLOCK);
        libc::setitimer(libc::ITIMER_REAL, &raw const timer, ptr::null_mut());
    }
}

/// Blocks or unblocks the signal of the time limit.
///
/// # Safety
///
/// As for [`limit_time`].
unsafe fn mask_alarm(how: c_int) {
    // SAFETY: the pointers are valid during the calls.
    unsafe {
        let mut alarm: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut alarm);
        libc::sigaddset(&raw mut alarm, libc::SIGALRM);
        libc::sigprocmask(how, &raw const alarm, ptr::null_mut());
    }
}

/// Waits until a thread stops, and blocks the signal of the time limit. Returns the status; `None` if
/// the thread has ended. From then on, a signal in the status is lost unless it is passed on.
///
/// # Safety
///
/// As for [`limit_time`].
unsafe fn wait_for_stop(tid: pid_t) -> Option<c_int> {
    let (id, events) = (tid as libc::id_t, libc::WSTOPPED | libc::WEXITED | libc::__WALL);
    // SAFETY: any content is valid, and the pointers are valid during the calls.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        // The status is not consumed: until then, the kernel delivers the signal if this process ends.
        if libc::waitid(libc::P_PID, id, &raw mut info, events | libc::WNOWAIT) != 0 {
            return None;
        }
        mask_alarm(libc::SIG_BLOCK);
        let mut status = 0;
        let stopped = libc::waitpid(tid, &raw mut status, libc::__WALL | libc::WNOHANG);
        (stopped == tid && libc::WIFSTOPPED(status)).then_some(status)
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
        if read(job.pid, job.current_word, (&raw mut task).cast(), 8) != 8 || task != job.task {
            return CHANGED;
        }
        const RUNNING: &[u8; 7] = b"running";
        let mut state = [0_u8; RUNNING.len()];
        let length = libc::pread(job.syscall, state.as_mut_ptr().cast(), state.len(), 0);
        if length != RUNNING.len() as isize || state != *RUNNING {
            return CHANGED;
        }
        if ptrace(libc::PTRACE_INTERRUPT, job.tid, 0) != 0 {
            return GONE;
        }
        let Some(status) = wait_for_stop(job.tid) else { return GONE };
        let began = now();
        // The thread was stopped by a signal that was about to be delivered. Other stops have an event.
        if status >> 16 == 0 {
            ptrace(libc::PTRACE_DETACH, job.tid, libc::WSTOPSIG(status) as usize);
            return CHANGED;
        }
        mask_alarm(libc::SIG_UNBLOCK);
        let registers = registers_of(job.tid);
        let (registers, in_system_call) = registers.unwrap_or_default();
        let bytes = (&raw mut (*report).bytes).cast::<u8>();
        let length = read(job.pid, registers[1], bytes, MAX_STACK);
        ptrace(libc::PTRACE_DETACH, job.tid, 0);
        (*report).stopped_ns = now().saturating_sub(began);
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

/// Other processors are not supported.
#[cfg(not(target_arch = "x86_64"))]
fn registers_of(_tid: pid_t) -> Option<([u64; 3], bool)> {
    None
}

/// # Safety
///
/// The request must neither read nor write memory of this process.
pub(super) unsafe fn ptrace(request: libc::c_uint, tid: pid_t, data: usize) -> c_long {
    // SAFETY: by the caller's promise.
    unsafe { libc::ptrace(request, tid, ptr::null_mut::<c_void>(), data as *mut c_void) }
}

/// Copies up to `length` bytes at `address` of another process, up to the first page that is not
/// mapped. Returns the number of bytes.
///
/// # Safety
///
/// `length` bytes at `target` must be writable.
unsafe fn read(pid: pid_t, address: u64, target: *mut u8, length: usize) -> usize {
    const MAX_PARTS: usize = MAX_STACK / PAGE + 1;
    let empty = libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 };
    // One part per page: a call copies whole parts only.
    let (mut parts, mut count, mut total) = ([empty; MAX_PARTS], 0, 0);
    for part in &mut parts {
        let start = (address as usize).wrapping_add(total);
        let size = (PAGE - start % PAGE).min(length - total);
        if size == 0 {
            break;
        }
        *part = libc::iovec { iov_base: start as *mut c_void, iov_len: size };
        total += size;
        count += 1;
    }
    let target = libc::iovec { iov_base: target.cast(), iov_len: total };
    // SAFETY: writes to `target` only, by the caller's promise; the kernel checks the parts.
    let copied =
        unsafe { libc::process_vm_readv(pid, &raw const target, 1, parts.as_ptr(), count, 0) };
    usize::try_from(copied).unwrap_or(0)
}

fn errno() -> c_int {
    // SAFETY: the address is valid as long as the thread exists.
    unsafe { *libc::__errno_location() }
}

/// Nanoseconds of the monotonic clock.
pub(super) fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is valid.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64)
}
