//! The stack of a thread that is running: the thread is stopped while its registers and its stack
//! are copied, which takes some 10 µs.
//!
//! A helper process stops it instead of this one, so that no thread is left stopped: the kernel
//! resumes a thread when the process that stopped it ends, for whatever reason. The helper is not
//! affected if this process is killed or suspended, the terminal's signals (Ctrl-Z) do not reach it,
//! and a timer ends it.
//!
//! A stop interrupts a system call, and some, such as `epoll_wait`, then return an error. Therefore a
//! thread is stopped only if it was in no system call immediately before. A system call that begins
//! in the few microseconds in between is recorded in [`Stopped::in_system_call`].
#![allow(unsafe_code)]

mod helper;
#[cfg(all(test, target_arch = "x86_64"))]
mod tests;

use std::{
    fs::{self, File},
    io,
    os::fd::AsRawFd,
    ptr,
    time::Duration,
};

use asynctop_stack::Registers;
use libc::pid_t;

use crate::process::identity::Identity;
use helper::{CHANGED, DENIED, DONE, GONE, Job, Report, help};

/// Maximum number of bytes copied of a stack. The time for which a thread is stopped grows with it.
pub(crate) const MAX_STACK: usize = 1 << 16;

/// A past stop of a thread, to read its stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Stopped {
    /// Length of the stop, from the moment at which the helper noticed it.
    #[cfg_attr(feature = "serde", serde(rename = "nanoseconds", serialize_with = "nanoseconds"))]
    pub length: Duration,
    /// The thread had just begun a system call. A call that the kernel does not restart, such as
    /// `epoll_wait`, has returned the error `EINTR`.
    pub in_system_call: bool,
}

#[cfg(feature = "serde")]
pub(crate) fn nanoseconds<S: serde::Serializer>(
    duration: &Duration,
    s: S,
) -> Result<S::Ok, S::Error> {
    s.serialize_u64(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
}

/// The registers and the stack of a thread when it was stopped.
pub(crate) struct StoppedThread {
    pub registers: Registers,
    /// The stack from the stack pointer up.
    pub bytes: Vec<u8>,
    pub stopped: Stopped,
}

/// The reason why a thread was not stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotStopped {
    /// The thread is no longer running, or no longer in the same poll.
    Changed,
    /// The thread has ended.
    Gone,
    /// Another process traces the thread.
    Traced,
    /// The kernel does not allow it.
    Denied,
    /// The helper could not be started, was killed, or reached its time limit.
    Failed,
}

impl NotStopped {
    pub(crate) fn reason(self) -> &'static str {
        match self {
            NotStopped::Changed => {
                "it was no longer running, or not in the same poll, when it was to be stopped"
            }
            NotStopped::Gone => "it has ended",
            NotStopped::Traced => "it is running, and another program (a debugger) traces it",
            NotStopped::Denied => {
                "it is running, and the kernel does not allow a helper process to stop it (with \
                 kernel.yama.ptrace_scope=1, only with sudo: the helper is not its parent)"
            }
            NotStopped::Failed => "it is running, and could not be stopped",
        }
    }
}

/// A report in memory that is shared with a helper.
struct SharedReport(*mut Report);

impl SharedReport {
    fn new() -> io::Result<SharedReport> {
        let (read, write) = (libc::PROT_READ, libc::PROT_WRITE);
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping, which overlaps nothing.
        let memory =
            unsafe { libc::mmap(ptr::null_mut(), size_of::<Report>(), read | write, flags, -1, 0) };
        if memory == libc::MAP_FAILED {
            Err(io::Error::last_os_error())
        } else {
            Ok(SharedReport(memory.cast()))
        }
    }

    fn get(&self) -> &Report {
        // SAFETY: mapped, zeroed by the kernel, valid for any content; the helper has ended.
        unsafe { &*self.0 }
    }
}

impl Drop for SharedReport {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`, and no reference to it exists.
        unsafe { libc::munmap(self.0.cast(), size_of::<Report>()) };
    }
}

/// Stops a thread that runs inside a poll of the task with the id `task`, and copies its registers
/// and stack. `current_word` is the address of the id of the thread's current task: if that is
/// another one by then, the thread is not stopped.
pub(crate) fn stop(
    identity: &Identity,
    tid: u32,
    current_word: u64,
    task: u64,
) -> Result<StoppedThread, NotStopped> {
    let shared = SharedReport::new().map_err(|_| NotStopped::Failed)?;
    let syscall =
        File::open(identity.path(&format!("task/{tid}/syscall"))).map_err(|_| NotStopped::Gone)?;
    let job = Job {
        pid: identity.pid() as pid_t,
        tid: tid as pid_t,
        syscall: syscall.as_raw_fd(),
        current_word,
        task,
    };
    wait_for(start_helper(&job, &shared).ok_or(NotStopped::Failed)?);
    let report = shared.get();
    let [ip, sp, fp] = report.registers;
    match report.outcome {
        DONE => Ok(StoppedThread {
            registers: Registers { fp, ..Registers::pointers(ip, sp) },
            bytes: report.bytes[..report.length.min(MAX_STACK)].to_vec(),
            stopped: Stopped {
                length: Duration::from_nanos(report.stopped_ns),
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

fn start_helper(job: &Job, shared: &SharedReport) -> Option<pid_t> {
    // SAFETY: like `fork`, without a signal for this process when the child ends. The child calls
    // only `help`, which does not return.
    let helper = unsafe { libc::syscall(libc::SYS_clone, 0, 0, 0, 0, 0) };
    if helper == 0 {
        // SAFETY: this is the child, and the report is mapped.
        unsafe { help(job, shared.0) }
    }
    pid_t::try_from(helper).ok().filter(|helper| *helper > 0)
}

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
    let status = identity.path(&format!("task/{tid}/status"));
    let status = fs::read_to_string(status).unwrap_or_default();
    let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:"));
    tracer.is_some_and(|pid| pid.trim() != "0")
}
